"""Keeps a sample of what was answered, and all that turns out to be true, in a store that may be slow, full or down."""

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from numpy.typing import NDArray

from feedback import Answered, Asked, Place, Shape, Store, StoreError, Told
from service.computing.batching import Work
from service.messages import Request
from service.observer import Observer
from service.truth.judging import LiveFigures
from service.truth.logrecords import Kept, asked_of, shape_of
from service.truth.matching import Matcher
from service.truth.pacing import COST_A_FLUSH, Pace
from service.versions.catalog import Served
from service.versions.splitting import Draw

__all__ = ["FullLogError", "Logbook", "Retention"]

FLUSH_S = 0.5
REQUEST_COST = 64  # what a request costs the thread beside its cells, in cells
MOST_COST = 20 * COST_A_FLUSH  # ten seconds of what may be written
BYTES_A_CELL = 16  # of a body whose texts are kept
MOST_TOLD = 20_000
MOST_TOLD_SIZE = 2**25  # in letters
TOLD_A_FLUSH = 500
TOLD_SIZE_A_FLUSH = 2**22
LONGEST_PAUSE_S = 10.0
REPORT_S = 60.0
PRUNE_S = 10.0
STOP_S = 2.0
LOOK_S = 0.1
READ_S = 1.0
READER_RESTS_S = 2.0


class FullLogError(RuntimeError):
    """So much feedback waits to be written that no more is taken."""


@dataclass(frozen=True)
class Retention:
    """How long records are kept, and about how many of either kind."""

    days: float
    requests: int


@dataclass
class _Batch:
    """What is written together: it stays as it is until the store has taken it; `cost` is that of what was asked."""

    asked: list[Asked]
    told: list[Told]
    shapes: dict[str, Shape]
    cost: int
    fresh: list[tuple[Told, list[Any]]] | None = None
    is_empty: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_empty = not self.asked and not self.told


