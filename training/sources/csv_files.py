"""CSV files, read by Arrow as text so that this project alone decides what a cell means."""

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from training.errors import DataError
from training.sources.cells import typed_column
from training.table import Table, checked_names

__all__ = ["delimiter_of", "header_of", "read_csv", "table_of"]

BLOCK_BYTES = 2**24
FIELD_LIMIT = 2**31 - 1  # a header cell may be longer than the csv module's default


def read_csv(path: Path, data: bytes, *, missing: frozenset[str] = frozenset()) -> Table:
    """Read CSV text with a header: UTF-8, separated by commas, semicolons or tabs.

    Raises DataError, with the line where there is one, for what is no such table.
    """
    source = path.name
    text = _decoded(data, source)
    delimiter = delimiter_of(text)
    header = header_of(text, delimiter, source)
    names = checked_names(header, source)
    table = _parsed(data, header, delimiter, source, text)
    return table_of(source, table.rename_columns(list(names)), hashlib.sha256(data).hexdigest(), missing=missing)


def table_of(source: str, cells: pa.Table, digest: str, *, missing: frozenset[str] = frozenset()) -> Table:
    """Return columns of text as the columns that they spell. Raises DataError."""
    if not cells.num_rows:
        raise DataError(f"{source}: expected rows below the header, found none")
    columns = []
    for name, words in zip(cells.column_names, cells.columns, strict=True):
        encoded = words.combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        columns.append(typed_column(name, encoded.dictionary.to_pylist(), codes, missing=missing, source=source))
    return Table(source, tuple(columns), digest)


def _decoded(data: bytes, source: str) -> str:
    if not data.strip():
        raise DataError(f"{source}: expected a header and rows, found an empty file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{source}, line {line}: expected UTF-8 text, found the byte {data[error.start]:#04x}"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{source}, line {line}: expected text, found a NUL byte")
    return text


def delimiter_of(text: str) -> str:
    """Return what separates the cells of the first line that is not blank."""
    first = text.lstrip().split("\n", 1)[0]
    counts = {delimiter: first.count(delimiter) for delimiter in (",", ";", "\t")}
    return max(counts, key=lambda delimiter: counts[delimiter])


def header_of(text: str, delimiter: str, source: str) -> list[str]:
    """Return the cells of the first row. Raises DataError where there is none."""
    csv.field_size_limit(FIELD_LIMIT)
    for row in csv.reader(io.StringIO(text), delimiter=delimiter):
        if row:
            return row
    raise DataError(f"{source}: expected a header, found only blank lines")


def _parsed(data: bytes, header: list[str], delimiter: str, source: str, text: str) -> pa.Table:
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(data),
            # One thread: Arrow's order of work, and so its messages, stay the same from run to run.
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=max(BLOCK_BYTES, len(data) // 64)),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(_ragged_row(text, delimiter, source) or f"{source}: cannot be read: {error}") from error


def _ragged_row(text: str, delimiter: str, source: str) -> str | None:
    """Name the first row whose number of cells differs from the header's; Arrow counts rows, people count lines."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    expected = 0
    line = 1
    for row in reader:
        expected = expected or len(row)
        if row and len(row) != expected:
            return f"{source}, line {line}: expected {expected} cells as in the header, found {len(row)}"
        line = reader.line_num + 1
    return None
