"""Numbers that processes share: one anonymous map made before the fork, a row a worker, summed when read.

A row is written by the worker that holds it and by nobody else, so no lock crosses processes. When a worker dies its
row stays as it is, and the next worker goes on counting from there: sums never fall, and nothing is to be cleaned up.
Only the row's gauges, the first cells, are set to zero with its holder.
"""

import mmap
import os
import threading

import numpy as np
from numpy.typing import NDArray

from service.sharing.locking import SharedLock

__all__ = ["SharedCounters", "SharedNames"]

CELL_BYTES = 8
PAGE_CELLS = mmap.PAGESIZE // CELL_BYTES
NAME_BYTES = 64


class SharedCounters:
    """`rows` rows of `width` float64 cells, the first `gauges` of which end with their holder.

    `claim` and `release` are the master's; `use` says in a worker which row is its own.
    """

    def __init__(self, rows: int, width: int, gauges: int) -> None:
        self.width = width
        # Whole pages a row: two workers never write to one cache line.
        self._stride = -(-width // PAGE_CELLS) * PAGE_CELLS
        self._map = mmap.mmap(-1, rows * self._stride * CELL_BYTES)
        self._cells = memoryview(self._map).cast("d")
        self._gauges = gauges
        self._rows = rows
        self._held: dict[int, object] = {}
        self._claimed = 0
        self._start = 0
        self._lock = threading.Lock()
        self._header = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")

    def claim(self, holder: object) -> int:
        """Give the lowest free row to `holder`; the last row is shared when all are taken."""
        row = next((row for row in range(self._rows) if row not in self._held), self._rows - 1)
        self._held[row] = holder
        self._claimed = max(self._claimed, row + 1)
        self._header[0] = self._claimed
        return row

    def release(self, row: int) -> None:
        """Take a row back from a holder that has ended."""
        self._held.pop(row, None)
        start = row * self._stride
        for cell in range(start, start + self._gauges):
            self._cells[cell] = 0.0

    def use(self, row: int) -> None:
        """Count in this row from now on."""
        self._start = row * self._stride

    def add(self, cell: int, amount: float = 1.0) -> None:
        """Add to one cell of this process's row; safe from any thread."""
        with self._lock:
            self._cells[self._start + cell] += amount

    def add_range(self, start: int, amounts: NDArray[np.float64]) -> None:
        """Add to the cells from `start` on, (cells,)."""
        offset = (self._start + start) * CELL_BYTES
        cells = np.frombuffer(self._map, count=len(amounts), offset=offset)
        with self._lock:
            cells += amounts

    def set(self, cell: int, value: float) -> None:
        """Set one cell, a gauge, of this process's row."""
        self._cells[self._start + cell] = value

    def gauges(self, cell: int) -> list[float]:
        """Return one cell of every row that was ever claimed."""
        return [self._cells[row * self._stride + cell] for row in range(max(1, int(self._header[0])))]

    def sums(self) -> list[float]:
        """Return the sum of every cell over all rows that were ever claimed."""
        rows = max(1, int(self._header[0]))
        cells = np.frombuffer(self._map, count=rows * self._stride).reshape(rows, self._stride)
        sums: list[float] = cells[:, : self.width].sum(axis=0).tolist()
        return sums


class SharedNames:
    """Up to `places` ASCII names of at most `size` bytes that all processes of one fork agree on; none goes again."""

    def __init__(self, places: int, size: int = NAME_BYTES) -> None:
        self._places = places
        self._size = size
        self._file = os.memfd_create("names")
        os.ftruncate(self._file, places * size)
        self._map = mmap.mmap(self._file, places * size)
        self._lock = SharedLock(self._file)
        self._known: dict[str, int] = {}

    def place(self, name: str) -> int | None:
        """Return the place of a name, a new one if need be; None when all are taken."""
        found = self._known.get(name)
        return self._claim(name) if found is None else found

    def names(self) -> list[str]:
        """Return the names that have a place, in their order."""
        slots = (self._map[start : start + self._size] for start in range(0, len(self._map), self._size))
        return [slot.rstrip(b"\0").decode("ascii") for slot in slots if slot[0]]

    def _claim(self, name: str) -> int | None:
        with self._lock.held():
            names = self.names()
            if name not in names:
                if len(names) == self._places:
                    return None
                start = len(names) * self._size
                self._map[start : start + self._size] = name.encode("ascii").ljust(self._size, b"\0")
                names.append(name)
        self._known = {known: place for place, known in enumerate(names)}
        return self._known[name]
