"""Parquet files read piece by piece."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from predictor.wording import shown
from training.errors import DataError
from training.sources.parquet_files import column_of, table_of
from training.table import Column, Table, checked_names

__all__ = ["ParquetChunks"]

CHUNK_ROWS = 2**16
READ_BYTES = 2**20


class ParquetChunks:
    """Parquet files of one schema, in the order given, as one table; see `ChunkedTable`.

    Pages are read one after the other and not whole row groups, which may be larger than memory.
    """

    def __init__(self, source: str, paths: Sequence[Path]) -> None:
        self.source = source
        self._paths = tuple(paths)
        self._raw_names = self._open(self._paths[0]).schema_arrow.names
        self.names = checked_names(self._raw_names, source)

    def chunks(self) -> Iterator[pa.Table]:
        """Return the rows of all files, file by file."""
        for path in self._paths:
            file = self._open(path)
            if file.schema_arrow.names != self._raw_names:
                raise DataError(f"{path.name}: expected the columns of {self._paths[0].name}, found others")
            try:
                for batch in file.iter_batches(CHUNK_ROWS, use_threads=False):
                    yield pa.Table.from_batches([batch]).rename_columns(list(self.names))
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(path, error) from error

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

    def column(self, name: str, cells: pa.ChunkedArray, *, is_numeric: bool, first: int) -> Column:
        """Return cells as numbers or text; files that differ in the type of a column are refused."""
        column = column_of(name, cells, self.source)
        if column is None or column.is_numeric != is_numeric:
            raise DataError(f"{self.place(first)}: column {shown(name)}: the files differ in the type of the column")
        return column

    def place(self, row: int) -> str:
        """Name the file that a row is in, and its position there."""
        for path in self._paths:
            rows = self._open(path).metadata.num_rows
            if row < rows:
                return f"{path.name}, row {row + 1}"
            row -= rows
        return self.source

    def _open(self, path: Path) -> parquet.ParquetFile:
        try:
            return parquet.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False, memory_map=False)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path.name}: expected a Parquet file, and it cannot be read: {error}")
