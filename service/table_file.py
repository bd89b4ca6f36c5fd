"""A CSV file of rows to predict, its cells read as `python -m training fit` reads them."""

import csv
import gzip
import io
import sys
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.delimited import FIELD_LIMIT, OPEN, WINDOWS, delimiter_of, encoding_of, ends_open, without_preamble
from predictor.spellings import ABSENT, MISSING, number, spelled_numbers
from predictor.wording import hint, shown

__all__ = ["TableFile", "TableFileError", "cells_for", "read_table_file"]

GZIP = b"\x1f\x8b"
STANDARD_INPUT = "-"


class TableFileError(ValueError):
    """A file that cannot be read as a table, or not as one for the model: the message names it and the line."""


@dataclass(frozen=True)
class TableFile:
    """The cells of a file as text, trimmed: the names of the columns, the rows, and the line at which each begins."""

    source: str
    names: list[str]
    rows: list[list[str]]
    lines: list[int]
    prefers_comma: bool

    def column(self, name: str) -> list[str]:
        """Return the cells of a column. TableFileError for one that is not there, or there twice."""
        places = [place for place, known in enumerate(self.names) if known == name]
        if len(places) == 1:
            return [row[places[0]] for row in self.rows]
        if places:
            raise TableFileError(
                f"{self.source}: columns {places[0] + 1} and {places[1] + 1} are both named {shown(name)}"
            )
        raise TableFileError(f"{self.source}: there is no column {shown(name)}{hint(name, self.names)}")


def read_table_file(name: str) -> TableFile:
    """Read a file, or standard input where the name is "-": gzipped or not, its delimiter found out.

    UTF-8, UTF-16, or else Windows-1252. Lines before the table are passed over, as training does.
    Raises TableFileError, and OSError for a file that cannot be opened.
    """
    source = "standard input" if name == STANDARD_INPUT else name
    text = _text(_bytes(name, source), source)
    delimiter = delimiter_of(text)
    body, before = without_preamble(text, delimiter)
    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    line = before + 1
    last: list[str] = []
    for row in reader:
        if row:
            last = row
            rows.append([cell.strip() for cell in row])
            lines.append(line)
        line = before + reader.line_num + 1
    if len(rows) < 2:  # noqa: PLR2004 - a header and a row
        raise TableFileError(f"{source}: expected a line with the names of the columns and at least one row")
    if ends_open(last, io.StringIO(body, newline=""), delimiter):
        raise TableFileError(f"{source}, line {lines[-1]}: {OPEN}")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(rows[0]):
            raise TableFileError(
                f"{source}, line {line}: expected {len(rows[0])} cells as in the header, found {len(row)}"
            )
    return TableFile(source, rows[0], rows[1:], lines[1:], delimiter == ";")


def cells_for(
    feature: Mapping[str, Any], words: Sequence[str], *, prefers_comma: bool, missing: Collection[str] = ()
) -> tuple[list[Any], str]:
    """Return a column's cells as the service wants them, and how they were read where that is not plain.

    `feature` is as `Client.features` describes it, `missing` holds more words for a missing cell, in lower case.
    What spells no number in a column of numbers stays text, for the service to refuse.
    """
    known = feature.get("categories") or ()
    present = sorted({w for w in words if w in known or not (w.lower() in MISSING or w.lower() in missing)})
    if feature["type"] == "number":
        read, how = _numbers(present, prefers_comma=prefers_comma)
    elif feature["type"] == "category":
        are_numbers = all(number(name) is not None for name in known if name)
        read, how = {word: _category(word, known) if are_numbers else word for word in present}, ""
    else:
        read, how = {word: word for word in present if word.lower() not in ABSENT}, ""
    return [read.get(word) for word in words], how


def _numbers(words: Sequence[str], *, prefers_comma: bool) -> tuple[dict[str, Any], str]:
    """Read words that are plain numbers, or all written in one way; words such as "unknown" are missing cells."""
    plain = {word: number(word) for word in words}
    bad = [word for word, value in plain.items() if value is None]
    if not bad:
        return plain, ""
    if all(word.lower() in ABSENT for word in bad):
        return plain, f"cells such as {shown(bad[0])} are taken as missing"
    spelled = spelled_numbers(words, prefers_comma=prefers_comma)
    if spelled is not None:
        return dict(zip(words, spelled[0], strict=True)), spelled[1]
    return {word: word if value is None else value for word, value in plain.items()}, ""


def _category(word: str, known: Collection[str]) -> str | float:
    """Return a known category as it is, and a number, such as 3.0, for the service to find the category 3."""
    value = None if word in known else number(word)
    return word if value is None else value


def _bytes(name: str, source: str) -> bytes:
    data = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    if not data.startswith(GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise TableFileError(f"{source}: expected a gzip file, and it cannot be read: {error}") from error


def _text(data: bytes, source: str) -> str:
    for known in (encoding_of(data[:4]), WINDOWS):
        try:
            text = data.decode(known)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise TableFileError(f"{source}: expected CSV in UTF-8, UTF-16 or {WINDOWS}, found other bytes")
