"""How a CSV file is laid out: its encoding, what separates the cells, and whether it begins with a header."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise

from predictor.wording import shown
from training.errors import DataError
from training.sources.cells import MISSING, number

__all__ = ["decoded", "delimiter_of", "has_header", "header_of", "line_of", "rows_of"]

DELIMITERS = (",", ";", "\t", "|")
FIELD_LIMIT = 2**31 - 1  # a cell may be longer than the csv module's default
HEAD_LETTERS = 2**16
HEAD_ROWS = 50
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
WINDOWS = "windows-1252"


def decoded(data: bytes, source: str, encoding: str | None) -> tuple[str, str]:
    """Return the text of a file, and what is worth telling about its encoding.

    Without `encoding`, UTF-8, or UTF-16 where a mark says so, or else Windows-1252. Raises DataError for what is no
    text in it.
    """
    if not data.strip():
        raise DataError(f"{source}: expected a header and rows, found an empty file")
    note = ""
    known = encoding or ("utf-16" if data.startswith(UTF_16) else "utf-8-sig")
    try:
        text = data.decode(known)
    except UnicodeDecodeError as error:
        if encoding or known == "utf-16":
            raise _not_text(data, error, source, known) from error
        text, note = _as_windows(data, error, source)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{source}, line {line}: expected text, found a NUL byte")
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


def rows_of(text: str, delimiter: str) -> Iterator[list[str]]:
    """Return the rows of CSV text, blank lines left out."""
    csv.field_size_limit(FIELD_LIMIT)
    return (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row)


def delimiter_of(text: str) -> str:
    """Return what separates the cells: what divides the first rows into the same number of them, and into most."""
    head = text.lstrip("\r\n")[:HEAD_LETTERS]
    best, most = ",", (0.0, 1)
    for delimiter in DELIMITERS:
        widths = [len(row) for row in islice(rows_of(head, delimiter), HEAD_ROWS)]
        score = (sum(width == widths[0] for width in widths) / len(widths), widths[0]) if widths else (0.0, 1)
        if score[1] > 1 and score > most:
            best, most = delimiter, score
    return best


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


def line_of(text: str, delimiter: str, *, headed: bool) -> Callable[[int], str]:
    """Return a function that names the line at which a row of data, counted from 1, begins."""

    def place(row: int) -> str:
        csv.field_size_limit(FIELD_LIMIT)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        seen, line = -1 if headed else 0, 1
        for cells in reader:
            seen += bool(cells)
            if seen == row:
                return f"line {line}"
            line = reader.line_num + 1
        return f"data row {row}"

    return place
