"""Requests as they are answered, kept for a moment and then counted together."""

import struct
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.observer import Stages
from service.observing.layout import BATCH_ROWS, BUCKETS, OUTCOMES, STAGES, Layout, Outcome
from service.sharing.counters import SharedCounters

__all__ = ["Kind", "Tallies"]

Kind = tuple[str, str, int, str | None, int | None]
"""Route, method, status, model and version of a request."""
Cells = NDArray[np.float64]

TIMED = struct.Struct(f"={3 + len(STAGES)}d")  # seconds, seconds of each stage, rows of the product, rows
UNTIMED = struct.Struct("=2d")
ENDED = object()
OF_SECONDS, OF_ROWS = np.array(BUCKETS), np.array(BATCH_ROWS)


class Tallies:
    """What one process has answered since it last counted; to add to it costs little, and is safe from any thread."""

    def __init__(self, layout: Layout, counters: SharedCounters) -> None:
        self._layout = layout
        self._counters = counters
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Kind, bool], bytearray] = {}
        self._counting: Iterator[None] = iter(())  # what is being counted in parts
        self._part = threading.Lock()  # held for one part of it, or for all

    def add(self, kind: Kind, seconds: float, rows: int, stages: Stages | None) -> None:
        """Keep one request."""
        timed = stages is not None
        packed = UNTIMED.pack(seconds, rows) if stages is None else TIMED.pack(seconds, *stages, rows)
        with self._lock:
            found = self._waiting.get((kind, timed))
            if found is None:
                found = self._waiting[kind, timed] = bytearray()
            found += packed

    def add_brief(self, kind: Kind, seconds: Sequence[float]) -> None:
        """Keep requests of one kind that no work was done for."""
        packed = np.column_stack([seconds, np.zeros(len(seconds))]).tobytes()
        with self._lock:
            self._waiting.setdefault((kind, False), bytearray()).extend(packed)

    def count(self) -> None:
        """Add what was kept to the shared counters, and what others have begun to add."""
        with self._part:
            for _ in self._counting:
                pass
            for _ in self._parts():
                pass

    def parts(self) -> Iterator[None]:
        """Do the same in parts, each of which takes as long as a request or less, with time for others in between."""
        with self._part:
            for _ in self._counting:
                pass
            self._counting = counting = self._parts()
        while True:
            with self._part:  # `count` may have been called meanwhile, and have left nothing to do
                if next(counting, ENDED) is ENDED:
                    return
            yield

    def _parts(self) -> Iterator[None]:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for (kind, timed), packed in waiting.items():
            width = (TIMED if timed else UNTIMED).size // 8
            # One row for each field: what is done to a field goes over memory that lies together.
            fields = np.frombuffer(packed).reshape(-1, width).T.copy()
            seconds = histograms(fields[:1], OF_SECONDS)
            yield
            stages = batches = None
            if timed:
                shared = fields[-2]
                stages = histograms(fields[1 : 1 + len(STAGES)], OF_SECONDS)
                batches = histograms(shared[None, shared > 0], OF_ROWS)
                yield
            # All at once, so that no page shows one without the others.
            self._add_times(kind, seconds, stages, batches)
            self._count_version(kind, fields)
            yield

    def _add_times(self, kind: Kind, seconds: Cells, stages: Cells | None, batches: Cells | None) -> None:
        """Add requests with histograms of their seconds, of those of each stage, and of the rows of products."""
        route, method, status, _, _ = kind
        self._counters.add(self._layout.request(route, method, status), seconds[:-1].sum())
        self._counters.add_range(self._layout.latency(route), seconds)
        if stages is not None and batches is not None:
            self._counters.add_range(self._layout.stage(0), stages)
            self._counters.add_range(self._layout.batches, batches)

    def _count_version(self, kind: Kind, fields: Cells) -> None:
        _, _, status, model, version = kind
        if model is None or version is None:
            return
        outcome, requests = outcome_of(status), fields.shape[1]
        seconds, *rest, rows = fields.sum(axis=1)
        stages, executions = (rest[:-1], np.count_nonzero(fields[-2])) if rest else ([0.0] * len(STAGES), 0)
        ok, other = (seconds, 0.0) if outcome == "ok" else (0.0, seconds)
        counts = [requests if outcome == name else 0 for name in OUTCOMES]
        amounts = np.array([*counts, rows, executions, ok, other, *stages])
        self._counters.add_range(self._layout.version(model, version), amounts)
        if outcome == "ok":
            self._counters.set(self._layout.last(model, version), time.time())


def outcome_of(status: int) -> Outcome:
    """Return what became of a prediction by the status of its answer."""
    known: dict[int, Outcome] = {429: "refused", 503: "refused", 504: "late"}
    return known.get(status) or ("ok" if status < 400 else "invalid" if status < 500 else "failed")  # noqa: PLR2004


def histograms(values: Cells, bounds: Cells) -> Cells:
    """Return what values, (histograms, values), add to histograms that follow each other: counts, and the sum.

    A bound belongs to the bucket below it. To sort the values and look for the few bounds among them takes half the
    time of looking for the bucket of every value.
    """
    found = np.empty((len(values), len(bounds) + 2))
    for row, ordered in zip(found, np.sort(values, axis=1), strict=True):
        row[:-2] = ordered.searchsorted(bounds, "right")
        row[-2] = len(ordered)
    found[:, 1:-1] -= found[:, :-2].copy()
    found[:, -1] = values.sum(axis=1)
    return found.ravel()
