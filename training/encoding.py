"""From raw columns to the schema of a model, its matrices, and the rows that will prove it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import CategoricalFeature, Histogram, InputError, NumericFeature, Schema
from predictor.features import Feature
from predictor.wording import shown
from training.errors import DataError
from training.recipe import Encoding
from training.table import Column

__all__ = ["Described", "describe", "encode", "histogram_of", "raw_cells", "target_scale"]

BINS = 10
CATEGORIES_LIMIT = 100
TEXT_SHARE = 0.5  # more different texts than this share of the rows name the rows, they do not describe them
FEW = 10
NAMES_SHOWN = 6
COUNTED_ROWS = 50  # fewer rows may well be numbered by what matters, such as the year
CHUNK_ROWS = 4096  # bounds the float64 that encoding makes on the way


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
            features.append(_feature(part, encoding, may_miss=bool(column.is_missing.any())))
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


def encode(schema: Schema, columns: Sequence[Column], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Encode some rows of the columns: X (len(rows), schema.width). DataError where a value does not fit."""
    X = np.empty((len(rows), schema.width), dtype=np.float32)
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        try:
            X[start : start + len(chunk)] = _encoded(schema, columns, chunk)
        except InputError as error:
            raise DataError(f"the data do not fit the schema of the training rows: {error}") from error
    return X


def _encoded(schema: Schema, columns: Sequence[Column], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    parts = [column.values[rows] for column in columns]
    if schema.is_numeric:
        return schema.encode_numbers(np.stack([part.astype(np.float64) for part in parts], axis=1))
    return schema.encode_columns([part.astype(np.float64) if part.dtype.kind in "iu" else part for part in parts])


def raw_cells(columns: Sequence[Column], row: int) -> tuple[float | str | None, ...]:
    """Return one row as a client would send it: numbers, text, None for missing."""
    cells = [column.values[row] for column in columns]
    return tuple(_raw(cell) for cell in cells)


def _raw(cell: object) -> float | str | None:
    if cell is None or isinstance(cell, str):
        return cell
    value = float(np.float64(cell))  # type: ignore[arg-type]  # the columns hold numbers, text or None
    return None if np.isnan(value) else value


def target_scale(values: NDArray[np.float64], encoding: Encoding) -> tuple[float, float]:
    """Return offset and scale of a numeric target, from the training rows; 0 and 1 when it stays raw."""
    return _standard(values) if encoding.target == "standardise" else (0.0, 1.0)


def _standard(values: NDArray[Any]) -> tuple[float, float]:
    deviation = float(values.std(dtype=np.float64))
    return float(values.mean(dtype=np.float64)), deviation or 1.0


def _feature(part: Column, encoding: Encoding, *, may_miss: bool) -> Feature:
    make = _numeric if part.is_numeric else _categorical
    try:
        return make(part, encoding, may_miss=may_miss)
    except ValueError as error:
        raise DataError(f"column {shown(part.name)}: {error}") from error


def _numeric(part: Column, encoding: Encoding, *, may_miss: bool) -> NumericFeature:
    values = part.values[~part.is_missing].astype(np.float64)
    middle = float(np.median(values)) if may_miss else None
    offset, scale = 0.0, encoding.divide_by
    if encoding.inputs == "standardise":
        filled = values if middle is None else np.where(part.is_missing, middle, part.values)
        offset, scale = _standard(filled)
    low, high = float(values.min()), float(values.max())
    return NumericFeature(
        part.name, offset=offset, scale=scale, missing=middle, low=low, high=high, histogram=histogram_of(values)
    )


def histogram_of(values: NDArray[np.float64]) -> Histogram | None:
    """Return ten equal bins over finite values, or None where they are too near or too far apart for bins."""
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high, BINS + 1) if low < high else np.array([low - 0.5, high + 0.5])
    edges = np.unique(edges)
    if len(edges) < 2 or not np.isfinite(edges).all():  # noqa: PLR2004 - the range is too narrow or too wide for bins
        return None
    return Histogram(tuple(edges.tolist()), tuple(np.histogram(values, edges)[0].tolist()))


def _categorical(part: Column, encoding: Encoding, *, may_miss: bool) -> CategoricalFeature:
    counts = _categories(part)
    names = tuple(sorted(counts))
    usual = max(names, key=lambda name: counts[name])
    return CategoricalFeature(
        part.name,
        names,
        missing=usual if may_miss else None,
        unknown=encoding.unknown,
        counts=tuple(counts[name] for name in names),
    )


def _categories(part: Column) -> Counter[str]:
    return Counter(cell for cell in part.values.tolist() if cell is not None)


def _unusable(part: Column) -> str | None:
    """Say why a column cannot be encoded at all, or None."""
    if part.is_missing.all():
        return "every cell of the training rows is missing"
    if not part.is_numeric and len(_categories(part)) > CATEGORIES_LIMIT:
        return f"more than {CATEGORIES_LIMIT} different texts"
    return None


def _useless(column: Column, part: Column) -> str | None:
    """Say why a column cannot help, or None; `part` are its training rows."""
    if part.is_missing.all():
        return _unusable(part)
    if not part.is_numeric:
        counts = _categories(part)
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
