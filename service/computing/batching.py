"""Work shared and bounded: requests of one loop turn make one matrix product, long ones go to a thread."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.computing.admission import Admission, LateError, Load
from service.computing.courtesy import LoopWork
from service.given import row_count
from service.messages import Response
from service.versions.catalog import Served

__all__ = ["Batcher", "Product", "Work"]

T = TypeVar("T")
Matrix = NDArray[Any]

THREADS = 2
INLINE_S = 0.004
"""Products of one turn that are expected to take longer would keep the event loop from everybody else."""
GROUP_S = 0.02
"""What shares a product waits for all of it."""


class Work(NamedTuple):
    """What a handler wants computed: X, (rows, width), through a model, and how to answer with the outputs.

    `cells` are the rows as they were given, a `service.given.Given`; None keeps them out of what is observed and kept.
    """

    served: Served
    X: Matrix
    finish: Callable[[Matrix], Response]
    cells: Any = None

    def answered(self) -> Matrix:
        """Compute and answer at once, apart from all other work; return the outputs of the rows that were given."""
        A = self.served.predictor.network.infer(self.X)
        self.finish(A)
        return A if self.cells is None else A[: row_count(self.cells)]


Product = tuple[Matrix, float, float, int]
"""The outputs for a request, (rows, outputs), when their computation began and ended, and how many rows shared it.

The last is 0 for all but the first of the requests that share a product, so that the sum counts rows once. A plain
tuple, as it is made for every request.
"""

Then = Callable[[Product | Exception], None]
_Waiting = tuple[Matrix, float, Then, Load]
"""X, the deadline, what is called back with the outcome, and what was admitted."""


class Batcher:
    """Computes the outputs of models for one process; deadlines are times of `time.monotonic`."""

    def __init__(self, *, thread_rows: int, max_rows_waiting: int, longest_wait_s: float) -> None:
        self._thread_rows = thread_rows
        self.admission = Admission(max_rows_waiting, longest_wait_s)
        self._turn: dict[Served, list[_Waiting]] = {}
        self.began = 0.0  # when the first work of this turn of the loop was taken up, 0 while there is none
        self._pool: ThreadPoolExecutor | None = None
        self._loop_work: LoopWork | None = None  # while there are threads that make way for it

    def compute(self, served: Served, X: Matrix, deadline: float) -> Product:
        """Return the outputs (rows, outputs) on the calling thread; FullError or LateError when it is too much."""
        load = len(X), len(X) * served.parameters * self.admission.unit_s
        self.admission.admit(load, deadline)
        try:
            return self.infer(served, X, deadline)
        finally:
            self.admission.release(load)

    def infer(self, served: Served, X: Matrix, deadline: float) -> Product:
        """Return the outputs of work that is already admitted."""
        started = time.monotonic()
        if started > deadline:
            raise LateError(self.admission.retry_after_s)
        A: Matrix = served.predictor.network.infer(X)
        ended = time.monotonic()
        self.admission.learn_units(len(X) * served.parameters, ended - started)
        return A, started, ended, len(X)

    def enqueue(self, served: Served, X: Matrix, deadline: float, then: Then) -> None:
        """Compute with whatever else this turn of the loop brings for the same model; FullError at once.

        `then` gets the outputs, or the error that took their place: on the loop, later, never before this returns. It
        must not raise: others wait behind it.
        """
        rows = len(X)
        load = rows, rows * served.parameters * self.admission.unit_s
        self.admission.admit(load, deadline)
        if not self._turn:
            self.began = time.monotonic()
            if self._loop_work is not None:
                self._loop_work.is_begun = True
            asyncio.get_running_loop().call_soon(self._flush)
        self._turn.setdefault(served, []).append((X, deadline, then, load))

    async def offload(self, work: Callable[[], T], load: Load, deadline: float) -> T:
        """Run `work` in a thread of the batcher, admitted until it is done; LateError when it is not in time."""
        self.admission.admit(load, deadline)
        job = self._threads().submit(self._in_time, work, deadline)
        job.add_done_callback(lambda _: self.admission.release(load))
        future = asyncio.wrap_future(job)
        # The job itself finds out when it starts too late; this timer answers while it still waits or runs.
        await asyncio.wait({future}, timeout=max(0.0, deadline - time.monotonic()))
        if not future.done():
            future.cancel()
            raise LateError(self.admission.retry_after_s)
        return future.result()

    def close(self) -> None:
        """Let running work end and take no more."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = self._loop_work = None

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._loop_work = LoopWork()
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="batch", initializer=self._loop_work.enter)
        return self._pool

    def _in_time(self, work: Callable[[], T], deadline: float) -> T:
        if time.monotonic() > deadline:
            raise LateError(self.admission.retry_after_s)
        return work()

    def _flush(self) -> None:
        """Compute what the turn has brought: at once what is short, the rest in threads."""
        turn, self._turn = self._turn, {}
        self.began = 0.0
        left_s = INLINE_S
        for served, waiting in turn.items():
            rows, seconds = 0, 0.0
            for _, _, _, load in waiting:
                rows += load[0]
                seconds += load[1]
            if seconds <= left_s and rows <= self._thread_rows:
                left_s -= seconds
                self._answer(waiting, self._computed(served, waiting))
                continue
            loop = asyncio.get_running_loop()
            for group in self._groups(waiting):
                job = self._threads().submit(self._computed, served, group)
                job.add_done_callback(partial(self._answer_soon, loop, group))
        if self._loop_work is not None:
            self._loop_work.is_begun = False

    def _groups(self, waiting: list[_Waiting]) -> Iterator[list[_Waiting]]:
        """Divide requests into groups that share a product each: of bounded rows and time, or of a single one."""
        group: list[_Waiting] = []
        rows, seconds = 0, 0.0
        for item in waiting:
            more_rows, more_seconds = item[3]
            if group and (rows + more_rows > self._thread_rows or seconds + more_seconds > GROUP_S):
                yield group
                group, rows, seconds = [], 0, 0.0
            group.append(item)
            rows += more_rows
            seconds += more_seconds
        yield group

    def _computed(self, served: Served, group: list[_Waiting]) -> Product | Exception:
        """Compute one group with one product."""
        try:
            if len(group) == 1:
                X, deadline, _, _ = group[0]
                return self.infer(served, X, deadline)
            X = np.concatenate([X for X, _, _, _ in group])
            return self.infer(served, X, max(deadline for _, deadline, _, _ in group))
        except Exception as error:  # noqa: BLE001 - handed to every request that waits, which answers with it
            return error

    def _answer_soon(self, loop: asyncio.AbstractEventLoop, group: list[_Waiting], job: Any) -> None:
        loop.call_soon_threadsafe(self._answer, group, job.result())

    def _answer(self, group: list[_Waiting], product: Product | Exception) -> None:
        start = 0
        for X, deadline, then, load in group:
            self.admission.release(load)
            if isinstance(product, Exception):
                then(product)
                continue
            A, started, ended, shared = product
            if deadline < started:
                then(LateError(self.admission.retry_after_s))
            else:
                then((A[start : start + len(X)], started, ended, 0 if start else shared))
            start += len(X)
