"""CSV files read piece by piece."""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from predictor.delimited import OPEN, UTF_8, delimiter_of, encoding_of, ends_open
from predictor.spellings import ABSENT, MISSING, number
from predictor.wording import shown
from training.errors import DataError
from training.sources.cells import typed_column
from training.sources.chunked import Size, Unchanged
from training.sources.csv_bytes import is_gzipped, opened, opened_as_utf_8
from training.sources.csv_files import table_of
from training.sources.csv_layout import has_header, header_of
from training.table import Column, Table, checked_names

__all__ = ["CsvChunks"]

HEAD_BYTES = 2**20
BLOCK_BYTES = 2**20
READ_BYTES = 2**20
USUAL_RATIO = 5  # of text to gzipped text
WITNESSES = 200


class CsvChunks:
    """A CSV file as a table, see `ChunkedTable`; the options are those of `read_csv`.

    What the file is laid out like is seen in its beginning. Without `encoding` it must be UTF-8, or what `encoding_of`
    tells: that it is something else would be known at the end only.
    """

    def __init__(
        self,
        path: Path,
        *,
        missing: frozenset[str] = frozenset(),
        encoding: str | None = None,
        header: bool | None = None,
    ) -> None:
        self.source = path.name
        self._path = path
        self._missing = missing
        self._unchanged = Unchanged([path])
        with opened(path) as file:
            self._encoding = encoding or encoding_of(file.read(4))
        with opened_as_utf_8(path, self._encoding) as file:
            head = file.read(HEAD_BYTES).decode(UTF_8, "replace")
        if not head.strip():
            raise DataError(f"{self.source}: expected a header and rows, found an empty file")
        self._delimiter = delimiter_of(head)
        first = header_of(head, self._delimiter, self.source)
        self._headed = has_header(head, self._delimiter) if header is None else header
        self.names = checked_names(first if self._headed else [""] * len(first), self.source)
        self._words = pa.array(sorted(MISSING | missing), pa.string())
        self._spellings: dict[str, list[str]] = {}

    def chunks(self) -> Iterator[pa.Table]:
        """Return the rows as text, block by block."""
        places = [str(place) for place in range(len(self.names))]
        with opened_as_utf_8(self._path, self._encoding) as file:
            try:
                reader = arrow_csv.open_csv(
                    file,
                    read_options=arrow_csv.ReadOptions(
                        use_threads=False,
                        block_size=BLOCK_BYTES,
                        column_names=places,
                        skip_rows_after_names=int(self._headed),
                    ),
                    parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False
                    ),
                )
                rows, last = 0, []
                for batch in reader:
                    if batch.num_rows:
                        rows, last = rows + batch.num_rows, [column[-1].as_py() for column in batch.columns]
                    yield pa.Table.from_batches([batch]).rename_columns(list(self.names))
            except pa.ArrowInvalid as error:
                raise DataError(f"{self.source}{self._first_fault() or f': cannot be read: {error}'}") from error
        if self._ends_open(last):
            raise DataError(f"{self.source}, {self.place(rows)}: {OPEN}")

    def size(self) -> Size:
        """Return about how many rows there are, by the lines of the beginning, and how many bytes of text."""
        with opened(self._path) as file:
            head = file.read(HEAD_BYTES)
        text = self._path.stat().st_size * (USUAL_RATIO if is_gzipped(self._path) else 1)
        return Size(rows=text * head.count(b"\n") // max(len(head), 1), columns=len(self.names), text=text)

    def digest(self) -> str:
        """Return the SHA-256 of the text, so that it is the same for a table and the table compressed."""
        digest = hashlib.sha256()
        with opened(self._path) as file:
            while data := file.read(READ_BYTES):
                digest.update(data)
        return digest.hexdigest()

    def table(self, cells: pa.Table, digest: str) -> Table:
        """Return rows of chunks as a table, and remember how its numbers are spelled."""
        table = table_of(
            self.source, cells, digest, missing=self._missing, prefers_comma=self._delimiter == ";", place=self.place
        )
        for column in table.columns:
            if column.is_numeric and column.reading:
                words = pc.unique(self.texts(cells[column.name]).drop_null()).to_pylist()
                self._spellings[column.name] = [word for word in words if number(word) is None][:WITNESSES]
        return table

    def column(self, name: str, cells: pa.ChunkedArray, *, is_numeric: bool, first: int) -> Column:
        """Return cells as numbers or text. A cell that is no number where the column holds them is refused."""
        if not is_numeric:
            return Column(name, _objects(self.texts(cells)))
        spelled = self._spellings.get(name, [])
        if all(word.lower() in ABSENT for word in spelled):
            numbers = self.numbers(cells)
            if numbers is not None:
                return Column(name, numbers)
        column = self._typed(name, cells, spelled)
        if not column.is_numeric:
            row, cell = self._first_text(name, cells, spelled)
            where = self.place(first + row + 1)
            raise DataError(f"{self.source}: column {shown(name)}: expected a number, found {shown(cell)} in {where}")
        return column

    def numbers(self, cells: pa.ChunkedArray) -> NDArray[np.float64] | None:
        """Return cells as numbers, NaN for missing, where all of them plainly are; None where one is not."""
        for is_plain in (True, False):
            words = cells if is_plain else self.texts(cells)
            try:
                values = pc.cast(words, pa.float64()).to_numpy()
            except pa.ArrowInvalid:
                continue
            if not np.isinf(values).any():
                return np.asarray(values, np.float64)
        return None

    def texts(self, cells: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return trimmed text, null for missing."""
        trimmed = pc.utf8_trim_whitespace(cells)
        is_missing = pc.is_in(pc.utf8_lower(trimmed), value_set=self._words)
        return pc.if_else(is_missing, pa.scalar(None, pa.string()), trimmed)

    def check(self) -> None:
        """Raise DataError when the file is not what it was at first."""
        self._unchanged.check()

    def place(self, row: int) -> str:
        """Name the line that a row, counted from 1, begins at; people count lines."""
        with self._lines() as lines:
            reader, seen, line = csv.reader(lines, delimiter=self._delimiter), -1 if self._headed else 0, 1
            for cells in reader:
                seen += bool(cells)
                if seen == row:
                    return f"line {line}"
                line = reader.line_num + 1
        return f"data row {row}"

    def _typed(self, name: str, cells: pa.ChunkedArray, spelled: list[str]) -> Column:
        """Type cells beside words that show how the whole column spells its numbers."""
        encoded = cells.combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        known = encoded.dictionary.to_pylist()
        codes = np.concatenate([codes, np.arange(len(spelled)) + len(known)])
        column = typed_column(
            name, [*known, *spelled], codes, missing=self._missing, prefers_comma=self._delimiter == ";"
        )
        return column.take(np.arange(len(codes) - len(spelled)))

    def _first_text(self, name: str, cells: pa.ChunkedArray, spelled: list[str]) -> tuple[int, str]:
        """Return the first cell that spells no number as the others do, and its row."""
        for row, cell in enumerate(self.texts(cells).to_pylist()):
            if cell is not None and not self._typed(name, pa.chunked_array([[cell]], pa.string()), spelled).is_numeric:
                return row, cell
        return 0, ""

    def _first_fault(self) -> str:
        """Name the first line that is not UTF-8 text or has another number of cells than the header; else nothing."""
        with opened_as_utf_8(self._path, self._encoding) as file:
            for line, data in enumerate(file, 1):
                if b"\0" in data:
                    return f", line {line}: expected text, found a NUL byte"
                try:
                    data.decode("utf-8")
                except UnicodeDecodeError as error:
                    return (
                        f", line {line}: expected UTF-8 text, found the byte {data[error.start]:#04x}; name another"
                        " encoding: --set data.encoding=windows-1252"
                    )
        with self._lines() as lines:
            reader, line, expected = csv.reader(lines, delimiter=self._delimiter), 1, len(self.names)
            for row in reader:
                if row and len(row) != expected:
                    if self._ends_open(row):
                        return f", line {line}: {OPEN}"
                    first = "header" if self._headed else "first line"
                    return f", line {line}: expected {expected} cells as in the {first}, found {len(row)}"
                line = reader.line_num + 1
        return ""

    def _ends_open(self, last: Sequence[str]) -> bool:
        with self._lines() as lines:
            return ends_open(last, lines, self._delimiter)

    @contextmanager
    def _lines(self) -> Iterator[io.TextIOWrapper]:
        with opened_as_utf_8(self._path, self._encoding) as file:
            yield io.TextIOWrapper(file, UTF_8, newline="")


def _objects(words: pa.ChunkedArray) -> NDArray[np.object_]:
    """Return text as Python's own, None for missing, (rows,), each different text once."""
    encoded = words.combine_chunks().dictionary_encode()
    distinct = np.array([*encoded.dictionary.to_pylist(), None], object)
    return np.asarray(distinct[pc.fill_null(encoded.indices, len(distinct) - 1).to_numpy()])
