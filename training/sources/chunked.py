"""A table that is read piece by piece, as often as wanted, because the whole need not fit into memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from training.errors import DataError
from training.table import Column, Table

__all__ = ["ChunkedTable", "Size", "Unchanged"]


@dataclass(frozen=True)
class Size:
    """How many rows and columns a table has, and how many bytes of text it is made of, if any."""

    rows: int
    columns: int
    text: int = 0


class ChunkedTable(Protocol):
    """What both passes over a large table rely on, whatever it is stored in. All methods may raise DataError."""

    @property
    def source(self) -> str:
        """What messages call it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns, trimmed, in order."""

    def chunks(self) -> Iterator[pa.Table]:
        """Return some thousands of rows after the other, from the first to the last, with columns of these names."""

    def size(self) -> Size:
        """Return how large the table is, before it is read: an estimate where nothing says."""

    def digest(self) -> str:
        """Return the SHA-256 of the bytes."""

    def table(self, cells: pa.Table, digest: str) -> Table:
        """Return rows of chunks as the same reader would give them had it read the whole."""

    def numbers(self, cells: pa.ChunkedArray) -> NDArray[np.float64] | None:
        """Return cells as numbers, NaN for missing, where all of them plainly are; None where one is not."""

    def texts(self, cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """Return cells as trimmed text, null for missing; None for types that no column can have."""

    def column(self, name: str, cells: pa.ChunkedArray, *, is_numeric: bool, first: int) -> Column:
        """Return cells as numbers or text, whichever the whole column holds; `first` is the row they begin at."""

    def check(self) -> None:
        """Raise DataError when the files are not what they were at first."""

    def place(self, row: int) -> str:
        """Say where a row, counted from 1, stands: a line of the file, for one."""


class Unchanged:
    """Notices when files change between their first reading and their last."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._seen = self._look()

    def check(self) -> None:
        """Raise DataError when a file is not what it was."""
        for path, before, now in zip(self._paths, self._seen, self._look(), strict=True):
            if before != now:
                raise DataError(
                    f"{path.name}: the file changed while it was being read; start again when nobody writes to it"
                )

    def _look(self) -> list[tuple[int, int, int]]:
        found = [path.stat() for path in self._paths]
        return [(status.st_ino, status.st_size, status.st_mtime_ns) for status in found]
