"""A table as a source gives it: named columns of numbers or text, before anybody decides what they mean."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from predictor.dates import Form
from predictor.features import checked_name
from predictor.wording import shown
from training.errors import DataError
from training.wording import count, kind_key, option

__all__ = [
    "Column",
    "Kind",
    "Meaning",
    "Mistake",
    "Table",
    "checked_names",
    "content_digest",
    "matrix_columns",
    "told_apart",
]


Kind = Literal["number", "category", "date"]


@dataclass(frozen=True)
class Meaning:
    """What a column is taken for, by which form its dates are read, why, and what the user may prefer instead."""

    kind: Kind
    why: str = ""
    instead: str = ""
    form: Form = "ymd"


@dataclass(frozen=True)
class Mistake:
    """A cell that does not fit the others of its column: what was expected, what it says, where, and how many such."""

    expected: str
    cell: str
    where: str
    cells: int
    rows: int

    def said(self, column: str, *, is_target: bool = False) -> str:
        """Say it, with what to do about it."""
        missing = option("data.missing", [self.cell[:64]])
        otherwise = "--task classes" if is_target else option(kind_key(column), "category")
        return (
            f"column {shown(column)}: expected {self.expected}, found {shown(self.cell)} in {self.where}"
            f" ({count(self.cells, 'such cell')} of {self.rows:,}); correct them, call them missing with {missing}, or"
            f" take all cells as they stand with {otherwise}"
        )


@dataclass(frozen=True, eq=False)
class Column:
    """One column, values (rows,): numbers with NaN for missing, or an object array of str with None for missing.

    `reading` says how the cells were read where that is not plain to see, `doubt` why the column cannot be used
    unless the user says what it is, and `meaning` what it is, once that is decided.
    """

    name: str
    values: NDArray[Any]
    reading: str = ""
    doubt: Mistake | None = None
    meaning: Meaning | None = None

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers rather than text."""
        return self.values.dtype.kind in "fiu"

    @property
    def is_missing(self) -> NDArray[np.bool_]:
        """Which cells are missing, (rows,)."""
        if self.values.dtype.kind == "f":
            return np.asarray(np.isnan(self.values))
        if self.is_numeric:
            return np.zeros(len(self.values), dtype=np.bool_)
        return np.array([cell is None for cell in self.values.tolist()], dtype=np.bool_)

    def take(self, rows: NDArray[Any]) -> "Column":
        """Return the column with only `rows`, which are positions or a mask."""
        return replace(self, values=self.values[rows])


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length from one source.

    `digest` is the SHA-256 of the data, `target` the column that the source itself means as the target, `is_test`
    the rows that the source itself keeps for testing, and `notes` are sentences worth telling the user. `place` says
    where a row stands in the source.
    """

    source: str
    columns: tuple[Column, ...]
    digest: str
    target: str | None = None
    is_test: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    place: Callable[[int], str] = "data row {}".format

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.columns[0].values)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)


def checked_names(names: Sequence[str], source: str) -> tuple[str, ...]:
    """Return the column names, trimmed, an empty one as column_3 by its place.

    Raises DataError for one that appears twice, or that no model file can hold.
    """
    trimmed = tuple(name.strip() or f"column_{place}" for place, name in enumerate(names, start=1))
    for position, name in enumerate(trimmed):
        try:
            checked_name(name, f"column {position + 1}")
        except ValueError as error:
            raise DataError(f"{source}: {error}; give it another name") from error
        if name in trimmed[:position]:
            first = trimmed.index(name) + 1
            raise DataError(f"{source}: columns {first} and {position + 1} are both named {shown(name)}; rename one")
    return trimmed


def told_apart(cells: NDArray[np.object_]) -> tuple[NDArray[np.object_], NDArray[np.int64]]:
    """Return the different texts of some cells, rising, and the place of each cell's among them, (rows,).

    NumPy would give every cell the width of the longest, so that one page of text took gigabytes.
    """
    places = {text: place for place, text in enumerate(sorted(set(cells.tolist())))}
    codes = np.fromiter((places[text] for text in cells.tolist()), np.int64, len(cells))
    return np.array(list(places), dtype=object), codes


def matrix_columns(X: NDArray[Any], names: Iterable[str]) -> tuple[Column, ...]:
    """Split X (rows, features) into named columns, which are views on it."""
    return tuple(Column(name, values) for name, values in zip(names, X.T, strict=True))


def content_digest(columns: Iterable[Column]) -> str:
    """Return the SHA-256 of the columns' names and values, for data that is no file."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(column.name.encode() + b"\0")
        if column.is_numeric:
            digest.update(np.ascontiguousarray(column.values).tobytes())
        else:
            digest.update(repr(column.values.tolist()).encode())
    return digest.hexdigest()
