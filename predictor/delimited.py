"""Text of separated cells: what separates them, and where the table begins."""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

__all__ = [
    "FIELD_LIMIT",
    "HEAD_LETTERS",
    "HEAD_ROWS",
    "OPEN",
    "UTF_8",
    "WINDOWS",
    "delimiter_of",
    "encoding_of",
    "ends_open",
    "rows_of",
    "without_preamble",
]

DELIMITERS = (",", ";", "\t", "|")
FIELD_LIMIT = 2**31 - 1  # a cell may be longer than the csv module's default
HEAD_LETTERS = 2**16
HEAD_ROWS = 50
MOST_LINES, FEWEST_ROWS = 20, 3  # of a preamble, and of the table after it
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}  # the first begins as a mark of UTF-16 does
MARKS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
UNMARKED: dict[tuple[bool, ...], str] = {
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
UTF_8 = "utf-8-sig"
WINDOWS = "windows-1252"
OPEN = "a quote is opened and never closed; close it, or write it twice where it is part of the text"


def encoding_of(head: bytes) -> str:
    """Return the Unicode encoding of a text by its first bytes: its mark, or where its first letters have zeros."""
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return name
    return UNMARKED.get(tuple(byte == 0 for byte in head[:4]), UTF_8)


def rows_of(text: str, delimiter: str) -> Iterator[list[str]]:
    """Return the rows of CSV text, blank lines left out."""
    csv.field_size_limit(FIELD_LIMIT)
    return (row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row)


def ends_open(last: Sequence[str], lines: Iterable[str], delimiter: str) -> bool:
    """Tell whether the `last` row of some lines holds all that follows it, as nothing closes its quote."""
    if not any("\n" in cell or "\r" in cell for cell in last):
        return False
    end = [""]
    for end in csv.reader(chain(lines, ("\n", "end")), delimiter=delimiter):  # noqa: B007 - only the last counts
        pass
    return end != ["end"]


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
