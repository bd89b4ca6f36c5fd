"""From raw columns to the features of a model, its matrices, and the rows that will prove it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import CategoricalFeature, Histogram, InputError, NumericFeature, Schema
from predictor.features import Feature
from predictor.wording import shown
from training.errors import DataError
from training.recipe import Encoding
from training.table import Column

__all__ = ["encode", "feature_of", "histogram_of", "raw_cells", "target_scale", "text_counts"]

BINS = 10
CHUNK_ROWS = 4096  # bounds the float64 that encoding makes on the way


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


def feature_of(part: Column, encoding: Encoding, *, may_miss: bool) -> Feature:
    """Return how a column is encoded, from its training rows; DataError where a model file has no words for it."""
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
    counts = text_counts(part)
    names = tuple(sorted(counts))
    usual = max(names, key=lambda name: counts[name])
    return CategoricalFeature(
        part.name,
        names,
        missing=usual if may_miss else None,
        unknown=encoding.unknown,
        counts=tuple(counts[name] for name in names),
    )


def text_counts(part: Column) -> Counter[str]:
    """Count the cells of a text column by what they say; missing ones are not counted."""
    return Counter(cell for cell in part.values.tolist() if cell is not None)
