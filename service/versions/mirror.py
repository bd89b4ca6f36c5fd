"""Asks two versions what one was asked: a sample of requests, again, in a thread, at a bounded cost."""

import threading
import time
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor import ClassOutputs
from service.batching import Work
from service.messages import Request
from service.sharing.windows import SharedWindows
from service.truth.judging import Judged, LiveFigures
from service.versions.catalog import ModelEntry, NotReadyError, NotServedError, Served
from service.versions.verdicts import CELLS, HUNDREDTHS, Figures, Limits, Live, Tally
from service.versions.watching import Watch
from service.versions.yardstick import IncomparableError, yardstick_of

if TYPE_CHECKING:
    from service.runtime import Runtime

__all__ = ["Evidence", "Mirror"]

SHARE, LATER_SHARE = 0.03, 0.005  # of one core, the most that asking again may take, at first and later on
MOST_BYTES = 2**20
MOST_ROWS = 256  # of one request that are compared
SLOW_S = 0.0005  # of processor time for a request: less is no harm, whatever it is a multiple of
ARENA_CELLS = 2**20
WINDOW = "24h"
BAD = 400
NOT_OF_A_VERSION = frozenset({408, 429, 503, 504})  # answers that tell of load, or of the client


class Evidence:
    """What all processes of one fork found out about watched versions; made before the fork."""

    def __init__(self, live: LiveFigures | None = None) -> None:
        self._windows = SharedWindows(ARENA_CELLS)
        self._live = live

    def judged(self, name: str, version: int) -> Judged:
        """Return what feedback has said of a version over a day."""
        return Judged() if self._live is None else self._live.of(name, version, WINDOW)

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

    def __init__(self, runtime: "Runtime", evidence: Evidence, limits: Limits) -> None:
        self._runtime = runtime.quiet()
        self._observer = runtime.observer
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
        entry = self._runtime.registry.catalog.models.get(served.name)
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
            except Exception as error:  # noqa: BLE001 - the thread outlives any fault, as the watcher does
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
        """Let a version answer, as if the path had named it."""
        parameters = {name: text for name, text in request.parameters.items() if name != "alias"}
        asked = replace(request, parameters=parameters | {"version": str(served.version)}, served=None)
        began = time.thread_time()
        try:
            work = request.match.routes[request.method].handler(asked, self._runtime)
            if not isinstance(work, Work):
                return _Outcome(None, 0.0)
            A = served.predictor.network.infer(work.X)
            work.finish(A)
        except (NotServedError, NotReadyError):
            raise
        except Exception:  # noqa: BLE001 - whatever keeps a version from answering is what is looked for
            return _Outcome(None, 0.0)
        cells = work.cells
        rows = len(A) if cells is None else len(cells) if isinstance(cells, np.ndarray) else len(cells[0])
        return _Outcome(A[: min(rows, MOST_ROWS)], time.thread_time() - began)
