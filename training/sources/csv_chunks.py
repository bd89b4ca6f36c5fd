"""CSV files, gzipped or not, read piece by piece."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from predictor.wording import shown
from training.errors import DataError
from training.sources.cells import MISSING, typed_column
from training.sources.csv_files import table_of
from training.sources.csv_layout import delimiter_of, header_of
from training.table import Column, Table, checked_names

__all__ = ["CsvChunks"]

GZIP = b"\x1f\x8b"
HEAD_BYTES = 2**20
BLOCK_BYTES = 2**22
READ_BYTES = 2**20
UNREADABLE = (OSError, EOFError, zlib.error)


class CsvChunks:
    """CSV text with a header, in UTF-8, as one table; see `ChunkedTable`. `missing` is that of `read_csv`."""

    def __init__(self, path: Path, *, missing: frozenset[str] = frozenset()) -> None:
        self.source = path.name
        self._path = path
        self._missing = missing
        with self._opened() as file:
            head = file.read(HEAD_BYTES).decode("utf-8-sig", "replace")
        if not head.strip():
            raise DataError(f"{self.source}: expected a header and rows, found an empty file")
        self._delimiter = delimiter_of(head)
        self._header = header_of(head, self._delimiter, self.source)
        self.names = checked_names(self._header, self.source)
        self._words = pa.array(sorted(MISSING | missing), pa.string())

    def chunks(self) -> Iterator[pa.Table]:
        """Return the rows as text, block by block."""
        with self._opened() as file:
            try:
                reader = arrow_csv.open_csv(
                    file,
                    read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                    parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(self._header, pa.string()), strings_can_be_null=False
                    ),
                )
                for batch in reader:
                    yield pa.Table.from_batches([batch]).rename_columns(list(self.names))
            except pa.ArrowInvalid as error:
                raise DataError(self._first_fault() or f"{self.source}: cannot be read: {error}") from error

    def digest(self) -> str:
        """Return the SHA-256 of the file as it is, compressed or not."""
        digest = hashlib.sha256()
        with self._path.open("rb") as file:
            while data := file.read(READ_BYTES):
                digest.update(data)
        return digest.hexdigest()

    def table(self, cells: pa.Table, digest: str) -> Table:
        """Return rows of chunks as a table."""
        return table_of(self.source, cells, digest, missing=self._missing)

    def column(self, name: str, cells: pa.ChunkedArray, *, is_numeric: bool, first: int) -> Column:
        """Return cells as numbers or text. A cell that is no number where the column holds them is refused."""
        if not is_numeric:
            return Column(name, self._texts(cells))
        numbers = self.numbers(cells)
        if numbers is not None:
            return Column(name, numbers)
        encoded = cells.combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        column = typed_column(name, encoded.dictionary.to_pylist(), codes, missing=self._missing)
        if not column.is_numeric:
            row, cell = self._first_text(cells)
            raise DataError(f"{self.place(first + row)}, column {shown(name)}: expected a number, found {shown(cell)}")
        return column

    def numbers(self, cells: pa.ChunkedArray) -> NDArray[np.float64] | None:
        """Return cells as numbers, NaN for missing, where all of them plainly are; None where one is not."""
        for is_plain in (True, False):
            words = cells if is_plain else self._without_missing(cells)
            try:
                values = pc.cast(words, pa.float64()).to_numpy()
            except pa.ArrowInvalid:
                continue
            if not np.isinf(values).any():
                return np.asarray(values, np.float64)
        return None

    def place(self, row: int) -> str:
        """Name the line that a row begins at; people count lines, from 1."""
        with self._lines() as lines:
            reader, seen, line = csv.reader(lines, delimiter=self._delimiter), -2, 1
            for cells in reader:
                seen += bool(cells)
                if seen == row:
                    return f"{self.source}, line {line}"
                line = reader.line_num + 1
        return self.source

    def _texts(self, cells: pa.ChunkedArray) -> NDArray[np.object_]:
        """Return trimmed text with None for missing, (rows,)."""
        words = self._without_missing(cells).combine_chunks().dictionary_encode()
        distinct = np.array([*words.dictionary.to_pylist(), None], object)
        return np.asarray(distinct[pc.fill_null(words.indices, len(distinct) - 1).to_numpy()])

    def _without_missing(self, cells: pa.ChunkedArray) -> pa.ChunkedArray:
        trimmed = pc.utf8_trim_whitespace(cells)
        is_missing = pc.is_in(pc.utf8_lower(trimmed), value_set=self._words)
        return pc.if_else(is_missing, pa.scalar(None, pa.string()), trimmed)

    def _first_text(self, cells: pa.ChunkedArray) -> tuple[int, str]:
        """Return the first cell that spells no number, and its row."""
        for row, cell in enumerate(self._without_missing(cells).to_pylist()):
            if cell is not None and self.numbers(pa.chunked_array([[cell]], pa.string())) is None:
                return row, cell
        return 0, ""

    def _first_fault(self) -> str | None:
        """Name the first line that is not UTF-8 text or has another number of cells than the header."""
        with self._opened() as file:
            for line, data in enumerate(file, 1):
                if b"\0" in data:
                    return f"{self.source}, line {line}: expected text, found a NUL byte"
                try:
                    data.decode("utf-8")
                except UnicodeDecodeError as error:
                    return f"{self.source}, line {line}: expected UTF-8 text, found the byte {data[error.start]:#04x}"
        with self._lines() as lines:
            reader, line = csv.reader(lines, delimiter=self._delimiter), 1
            for row in reader:
                if row and len(row) != len(self._header):
                    expected = len(self._header)
                    return f"{self.source}, line {line}: expected {expected} cells as in the header, found {len(row)}"
                line = reader.line_num + 1
        return None

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """Open the file, inflated; errors of the compression are said as errors of the data."""
        with self._path.open("rb") as file:
            is_compressed = file.read(2) == GZIP
            file.seek(0)
            try:
                yield cast("BinaryIO", gzip.GzipFile(fileobj=file) if is_compressed else file)
            except UNREADABLE as error:
                if not is_compressed:
                    raise
                raise DataError(f"{self.source}: expected a gzip file, and it cannot be read: {error}") from error

    @contextmanager
    def _lines(self) -> Iterator[io.TextIOWrapper]:
        with self._opened() as file:
            yield io.TextIOWrapper(file, "utf-8-sig", newline="")
