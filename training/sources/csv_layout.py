"""How a CSV file is laid out: its encoding, what separates the cells, and whether it begins with a header."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from predictor.delimited import (
    FIELD_LIMIT,
    HEAD_LETTERS,
    HEAD_ROWS,
    OPEN,
    UTF_8,
    WINDOWS,
    delimiter_of,
    encoding_of,
    ends_open,
    rows_of,
    without_preamble,
)
from predictor.spellings import MISSING, number
from predictor.wording import shown
from training.errors import DataError

__all__ = [
    "Layout",
    "check_last",
    "has_header",
    "header_of",
    "laid_out",
    "line_of",
    "ragged_row",
]

SAVE = "save the table as CSV"
OTHERS = (
    ("JSON", ('{"', "[{", "[["), SAVE),
    ("a page or XML", ("<!doctype", "<html", "<?xml"), SAVE),
    ("a pointer of Git LFS", ("version https://git-lfs",), "fetch what it stands for: git lfs pull"),
)


@dataclass(frozen=True)
class Layout:
    """The text of a table, what separates its cells, whether the first row is a header, and the lines `before` it.

    `notes` are worth telling.
    """

    text: str
    delimiter: str
    headed: bool
    before: int
    notes: tuple[str, ...]


def laid_out(data: bytes, source: str, *, encoding: str | None, header: bool | None) -> Layout:
    """Find out how a file is laid out; encoding and header are inferred where None. Raises DataError."""
    text, note = decoded(data, source, encoding)
    delimiter = delimiter_of(text)
    body, before = without_preamble(text, delimiter)
    if text[: len(text) - len(body)].strip():
        preamble = f"the first {before} lines are" if before > 1 else "the first line is"
        note = "; ".join(filter(None, (note, f"{preamble} no part of the table and left out")))
    headed = has_header(body, delimiter) if header is None else header
    return Layout(body, delimiter, headed, before, (note,) if note else ())


def decoded(data: bytes, source: str, encoding: str | None) -> tuple[str, str]:
    """Return the text of a file, and what is worth telling about its encoding.

    Without `encoding`, UTF-8, or what `encoding_of` tells, or else Windows-1252. Raises DataError for what is no
    text in it.
    """
    if not data.strip():
        raise DataError(f"{source}: expected a header and rows, found an empty file")
    note = ""
    known = encoding or encoding_of(data[:4])
    try:
        text = data.decode(known)
    except UnicodeDecodeError as error:
        if encoding or known != UTF_8:
            raise _not_text(data, error, source, known) from error
        text, note = _as_windows(data, error, source)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{source}, line {line}: expected text, found a NUL byte")
    for kind, beginnings, advice in OTHERS:
        if text[:HEAD_LETTERS].lstrip().lower().startswith(beginnings):
            raise DataError(f"{source}: expected CSV, found {kind}; {advice}")
    return text, note


def _as_windows(data: bytes, error: UnicodeDecodeError, source: str) -> tuple[str, str]:
    try:
        text = data.decode(WINDOWS)
    except UnicodeDecodeError:
        raise _not_text(data, error, source, "UTF-8") from error
    line = data.count(b"\n", 0, error.start) + 1
    first = shown(data[error.start : error.start + 1].decode(WINDOWS))
    return text, (
        f"read as {WINDOWS}, not UTF-8: line {line} has the byte {data[error.start]:#04x}, {first}; if that is wrong,"
        " name the encoding: --set data.encoding=NAME"
    )


def _not_text(data: bytes, error: UnicodeDecodeError, source: str, encoding: str) -> DataError:
    line = data.count(b"\n", 0, error.start) + 1
    return DataError(f"{source}, line {line}: expected {encoding} text, found the byte {data[error.start]:#04x}")


def header_of(text: str, delimiter: str, source: str) -> list[str]:
    """Return the cells of the first row. Raises DataError where there is none."""
    for row in rows_of(text, delimiter):
        return row
    raise DataError(f"{source}: expected a header, found only blank lines")


def has_header(text: str, delimiter: str) -> bool:
    """Tell whether the first row names the columns.

    It does not where every column of numbers has a number there, too, unless these are counted up, as years are.
    """
    rows = list(islice(rows_of(text[: 4 * HEAD_LETTERS], delimiter), HEAD_ROWS))
    first, others = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if len(others) < 2:  # noqa: PLR2004 - one row does not show what a column holds
        return True
    heads = [first[place].strip() for place in range(len(first)) if _is_numeric([row[place] for row in others])]
    numbers = [number(head) for head in heads]
    found = [value for value in numbers if value is not None]
    if not found or len(found) < len(numbers):
        return True
    if len(found) == 1:
        texts = [place for place, cell in enumerate(first) if number(cell.strip()) is None]
        return not any(first[place] in {row[place] for row in others} for place in texts)
    return all(after - before == 1 for before, after in pairwise(found))


def _is_numeric(cells: Sequence[str]) -> bool:
    known = [cell.strip() for cell in cells if cell.strip().lower() not in MISSING]
    return bool(known) and all(number(cell) is not None for cell in known)


def line_of(layout: Layout, row: int) -> str:
    """Name the line at which a row of data, counted from 1, begins; row 0 is the header."""
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(io.StringIO(layout.text, newline=""), delimiter=layout.delimiter)
    seen, line = -1 if layout.headed else 0, layout.before + 1
    for cells in reader:
        seen += bool(cells)
        if seen == row:
            return f"line {line}"
        line = layout.before + reader.line_num + 1
    return f"data row {row}"


def check_last(layout: Layout, row: int, cells: Sequence[str], source: str) -> None:
    """Raise DataError where the last row, of this number, holds the rows after it, as its quote is not closed."""
    if ends_open(cells, io.StringIO(layout.text, newline=""), layout.delimiter):
        raise DataError(f"{source}, {line_of(layout, row)}: {OPEN}")


def ragged_row(layout: Layout) -> str | None:
    """Name the first row whose number of cells differs from the first's, or return None."""
    expected, begins = 0, 0 if layout.headed else 1
    for row, cells in enumerate(rows_of(layout.text, layout.delimiter), start=begins):
        expected = expected or len(cells)
        if len(cells) != expected:
            if ends_open(cells, io.StringIO(layout.text, newline=""), layout.delimiter):
                return f"{line_of(layout, row)}: {OPEN}"
            first = "header" if layout.headed else "first line"
            return f"{line_of(layout, row)}: expected {expected} cells as in the {first}, found {len(cells)}"
    return None