class Logbook:
    """Made before the fork; `start` begins a thread that writes in batches.

    `keep` is called on the request's path and keeps references, up to a bound; beyond it requests are counted as
    dropped. The thread writes so much a second and no more, so that its cost has a bound, too.
    """

    def __init__(self, place: Place, observer: Observer, *, share: float, retention: Retention) -> None:
        self.live = LiveFigures()
        self._place = place
        self._observer = observer
        self._share = share
        self._draw = Draw(share, b"log")
        self._retention = retention
        self._store = Store(place)
        self._reader = Store(place, patience_s=READ_S, is_read_only=True)
        self._reader_lock = threading.Lock()
        self._reader_rests_until = 0.0
        self._matcher = Matcher(observer, self.live)
        self._shapes: WeakKeyDictionary[Served, Shape] = WeakKeyDictionary()
        self._lock = threading.Lock()
        self._waiting: deque[Kept] = deque()
        self._told: deque[tuple[Told, Shape | None]] = deque()
        self._told_size = 0
        self._room = MOST_COST
        self._dropped = 0
        self._pace = Pace()
        self._batch: _Batch | None = None
        self._failures = 0
        self._is_up = False  # until the store has taken something
        self._reported = ("", -REPORT_S)
        self._lost = 0  # of either kind, since it was reported
        self._prunes_at = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write, in this process: threads and connections do not survive a fork."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._work, name="logbook", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, for some seconds at most; what is left then is counted as lost."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_S + READ_S)
            if self._thread.is_alive():
                self._give_up()  # it hangs, and so would everything that waited for it
            self._thread = None

    def keep(self, request: Request, work: Work, A: NDArray[Any]) -> None:
        """Take the rows of one request as they were given, with the outputs for them; never waits, never fails."""
        if self._share < 1 and not self.takes(request.id):
            return
        if self._room <= REQUEST_COST:  # as nearly always under a flood: no request costs so little
            self._dropped += 1
            return
        cost = REQUEST_COST + work.X.size + len(request.body) // BYTES_A_CELL
        # Without a lock, which would cost as much as all the rest: a count that is lost is found when nothing waits.
        if cost > self._room:
            self._dropped += 1
            return
        self._room -= cost
        self._waiting.append((work.served, request.id, request.client, request.received, work.cells, A, cost))

    def takes(self, request_id: str) -> bool:
        """Tell whether the request of this id is one of the sample."""
        return self._share >= 1 or self._draw.takes(request_id.encode())

    def shape(self, served: Served) -> Shape:
        """Return what a version's rows and outputs mean."""
        found = self._shapes.get(served)
        if found is None:
            found = self._shapes[served] = shape_of(served)
        return found

    def tell(self, records: Sequence[Told], shape: Shape | None = None) -> None:
        """Take feedback, all of it or none; `shape` is that of rows which come along. FullLogError when it is full."""
        size = sum(map(_size, records))
        with self._lock:
            if len(self._told) + len(records) > MOST_TOLD or self._told_size + size > MOST_TOLD_SIZE:
                raise FullLogError
            self._told_size += size
            self._told.extend((record, shape) for record in records)

    def judge(self, served: Served, outputs: Mapping[str, Any], truths: Sequence[Any]) -> None:
        """Count how right a version is on rows whose truth came along with them."""
        self._matcher.judge(served.name, served.version, self.shape(served), outputs, truths)

    def answers(self, model: str, request_ids: Sequence[str]) -> dict[str, Answered] | None:
        """Return the answers that the store has to requests, by their ids; None when it does not say so soon."""
        is_down = not self._is_up or time.monotonic() < self._reader_rests_until
        if is_down or not self._reader_lock.acquire(timeout=LOOK_S):
            return None
        found: list[dict[str, Answered]] = []
        # A database that hangs would hang its caller: it gets a thread to hang.
        thread = threading.Thread(target=self._look, args=(model, request_ids, found), name="lookup", daemon=True)
        thread.start()
        thread.join(READ_S)
        return found[0] if found else None

    def _look(self, model: str, request_ids: Sequence[str], found: list[dict[str, Answered]]) -> None:
        try:
            found.append(self._reader.answers(model, request_ids))
        except StoreError:
            self._reader_rests_until = time.monotonic() + READER_RESTS_S
        finally:
            self._reader_lock.release()

    def _work(self) -> None:
        while not self._stopping.wait(self._pause_s):
            self._flush()
        until = time.monotonic() + STOP_S
        while not self._is_done and time.monotonic() < until:
            self._flush()
            if self._failures:
                time.sleep(FLUSH_S)
        self._give_up()
        self._store.close()
        if self._reader_lock.acquire(timeout=READ_S):
            self._reader.close()
            self._reader_lock.release()

    @property
    def _pause_s(self) -> float:
        return min(LONGEST_PAUSE_S, FLUSH_S * 2.0**self._failures)

    @property
    def _is_done(self) -> bool:
        return self._batch is None and not self._waiting and not self._told

    def _flush(self) -> None:
        """Write one batch: the one that the store has not taken yet, or the next."""
        dropped, self._dropped = self._dropped, 0
        if dropped:
            self._observer.logged("full", dropped)
        with self._guarded():
            began = time.thread_time()
            batch = self._batch = self._batch or self._next()
            if not batch.is_empty:
                if batch.fresh is None:
                    batch.fresh = self._matcher.fresh(self._store, batch.told)
                self._store.write(batch.asked, batch.told, batch.shapes)
                self._matcher.add(batch.fresh)
                self._observer.logged("written", len(batch.asked))
                self._observer.logged("told", len(batch.told))
            self._batch = None
            self._pace.learn(time.thread_time() - began, batch.cost)
            if self._matcher.is_waiting:
                self._matcher.match(self._store)
            if time.monotonic() >= self._prunes_at:
                before = time.time() - self._retention.days * 86400
                is_more = self._store.prune(before=before, most=self._retention.requests)
                self._prunes_at = time.monotonic() + (0 if is_more else PRUNE_S)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Count and report what goes wrong with the store; a batch that it will never take is given up."""
        try:
            yield
        except StoreError as error:
            self._failures, self._is_up = min(self._failures + 1, 16), False
            self._observer.logged("failed", 1)
            if not error.may_pass:
                self._lose()
            self._report(str(error))
        except Exception as error:  # noqa: BLE001 - the thread outlives any fault; predictions go on
            self._observer.logged("failed", 1)
            self._observer.reported("error", "the log store's thread failed", error=error)
            self._lose()
        else:
            if self._failures:
                self._observer.reported("info", "the log store takes records again")
            self._failures, self._is_up = 0, True

    def _next(self) -> _Batch:
        """Take what a flush may write from the queues and make its records."""
        shapes: dict[str, Shape] = {}
        told: list[Told] = []
        size = 0
        while self._told and len(told) < TOLD_A_FLUSH and size < TOLD_SIZE_A_FLUSH:
            record, brought = self._told.popleft()
            size += _size(record)
            told.append(record)
            if brought is not None:
                shapes[brought.id] = brought
        with self._lock:
            self._told_size -= size
        some, cost = self._pace.take(self._waiting)
        self._room = self._room + cost if self._waiting else MOST_COST
        try:
            asked = asked_of(some, self.shape, time.time() - time.monotonic())
        except Exception:
            self._count_lost(len(some), len(told))
            raise
        shapes |= {shape.id: shape for shape in map(self.shape, {kept[0] for kept in some})}
        return _Batch(asked, told, shapes, cost)

    def _lose(self) -> None:
        batch, self._batch = self._batch, None
        if batch is not None:
            self._count_lost(len(batch.asked), len(batch.told))

    def _count_lost(self, asked: int, told: int) -> None:
        self._observer.logged("lost", asked)
        self._observer.logged("untold", told)
        self._lost += asked + told

    def _give_up(self) -> None:
        """Count what the store has not taken before the end."""
        self._lose()
        self._count_lost(len(self._waiting), len(self._told))
        if self._lost:
            self._report("the service ended first")

    def _report(self, reason: str) -> None:
        """Log why the store takes nothing: once a minute, and whenever there is another reason."""
        known, at = self._reported
        if reason != known or time.monotonic() - at >= REPORT_S:
            self._reported = reason, time.monotonic()
            batch = self._batch
            waiting = len(self._waiting) + len(self._told) + (len(batch.asked) + len(batch.told) if batch else 0)
            lost, self._lost = self._lost, 0
            self._observer.reported(
                "error", "the log store does not take records",
                store=self._place.address, reason=reason, waiting=waiting, lost=lost,
            )  # fmt: skip


def _size(record: Told) -> int:
    return len(record.truths) + len(record.cells or "")
