"""Work shared and bounded: requests of one loop turn make one matrix product, large ones go to a thread."""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.catalog import Served
from service.messages import Response

__all__ = ["Batcher", "FullError", "LateError", "Product", "Work"]

T = TypeVar("T")
Matrix = NDArray[Any]
THREADS = 2
FIRST_RATE = 100_000.0  # rows a second assumed before anything was measured
LONGEST_WAIT_S = 60


@dataclass(frozen=True, slots=True)
class Work:
    """What a handler wants computed: X, (rows, width), through a model, and how to answer with the outputs.

    `cells` are the rows as they were given, for `DriftWatch.observe`; None keeps them out of it.
    """

    served: Served
    X: Matrix
    finish: Callable[[Matrix], Response]
    cells: Any = None


class Product(NamedTuple):
    """The outputs for a request, (rows, outputs), when they were computed, and how many rows shared the product.

    `shared` is 0 for all but the first of the requests that share a product, so that its sum counts rows once.
    """

    A: Matrix
    started: float
    ended: float
    shared: int


Then = Callable[[Product | Exception], None]
Waiting = tuple[Matrix, float, Then]


class FullError(RuntimeError):
    """As many rows wait as may wait; `retry_after_s` says when it is worth asking again."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("The service is busy: too many rows are waiting.")


class LateError(RuntimeError):
    """The answer was not ready before the request's deadline; `retry_after_s` says when to ask again."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("The answer was not ready in time.")


class Batcher:
    """Computes the outputs of models for one process; deadlines are times of `time.monotonic`."""

    def __init__(self, *, thread_rows: int, max_rows_waiting: int) -> None:
        self._thread_rows = thread_rows
        self._max_rows = max_rows_waiting
        self._lock = threading.Lock()
        self._rows = 0  # admitted and not finished
        self._rate = FIRST_RATE
        self._turn: dict[Served, list[Waiting]] = {}
        self._relays: set[asyncio.Task[None]] = set()
        self._pool: ThreadPoolExecutor | None = None

    @property
    def rows_waiting(self) -> int:
        """How many rows are admitted and not yet answered."""
        return self._rows

    def compute(self, served: Served, X: Matrix, deadline: float) -> Product:
        """Return the outputs (rows, outputs) on the calling thread; FullError or LateError when it is too much."""
        self._admit(len(X))
        try:
            return self.infer(served, X, deadline)
        finally:
            self._release(len(X))

    def infer(self, served: Served, X: Matrix, deadline: float) -> Product:
        """Return the outputs of work that is already admitted."""
        started = time.monotonic()
        if started > deadline:
            raise LateError(self.retry_after_s)
        A: Matrix = served.predictor.network.infer(X)
        ended = time.monotonic()
        self._measure(len(X), ended - started)
        return Product(A, started, ended, len(X))

    def enqueue(self, served: Served, X: Matrix, deadline: float, then: Then) -> None:
        """Compute with whatever else this turn of the loop brings for the same model; FullError at once.

        `then` gets the outputs, or the error that took their place: later, never before this returns. It must not
        raise: others wait behind it.
        """
        rows = len(X)
        loop = asyncio.get_running_loop()
        if rows > self._thread_rows:
            relay = loop.create_task(self._relay(served, X, deadline, then))
            self._relays.add(relay)
            relay.add_done_callback(self._relays.discard)
            return
        self._admit(rows)
        if not self._turn:
            loop.call_soon(self._flush)
        self._turn.setdefault(served, []).append((X, deadline, then))

    async def _relay(self, served: Served, X: Matrix, deadline: float, then: Then) -> None:
        outcome: Product | Exception
        try:
            outcome = await self.offload(lambda: self.infer(served, X, deadline), len(X), deadline)
        except Exception as error:  # noqa: BLE001 - handed to the request that waits, which answers with it
            outcome = error
        then(outcome)

    async def offload(self, work: Callable[[], T], rows: int, deadline: float) -> T:
        """Run `work` in a thread of the batcher, counted as `rows` until it is done."""
        self._admit(rows)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="batch")
        job = self._pool.submit(work)
        job.add_done_callback(lambda _: self._release(rows))
        future = asyncio.wrap_future(job)
        # The job itself finds out when it starts too late; this timer answers while it still waits or runs.
        await asyncio.wait({future}, timeout=max(0.0, deadline - time.monotonic()))
        if not future.done():
            future.cancel()
            raise LateError(self.retry_after_s)
        return future.result()

    def close(self) -> None:
        """Let running work end and take no more."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    @property
    def retry_after_s(self) -> int:
        """Whole seconds until the rows that wait now are done at the measured rate, at least 1."""
        return min(LONGEST_WAIT_S, max(1, math.ceil(self._rows / self._rate)))

    def _admit(self, rows: int) -> None:
        with self._lock:
            if self._rows and self._rows + rows > self._max_rows:
                raise FullError(self.retry_after_s)
            self._rows += rows

    def _release(self, rows: int) -> None:
        with self._lock:
            self._rows -= rows

    def _measure(self, rows: int, seconds: float) -> None:
        self._rate += 0.1 * (rows / max(seconds, 1e-6) - self._rate)

    def _flush(self) -> None:
        turn, self._turn = self._turn, {}
        for served, waiting in turn.items():
            group: list[Waiting] = []
            rows = 0
            for item in waiting:
                if group and rows + len(item[0]) > self._thread_rows:
                    self._answer(served, group)
                    group, rows = [], 0
                group.append(item)
                rows += len(item[0])
            self._answer(served, group)

    def _answer(self, served: Served, group: list[Waiting]) -> None:
        """Compute one group with one product."""
        try:
            if len(group) == 1:
                X, deadline, _ = group[0]
            else:
                X, deadline = np.concatenate([X for X, _, _ in group]), max(end for _, end, _ in group)
            product = self.infer(served, X, deadline)
        except Exception as error:  # noqa: BLE001 - handed to every request that waits, which answers with it
            for X, _, then in group:
                self._release(len(X))
                then(error)
            return
        A, started, ended, shared = product
        start = 0
        for X, _, then in group:
            end = start + len(X)
            self._release(len(X))
            then(Product(A[start:end], started, ended, shared))
            start, shared = end, 0
