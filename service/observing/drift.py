"""Compares the rows that are asked for with those of training, at a cost that does not grow with the load."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.cells import Cells
from predictor.drift import Shift
from service.given import Given, row_count
from service.sharing.windows import SharedWindows
from service.versions.catalog import Served

__all__ = ["DriftWatch"]

CELLS_A_TICK = 2048  # the rows between two ticks are a sample of so many cells, for a tenth of a millisecond of work
FEWEST_A_TICK = 16
FLUSH_S = 1.0


class DriftWatch:
    """Takes a sample of the rows between two ticks and counts it; made before the fork, one for all processes.

    `observe` is called for every answer and only keeps a copy; `tick` does the work, five times a second where a worker
    calls it, else whenever the sample is full.
    """

    def __init__(self, windows: SharedWindows | None = None) -> None:
        self._windows = windows or SharedWindows()
        self._lock = threading.Lock()
        self._filling = threading.Lock()
        # Numbers wait side by side, as float64, with the outputs for them, of a type that is told by its character:
        # hundreds of small arrays would have to be found in memory one by one.
        self._numbers: dict[tuple[Served, str], tuple[bytearray, bytearray]] = {}
        self._columns: list[tuple[Served, Sequence[Cells], NDArray[Any]]] = []
        self._pending: dict[Served, NDArray[np.int64]] = {}
        self._room = CELLS_A_TICK
        self._flushed = 0.0
        self.is_ticked = False

    def observe(self, served: Served, cells: Given, A: NDArray[Any]) -> None:
        """Note rows as they were given, and the outputs for them (further rows of outputs are of no concern)."""
        if self._room <= 0:
            if self.is_ticked:
                return
            self.tick()
        rows = row_count(cells)
        most = max(FEWEST_A_TICK, CELLS_A_TICK // served.width)
        step = 1 if rows <= most else -(-rows // most)
        if step > 1 or len(A) != rows:
            A = A[:rows:step]
        with self._filling:
            self._room -= len(A) * served.width
            if isinstance(cells, np.ndarray):
                found = self._numbers.get((served, A.dtype.char))
                if found is None:
                    found = self._numbers[served, A.dtype.char] = (bytearray(), bytearray())
                numbers, outputs = found
                given = cells[::step] if step > 1 else cells
                numbers += (given if given.dtype.char == "d" else given.astype(np.float64)).tobytes()
                outputs += A.tobytes()
            else:
                self._columns.append((served, [column[::step] for column in cells] if step > 1 else cells, A))

    def tick(self) -> None:
        """Count the sample; once a second add it to what all processes share."""
        now = time.monotonic()
        with self._lock:
            self._count()
            if now - self._flushed >= FLUSH_S:
                self._flush(now)

    def shifts(self, served: Served, window: str) -> tuple[int, list[Shift], list[Shift]]:
        """Return the rows that a window holds, what they say of each feature, and of each output."""
        now = time.monotonic()
        with self._lock:
            self._count()
            self._flush(now)
        bins = served.bins
        counts = self._windows.sums(served.name, served.version, bins.size, window, now)
        return bins.rows(counts), bins.features(counts), bins.predictions(counts)

    def _count(self) -> None:
        with self._filling:
            matrices, self._numbers = self._numbers, {}
            columns, self._columns = self._columns, []
            self._room = CELLS_A_TICK
        for served, cells, A in columns:
            self._add(served, cells, A)
        for (served, kind), (numbers, outputs) in matrices.items():
            X = np.frombuffer(numbers).reshape(-1, served.width)
            self._add(served, X, np.frombuffer(outputs, kind).reshape(len(X), -1))

    def _add(self, served: Served, cells: Given, A: NDArray[Any]) -> None:
        counts = served.bins.count(cells, A)
        known = self._pending.get(served)
        self._pending[served] = counts if known is None else known + counts

    def _flush(self, now: float) -> None:
        self._flushed = now
        pending, self._pending = self._pending, {}
        for served, counts in pending.items():
            self._windows.add(served.name, served.version, counts, now)
