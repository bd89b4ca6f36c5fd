"""Text of separated cells: what separates them, and where the table begins."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from itertools import islice

__all__ = [
    "FIELD_LIMIT",
    "HEAD_LETTERS",
    "HEAD_ROWS",
    "UTF_16",
    "WINDOWS",
    "delimiter_of",
    "rows_of",
    "without_preamble",
]

DELIMITERS = (",", ";", "\t", "|")
FIELD_LIMIT = 2**31 - 1  # a cell may be longer than the csv module's default
HEAD_LETTERS = 2**16
HEAD_ROWS = 50
MOST_LINES, FEWEST_ROWS = 20, 3  # of a preamble, and of the table after it
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
WINDOWS = "windows-1252"


def rows_of(text: str, delimiter: str) -> Iterator[list[str]]:
    """Return the rows of CSV text, blank lines left out."""
    csv.field_size_limit(FIELD_LIMIT)
    return (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row)


def delimiter_of(text: str) -> str:
    """Return what separates the cells: what divides most of the first rows into the same number of them."""
    best, most = ",", (0.0, 1)
    for delimiter in DELIMITERS:
        widths = [len(row) for row in islice(rows_of(text.lstrip("\r\n")[:HEAD_LETTERS], delimiter), HEAD_ROWS)]
        width, count = Counter(widths).most_common(1)[0] if widths else (1, 0)
        if width > 1 and (score := (count / len(widths), width)) > most:
            best, most = delimiter, score
    return best


def without_preamble(text: str, delimiter: str) -> tuple[str, int]:
    """Return the text from the first row of the table on, and how many lines stand before it.

    Lines of one cell, or those that spreadsheets write for themselves (sep=;), are no rows where all others have more.
    """
    body = text.lstrip("\r\n")
    blank = len(text[: len(text) - len(body)].splitlines())
    reader = csv.reader(io.StringIO(body[:HEAD_LETTERS], newline=""), delimiter=delimiter)
    rows = [(row, reader.line_num) for row in islice(reader, HEAD_ROWS)]
    others = [place for place, (row, _) in enumerate(rows) if len(row) > 1 and not row[0].lower().startswith("sep=")]
    if not others or not 0 < others[0] <= MOST_LINES or len(others) < FEWEST_ROWS:
        return body, blank
    stream, lines = io.StringIO(body, newline=""), rows[others[0] - 1][1]
    for _ in range(lines):
        stream.readline()
    return stream.read(), blank + lines
