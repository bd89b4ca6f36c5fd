"""What watched versions are judged by: counts of the last day, of all workers, and what feedback said."""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from predictor import ClassOutputs
from service.observer import Judged
from service.sharing.windows import SharedWindows
from service.versions.catalog import ModelEntry, Served
from service.versions.verdicts import CELLS, Figures, Live
from service.versions.watching import Watch
from service.versions.yardstick import yardstick_of

__all__ = ["Evidence"]

ARENA_CELLS = 2**20
WINDOW = "24h"


class Evidence:
    """What all processes of one fork found out about watched versions; made before the fork.

    `live` says what feedback has told of a version of a model during a window; None where there is no feedback.
    """

    def __init__(self, live: Callable[[str, int, str], Judged] | None = None) -> None:
        self._windows = SharedWindows(ARENA_CELLS)
        self._live = live

    def judged(self, name: str, version: int) -> Judged:
        """Return what feedback has said of a version over a day."""
        return Judged() if self._live is None else self._live(name, version, WINDOW)

    def add(self, name: str, watch: Watch, counts: NDArray[np.int64]) -> None:
        """Add what a request said."""
        self._windows.add(name, watch.number, counts, time.monotonic())

    def figures(self, entry: ModelEntry, watch: Watch) -> Figures | None:
        """Return what is known by now; None where a version of the two is not loaded any more."""
        served, beside = entry.loaded(watch.version), entry.loaded(watch.beside)
        if served is None or beside is None:
            return None
        yardstick = yardstick_of(served, beside)
        size = CELLS + yardstick.size
        counts = self._windows.sums(entry.name, watch.number, size, WINDOW, time.monotonic())
        return Figures.of(counts, yardstick, None if self._live is None else self._by_feedback(served, beside, watch))

    def _by_feedback(self, served: Served, beside: Served, watch: Watch) -> Live:
        now, before = self.judged(served.name, served.version), watch.judged or Judged()
        since = Judged(*(max(0.0, a - b) for a, b in zip(now, before, strict=True)))
        is_classes = isinstance(served.predictor.outputs, ClassOutputs)
        return Live.of(since, self.judged(beside.name, beside.version), is_classes=is_classes)
