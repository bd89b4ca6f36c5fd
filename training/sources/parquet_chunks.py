"""Parquet files read piece by piece."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from predictor.wording import shown
from training.errors import DataError
from training.sources.chunked import Size, Unchanged
from training.sources.parquet_files import column_of, is_date, is_number, is_text, table_of
from training.table import Column, Table, checked_names

__all__ = ["ParquetChunks"]

CHUNK_ROWS = 2**16
CHUNK_CELLS = 2**21
CHUNK_BYTES = 2**22
FEWEST_ROWS = 256
READ_BYTES = 2**20


class ParquetChunks:
    """Parquet files of one schema, in the order given, as one table; see `ChunkedTable`.

    Pages are read one after the other and not whole row groups, which may be larger than memory.
    """

    def __init__(self, source: str, paths: Sequence[Path]) -> None:
        self.source = source
        self._paths = tuple(paths)
        self._unchanged = Unchanged(paths)
        self._raw_names = self._open(self._paths[0]).schema_arrow.names
        self.names = checked_names(self._raw_names, source)

    def chunks(self) -> Iterator[pa.Table]:
        """Return the rows of all files, file by file."""
        rows = self._rows_of_a_chunk()
        for path in self._paths:
            file = self._open(path)
            if file.schema_arrow.names != self._raw_names:
                raise DataError(f"{path.name}: expected the columns of {self._paths[0].name}, found others")
            try:
                for batch in file.iter_batches(rows, use_threads=False):
                    yield pa.Table.from_batches([batch]).rename_columns(list(self.names))
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(path, error) from error

    def size(self) -> Size:
        """Return the rows that the files say they have."""
        rows = sum(self._open(path).metadata.num_rows for path in self._paths)
        return Size(rows, len(self.names))

    def digest(self) -> str:
        """Return the SHA-256 of the bytes of all files, one after the other."""
        digest = hashlib.sha256()
        for path in self._paths:
            with path.open("rb") as file:
                while data := file.read(READ_BYTES):
                    digest.update(data)
        return digest.hexdigest()

    def table(self, cells: pa.Table, digest: str) -> Table:
        """Return rows of chunks as a table."""
        return table_of(self.source, cells, digest)

    def numbers(self, cells: pa.ChunkedArray) -> NDArray[np.float64] | None:
        """Return numbers, NaN for missing; None for other types."""
        if not is_number(cells.type):
            return None
        column = column_of("", cells, self.source)
        return None if column is None else column.values

    def texts(self, cells: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """Return trimmed text, null for missing; of a date only that it is one; None for types that no column has."""
        if is_date(cells.type):
            return pc.if_else(pc.is_null(cells), pa.scalar(None, pa.string()), "a date")
        if not is_text(cells.type):
            return None
        words = pc.utf8_trim_whitespace(cells.cast(pa.string()))
        return pc.if_else(pc.equal(words, ""), pa.scalar(None, pa.string()), words)

    def column(self, name: str, cells: pa.ChunkedArray, *, is_numeric: bool, first: int) -> Column:
        """Return cells as numbers or text; files that differ in the type of a column are refused."""
        column = column_of(name, cells, self.source)
        if column is None or column.is_numeric != is_numeric:
            where = self.place(first + 1)
            raise DataError(f"{self.source}: {where}: column {shown(name)}: the files differ in the type of the column")
        return column

    def check(self) -> None:
        """Raise DataError when a file is not what it was at first."""
        self._unchanged.check()

    def place(self, row: int) -> str:
        """Name the file that a row, counted from 1, is in, and its position there."""
        for path in self._paths:
            rows = self._open(path).metadata.num_rows
            if row <= rows:
                return f"row {row} of {path.name}"
            row -= rows
        return "a row beyond the last"

    def _rows_of_a_chunk(self) -> int:
        """Return so many rows that neither their cells nor their texts are too much at once."""
        metadata = [self._open(path).metadata for path in self._paths]
        groups = [one.row_group(place) for one in metadata for place in range(one.num_row_groups)]
        rows = sum(group.num_rows for group in groups)
        row_bytes = int(sum(group.total_byte_size for group in groups) / max(1, rows)) + 1
        return max(FEWEST_ROWS, min(CHUNK_ROWS, CHUNK_CELLS // len(self.names), CHUNK_BYTES // row_bytes))

    def _open(self, path: Path) -> parquet.ParquetFile:
        try:
            return parquet.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False, memory_map=False)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path.name}: expected a Parquet file, and it cannot be read: {error}")
