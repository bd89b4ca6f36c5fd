"""From a chunk of a large table to packed rows, each column read as the sample's was."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from predictor.wording import shown
from training.encoding import encode
from training.errors import DataError
from training.kinds import as_numbers, as_text
from training.prepared import Prepared
from training.sources.chunked import ChunkedTable
from training.streaming.coding import Coder
from training.streaming.scratch import Packed
from training.streaming.survey import Survey
from training.table import Column

__all__ = ["Chunk", "Reader"]

CHECKED_ROWS = 1000


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some rows whose target is known: where they stand in the table, features, and class codes or numbers."""

    positions: NDArray[np.int64]
    features: tuple[Column, ...]
    values: NDArray[np.float64]


class Reader:
    """Reads chunks by what was decided on a sample, `prepared`, of the rows `found`.

    Columns that are left out are only read where `others` has them. Raises DataError when reading the sample this way
    does not give the very columns that were decided on.
    """

    def __init__(self, chunked: ChunkedTable, prepared: Prepared, found: Survey, others: Sequence[Column] = ()) -> None:
        self._chunked = chunked
        self._prepared = prepared
        self._numeric = {column.name: column.is_numeric for column in found.table.columns}
        self.target = prepared.problem.target.name
        self._kept = {column.name for column in prepared.columns}
        self._read = [*prepared.columns, *others]
        self._codes = _codes(found, prepared)
        self.coder = Coder(prepared.schema)
        self._check(found)

    def read(self, cells: pa.Table, first: int) -> Chunk:
        """Return the rows of a chunk, which begins at the row `first`, without those that have no target."""
        features = tuple(self._feature(column, cells, first) for column in self._read)
        values, is_known = self._target(cells, first)
        positions = first + np.flatnonzero(is_known)
        if is_known.all():
            return Chunk(positions, features, values)
        return Chunk(positions, tuple(column.take(is_known) for column in features), values[is_known])

    def pack(self, chunk: Chunk) -> Packed:
        """Return packed rows, (rows, coder.width + 1), the value last."""
        columns = [column for column in chunk.features if column.name in self._kept]
        try:
            return np.concatenate([self.coder.pack(columns), chunk.values[:, None]], axis=1)
        except DataError as error:
            where = self._chunked.place(int(chunk.positions[0]) + 1)
            raise DataError(f"{self._chunked.source}: {where} or after: {error}") from error

    def _feature(self, decided: Column, cells: pa.Table, first: int) -> Column:
        name = decided.name
        column = self._chunked.column(name, cells[name], is_numeric=self._numeric[name], first=first)
        if not decided.is_numeric:
            return as_text(column)
        return as_numbers(column, lambda row: self._chunked.place(first + row))

    def _target(self, cells: pa.Table, first: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return class codes or numbers, (rows,), and for which rows there are any."""
        name = self.target
        column = self._chunked.column(name, cells[name], is_numeric=self._numeric[name], first=first)
        is_known = ~column.is_missing
        if self._codes is None:
            return column.values.astype(np.float64), is_known
        codes = self._codes
        values = np.array([codes.get(cell, -1) for cell in column.values.tolist()], np.float64)
        strange = np.flatnonzero(is_known & (values < 0))
        if len(strange):
            row = int(strange[0])
            raise DataError(
                f"{self._chunked.source}: target {shown(name)}: expected one of {len(codes)} classes,"
                f" found {shown(str(column.values[row]))} in {self._chunked.place(first + row + 1)}"
            )
        return values, is_known

    def _check(self, found: Survey) -> None:
        """Read the sample chunk by chunk's rules and compare it with what it was read as at first."""
        rows = np.arange(min(CHECKED_ROWS, len(found.positions)))
        chunk = self.read(found.cells.take(rows), 0)
        problem = self._prepared.problem
        for column, decided in zip(chunk.features, self._read, strict=True):
            if not _same(column.values, decided.values[rows]):
                raise DataError(
                    f"{self._chunked.source}: column {shown(column.name)} is of a kind that is only read as a whole;"
                    " leave it out with data.drop, or allow more memory with data.memory"
                )
        packed = self.pack(chunk)
        X = encode(self._prepared.schema, self._prepared.columns, rows)
        if not (_same(self.coder.encode(packed), X) and _same(packed[:, -1], problem.target.values[rows])):
            raise DataError(f"{self._chunked.source}: expected packed rows to encode as the sample does")


def _codes(found: Survey, prepared: Prepared) -> dict[str | float, int] | None:
    """Return the class code of each value of the target, as the table holds it; None where it is a number."""
    target = prepared.problem.target
    if not target.labels:
        return None
    cells = found.table.columns[found.table.names.index(target.name)].values.tolist()
    return dict(zip(cells, target.values.tolist(), strict=True))


def _same(found: Sequence[object] | NDArray[np.generic], expected: NDArray[np.generic]) -> bool:
    one, other = np.asarray(found), np.asarray(expected)
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f" and other.dtype.kind == "f")
