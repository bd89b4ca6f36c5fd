"""What kind of column it is: numbers, categories or dates, by its cells and, for codes and identifiers, its name."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.dates import Form, moment
from predictor.features import spelled
from predictor.spellings import ABSENT, number, spelled_numbers
from training.errors import DataError
from training.table import Column, Meaning, Mistake

__all__ = ["ASKED", "as_asked", "as_numbers", "as_text", "identifies", "inferred"]

Place = Callable[[int], str]

ASKED = ("number", "category", "date", "date-day-first", "date-month-first")
"""The kinds that a user may ask for; a date without more is read by the form that fits."""

FORMS_ASKED: dict[str, tuple[Form, ...]] = {
    "date": ("ymd", "clock", "mdy", "dmy"),
    "date-day-first": ("dmy",),
    "date-month-first": ("mdy",),
}
NEARLY_ALL = 0.9  # from here on, text among dates is taken for a mistake
FEW = 20
COUNTED_ROWS = 50  # fewer rows may well be numbered by what matters
EXACT = 2.0**53  # beyond it whole numbers are no longer told apart, and count nothing
YEARS = (1500, 2200)
DAYS = (19000101, 21001231)
FEWEST_CODES, MOST_CODES = 3, 50
LARGE = 100  # codes that are told by their values have three digits or more
ROWS_OF_A_CODE = 10  # what a code must stand in to be learned from
REPEATS = 20  # and repeat so often on average
CODE_NAMES = {"zip", "zipcode", "postcode", "postal", "plz", "code", "codes", "id", "ids", "type", "category", "kind"}
CODE_NAMES |= {"region", "district", "department", "dept", "store", "shop", "branch", "cluster", "segment", "sector"}
KEY_NAMES = {"id", "ids", "key", "uuid", "guid"}
IDENTIFIER_NAMES = KEY_NAMES | {"index", "idx", "nr", "no", "num", "number", "rownum", "row"}
ROWS_OF_A_KEY = 20  # an identifier that repeats less often on average tells one from another and nothing of them


def as_asked(column: Column, kind: str, place: Place) -> Column:
    """Take a column as what the user says it is; DataError names the first cell that cannot be."""
    if kind == "category":
        return replace(as_text(column), meaning=Meaning("category", "as asked"))
    if kind == "number":
        return replace(as_numbers(column, place), meaning=Meaning("number", "as asked"))
    text = as_text(column)
    words = _distinct(text)
    readings = {form: [moment(word, form) for word in words] for form in FORMS_ASKED[kind]}
    form = min(readings, key=lambda form: readings[form].count(None))
    bad = {word for word, seconds in zip(words, readings[form], strict=True) if seconds is None}
    if bad:
        raise DataError(_mistake(text, bad, "a date", place))
    return replace(text, meaning=Meaning("date", f"as asked{_said(form)}", form=form))


def inferred(column: Column, *, rows_of_a_level: int, place: Place) -> Column:
    """Tell what a column is by its cells. DataError where nearly all of them are dates."""
    if column.meaning is not None:
        return column
    if column.doubt:
        raise DataError(column.doubt.said(column.name))
    if not column.is_numeric:
        return _inferred_text(column, place)
    meaning = _number_meaning(column, rows_of_a_level)
    return replace(column if meaning.kind == "number" else as_text(column), meaning=meaning)


def _number_meaning(column: Column, rows_of_a_level: int) -> Meaning:
    values = column.values[~column.is_missing].astype(np.float64)
    if not len(values) or not (values == np.floor(values)).all():
        return Meaning("number", column.reading)
    levels, counts = np.unique_counts(values)
    if len(levels) >= FEW and _are_days(levels):
        return Meaning("date", "whole numbers that are all days, as in 20240501", "number")
    if why := _code(column.name, levels, counts, rows_of_a_level):
        return Meaning("category", why, "number")
    return Meaning("number", column.reading)


def _inferred_text(column: Column, place: Place) -> Column:
    words = _distinct(column)
    likely = [word for word in words if word.lower() not in ABSENT]
    form, read = _form(likely)
    if form is None:
        return replace(column, meaning=Meaning("category", column.reading, "number" if column.reading else ""))
    bad = {word for word, seconds in zip(likely, read, strict=True) if seconds is None}
    if bad:
        raise DataError(_mistake(column, bad, "a date", place))
    why, instead = _said(form).lstrip(", "), "category"
    if form in {"dmy", "mdy"} and all(moment(word, "dmy" if form == "mdy" else "mdy") is not None for word in likely):
        why, instead = f"{why}, though the cells can be read both ways", "date-day-first"
    absent = set(words).difference(likely)
    cells = [None if cell in absent else cell for cell in column.values.tolist()]
    return replace(column, values=np.array(cells, dtype=object), meaning=Meaning("date", why, instead, form))


def identifies(column: Column) -> str | None:
    """Say why numbers only name the rows, or None."""
    values = column.values.astype(np.float64)
    if len(values) < COUNTED_ROWS or not (values == np.floor(values)).all() or np.abs(values).max() > EXACT:
        return None
    low, high = float(values.min()), float(values.max())
    word = _last_word(column.name)
    is_named = word in IDENTIFIER_NAMES
    if YEARS[0] <= low <= high <= YEARS[1] and not is_named:
        return None
    if (np.diff(values) == 1).all():
        return "it numbers the rows"
    levels = len(np.unique(values))
    if levels < len(values):
        is_key = word in KEY_NAMES and levels > len(values) / ROWS_OF_A_KEY
        return f"an identifier: {levels:,} different whole numbers" if is_key else None
    if high - low < 1.1 * len(values):
        return "it numbers the rows in another order"
    return "an identifier: whole numbers that never repeat" if is_named else None


def as_text(column: Column) -> Column:
    """Return a column as text; numbers as a category spells them."""
    if not column.is_numeric:
        return column
    missing = column.is_missing.tolist()
    cells = [None if gone else spelled(cell) for cell, gone in zip(column.values.tolist(), missing, strict=True)]
    return replace(column, values=np.array(cells, dtype=object))


def as_numbers(column: Column, place: Place) -> Column:
    """Return a column as numbers; DataError names the first cell that spells none."""
    if column.is_numeric:
        return column
    words = _distinct(column)
    plain = [number(word) for word in words]
    spelled_out = spelled_numbers(words, prefers_comma=False) if None in plain else None
    known = dict(zip(words, plain if spelled_out is None else spelled_out[0], strict=True))
    bad = {cell for cell, value in known.items() if value is None and cell.lower() not in ABSENT}
    if bad:
        raise DataError(_mistake(column, bad, "a number", place))
    values = [known.get(cell) for cell in column.values.tolist()]
    return replace(column, values=np.array(values, dtype=np.float64))


def _form(words: Sequence[str]) -> tuple[Form | None, list[float | None]]:
    """Return the form that reads all words, or nearly all of many, and what it reads; None when they are no dates."""
    forms: tuple[Form, ...] = ("ymd", "clock", "mdy", "dmy")
    if all("." in word for word in words):
        forms = ("ymd", "clock", "dmy")
    best: tuple[Form | None, list[float | None]] = (None, [])
    fewest = 0 if len(words) < FEW else (1 - NEARLY_ALL) * len(words)
    sample = words[:FEW]
    for form in forms if words else ():
        if sum(moment(word, form) is not None for word in sample) < NEARLY_ALL * len(sample):
            continue
        read = [moment(word, form) for word in words]
        unread = read.count(None)
        if not unread:
            return form, read
        if unread <= fewest:
            best, fewest = (form, read), unread - 1
    return best


def _said(form: Form) -> str:
    return {"ymd": "", "clock": ", times of day", "dmy": ", the day first", "mdy": ", the month first"}[form]


def _are_days(levels: NDArray[np.float64]) -> bool:
    if levels[0] < DAYS[0] or levels[-1] > DAYS[1]:
        return False
    return all(moment(str(int(level)), "ymd") is not None for level in levels.tolist())


def _code(name: str, levels: NDArray[np.float64], counts: NDArray[Any], rows_of_a_level: int) -> str | None:
    """Say why whole numbers are codes and no quantity, or None."""
    if len(levels) < FEWEST_CODES or levels[0] < 0 or levels[-1] > EXACT:
        return None
    rows = int(counts.sum())
    is_frequent = counts[counts >= max(rows_of_a_level, ROWS_OF_A_CODE)].sum() >= rows / 2
    if is_frequent and rows >= FEW * FEWEST_CODES and (word := _last_word(name)) in CODE_NAMES:
        return f"{len(levels)} different whole numbers, and the name says {word}"
    steps = np.diff(levels)
    is_ragged = len(np.unique(steps)) > 1 and int(np.gcd.reduce(steps.astype(np.int64))) == 1
    is_sparse = len(levels) < (levels[-1] - levels[0] + 1) / 2
    if len(levels) <= MOST_CODES and rows >= REPEATS * len(levels) and levels[0] >= LARGE and is_ragged and is_sparse:
        return f"{len(levels)} different whole numbers with gaps, like codes"
    return None


def _last_word(name: str) -> str:
    """Return the last word of a name such as zip_code, storeId or "Postal code 2" in lower case: what a cell is."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return words[-1].lower() if words else ""


def _distinct(column: Column) -> list[str]:
    return list(dict.fromkeys(cell for cell in column.values.tolist() if cell is not None))


def _mistake(column: Column, bad: Iterable[str], expected: str, place: Place) -> str:
    wrong = set(bad)
    rows = [row for row, cell in enumerate(column.values.tolist()) if cell in wrong]
    return Mistake(expected, column.values[rows[0]], place(rows[0] + 1), len(rows), len(column.values)).said(
        column.name
    )
