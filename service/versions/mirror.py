"""Asks two versions what one was asked: a sample of requests, again, in a thread, at a bounded cost."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.messages import Request
from service.observer import Observer
from service.versions.catalog import NotReadyError, NotServedError, Served
from service.versions.evidence import Evidence
from service.versions.registry import Registry
from service.versions.verdicts import HUNDREDTHS, Limits, Tally
from service.versions.watching import Watch
from service.versions.yardstick import IncomparableError, yardstick_of

__all__ = ["Ask", "Mirror"]

Ask = Callable[[Request, Served], NDArray[Any] | None]
"""Lets a version answer a request: its outputs for the rows that were given, (rows, outputs), None where it gives none.

It may raise whatever keeps the version from answering.
"""

SHARE, LATER_SHARE = 0.03, 0.005  # of one core, the most that asking again may take, at first and later on
MOST_BYTES = 2**20
MOST_ROWS = 256  # of one request that are compared
SLOW_S = 0.0005  # of processor time for a request: less is no harm, whatever it is a multiple of
BAD = 400
NOT_OF_A_VERSION = frozenset({408, 429, 503, 504})  # answers that tell of load, or of the client


class _Outcome(NamedTuple):
    """What a version made of a request: its outputs for the rows that were given, None when it failed; seconds."""

    A: NDArray[Any] | None
    seconds: float


class _Job(NamedTuple):
    request: Request
    status: int
    watch: Watch
    served: Served
    beside: Served


class Mirror:
    """Takes requests that a watched version has answered, and asks it and the version beside it once more.

    One request at a time, and so seldom that it takes at most three parts in a hundred of a core until there are enough
    answers to judge by, and half a part later; what comes meanwhile is left out, also bodies of more than 1 MiB.
    """

    def __init__(self, ask: Ask, registry: Registry, evidence: Evidence, limits: Limits, observer: Observer) -> None:
        self._ask = ask
        self._registry = registry
        self._observer = observer
        self._evidence = evidence
        self._limits = limits
        self._is_busy = False
        self._next = 0.0
        self._turns: dict[int, int] = {}  # by the number of the watch
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def offer(self, request: Request, status: int) -> None:
        """Take a request with the status of its answer, if its version is watched and it is time for another."""
        served: Served = request.served
        entry = self._registry.catalog.models.get(served.name)
        if entry is None or not entry.watches or self._is_busy or time.monotonic() < self._next:
            return
        watch = next((watch for watch in entry.watches.values() if watch.version == served.version), None)
        if watch is None or status in NOT_OF_A_VERSION or len(request.body) > MOST_BYTES:
            return
        beside, route = entry.loaded(watch.beside), request.match.routes.get(request.method)
        if beside is not None and route is not None and route.is_prediction:
            self._is_busy = True
            self._jobs.put(_Job(request, status, watch, served, beside))

    def start(self) -> None:
        """Begin to ask; after the process has forked."""
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(timeout=5)
            self._thread = None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            began = time.thread_time()
            try:
                self._compare(job)
            except (NotServedError, NotReadyError):
                continue  # a version has gone meanwhile
            except Exception as error:  # noqa: BLE001 - the thread outlives any fault, as the reloader does
                self._observer.reported("error", "a request could not be compared", error=error, model=job.served.name)
            finally:
                is_enough = self._turns.get(job.watch.number, 0) >= self._limits.answers
                share = LATER_SHARE if is_enough else SHARE
                self._next = time.monotonic() + (time.thread_time() - began) * (1 / share - 1)
                self._is_busy = False

    def _compare(self, job: _Job) -> None:
        turns = self._turns[job.watch.number] = self._turns.get(job.watch.number, 0) + 1
        pair = (job.served, job.beside)
        # Whoever comes second finds the caches warm, so they take turns at that.
        order = pair if turns % 2 else pair[::-1]
        found = {version: self._asked(job.request, version) for version in order}
        counts = self._counts(job.status, found[job.served], found[job.beside], pair)
        self._evidence.add(job.served.name, job.watch, counts)

    def _counts(self, status: int, ours: _Outcome, theirs: _Outcome, pair: tuple[Served, Served]) -> NDArray[np.int64]:
        yardstick = yardstick_of(*pair)
        tally = Tally(answers=1, failed=int(status >= BAD), failed_beside=int(theirs.A is None))
        predictions = np.zeros(yardstick.size, dtype=np.int64)
        if ours.A is None or theirs.A is None or status >= BAD or len(ours.A) != len(theirs.A):
            return tally.counts(predictions)
        try:
            apart, predictions = yardstick.count(ours.A, theirs.A)
        except IncomparableError:
            apart = float(len(ours.A))
        is_slower = ours.seconds > max(self._limits.latency * theirs.seconds, theirs.seconds + SLOW_S)
        tally = replace(tally, timed=1, slower=int(is_slower), rows=len(ours.A), apart=round(apart * HUNDREDTHS))
        return tally.counts(predictions)

    def _asked(self, request: Request, served: Served) -> _Outcome:
        began = time.thread_time()
        try:
            A = self._ask(request, served)
        except (NotServedError, NotReadyError):
            raise
        except Exception:  # noqa: BLE001 - whatever keeps a version from answering is what is looked for
            A = None
        return _Outcome(None, 0.0) if A is None else _Outcome(A[:MOST_ROWS], time.thread_time() - began)
