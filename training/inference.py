"""What the columns of a table are: which of them can help, and how each is encoded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor import Schema
from predictor.features import Feature
from predictor.wording import shown
from training.encoding import feature_of, text_counts
from training.errors import DataError
from training.recipe import Encoding
from training.table import Column

__all__ = ["Described", "describe"]

CATEGORIES_LIMIT = 100
TEXT_SHARE = 0.5  # more different texts than this share of the rows name the rows, they do not describe them
FEW = 10
NAMES_SHOWN = 6
COUNTED_ROWS = 50  # fewer rows may well be numbered by what matters, such as the year


@dataclass(frozen=True, eq=False)
class Described:
    """A schema, the columns that it covers, in its order, and why others were left out."""

    schema: Schema
    columns: tuple[Column, ...]
    notes: tuple[str, ...]


def describe(
    columns: Sequence[Column], train: NDArray[np.int64], encoding: Encoding, *, prune: bool, keep: Iterable[str] = ()
) -> Described:
    """Make the schema from the training rows alone.

    With `prune`, columns that cannot help are left out, unless `keep` names them: constant ones, row numbers, free
    text. Whether a missing cell is allowed is seen in all rows, what stands in for it in the training rows. Raises
    DataError when nothing is left.
    """
    wanted = set(keep)
    features: list[Feature] = []
    kept: list[Column] = []
    left_out: dict[str, list[str]] = {}
    for column in columns:
        part = column.take(train)
        reason = _useless(column, part) if prune and column.name not in wanted else _unusable(part)
        if reason is None:
            features.append(feature_of(part, encoding, may_miss=bool(column.is_missing.any())))
            kept.append(column)
        else:
            left_out.setdefault(reason, []).append(column.name)
    notes = tuple(_left_out(names, reason) for reason, names in left_out.items())
    if not features:
        raise DataError("no column is left to learn from: " + "; ".join(notes))
    return Described(Schema(tuple(features)), tuple(kept), notes)


def _left_out(names: Sequence[str], reason: str) -> str:
    listed = ", ".join(shown(name) for name in names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    return f"{'column' if len(names) == 1 else f'{len(names)} columns'} left out ({reason}): {listed}"


def _unusable(part: Column) -> str | None:
    """Say why a column cannot be encoded at all, or None."""
    if part.is_missing.all():
        return "every cell of the training rows is missing"
    if not part.is_numeric and len(text_counts(part)) > CATEGORIES_LIMIT:
        return f"more than {CATEGORIES_LIMIT} different texts"
    return None


def _useless(column: Column, part: Column) -> str | None:
    """Say why a column cannot help, or None; `part` are its training rows."""
    if part.is_missing.all():
        return _unusable(part)
    if not part.is_numeric:
        counts = text_counts(part)
        if len(counts) > FEW and len(counts) > TEXT_SHARE * counts.total():
            return "it looks like a name or free text"
        return "the same in every training row" if len(counts) == 1 else _unusable(part)
    values = part.values[~part.is_missing]
    if (values == values[0]).all():
        return "the same in every training row"
    return "it looks like a row number" if _is_row_number(column) else None


def _is_row_number(column: Column) -> bool:
    values = column.values
    return len(values) >= COUNTED_ROWS and values[0] in (0, 1) and bool((np.diff(values.astype(np.float64)) == 1).all())
