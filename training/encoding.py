"""From raw columns to the features of a model, its matrices, and the rows that will prove it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import Histogram, InputError, NumericFeature, Schema
from predictor.wording import pointer, shown
from training.errors import DataError
from training.recipe import Encoding
from training.table import Column
from training.wording import count

__all__ = ["encode", "feature_of", "flags_missing", "histogram_of", "raw_cells", "target_scale"]

BINS = 10
NORMAL_QUARTILES = 1.349  # how far apart the quartiles of a normal distribution are, in its deviations
FEWEST_FLAGGED = 20  # rows on either side of a flag, or it says which row it was rather than that a cell was missing
ROWS_A_BIN = 125  # fewer in a bin teach its own weights little but noise
FARTHEST_KNOT = 1e30  # scaled: well inside float32
NEAREST_KNOTS = 1e-5  # of the scaled values' size: float32 still tells them apart
CHUNK_ROWS = 4096  # bounds the float64 that encoding makes on the way


def encode(schema: Schema, columns: Sequence[Column], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Encode some rows of the columns: X (len(rows), schema.width). DataError where a value does not fit."""
    X = np.empty((len(rows), schema.width), dtype=np.float32)
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        try:
            X[start : start + len(chunk)] = _encoded(schema, columns, chunk)
        except InputError as error:
            cell = _cell(error, schema, columns, chunk)
            raise DataError(f"the data do not fit the schema of the training rows: {_said(error, cell)}") from error
    return X


def _said(error: InputError, cell: object) -> str:
    """Say the first fault by column and cell: its position among the rows at hand tells nobody where the cell is."""
    more = f" (and {count(error.count - 1, 'more such cell')})" if error.count > 1 else ""
    found = f", found {cell}" if error.faults[0].code == "range" else ""
    return f"column {error.faults[0].detail}{found}{more}; correct it, or leave the column out: data.drop"


def _cell(error: InputError, schema: Schema, columns: Sequence[Column], rows: NDArray[np.int64]) -> object:
    """Return the cell of the first fault: pointers are /row/column of a matrix, else /name/row."""
    first, second = error.faults[0].pointer.split("/")[1:]
    if schema.is_numeric:
        return columns[int(second)].values[rows[int(first)]]
    (column,) = (column for column in columns if pointer(column.name) == f"/{first}")
    return column.values[rows[int(second)]]


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
    with np.errstate(over="ignore", invalid="ignore"):  # a feature refuses what is not finite by name
        deviation = float(values.std(dtype=np.float64))
        return float(values.mean(dtype=np.float64)), deviation or 1.0


def feature_of(part: Column, encoding: Encoding, *, may_miss: bool) -> NumericFeature:
    """Return how numbers are encoded, from their training rows; DataError where a model file has no words for it."""
    try:
        return _numeric(part, encoding, may_miss=may_miss)
    except ValueError as error:
        values = part.values[~part.is_missing]
        ends = f"from {values.min():.4g} to {values.max():.4g}"
        raise DataError(
            f"column {shown(part.name)}: the numbers, {ends}, cannot be scaled: {error};"
            " correct them, or leave the column out: data.drop"
        ) from error


def _numeric(part: Column, encoding: Encoding, *, may_miss: bool) -> NumericFeature:
    is_missing = part.is_missing
    values = part.values[~is_missing].astype(np.float64)
    middle = float(np.median(values)) if may_miss else None
    filled = values if middle is None else np.where(is_missing, middle, part.values)
    offset, scale = _scaling(filled, encoding)
    low, high = float(values.min()), float(values.max())
    return NumericFeature(
        part.name,
        offset=offset,
        scale=scale,
        missing=middle,
        low=low,
        high=high,
        histogram=histogram_of(values),
        clip=encoding.clip,
        knots=_knots(values, offset, scale, encoding.bins),
        flags_missing=flags_missing(part, encoding),
    )


def flags_missing(part: Column, encoding: Encoding) -> bool:
    """Tell whether the model is to see that a number is missing: where enough of the training rows have none."""
    missing = int(part.is_missing.sum())
    return encoding.flag_missing and min(missing, len(part.values) - missing) >= FEWEST_FLAGGED


def _scaling(values: NDArray[np.float64], encoding: Encoding) -> tuple[float, float]:
    if encoding.inputs == "raw":
        return 0.0, encoding.divide_by
    return _standard(values) if encoding.inputs == "standardise" else _robust(values)


def _robust(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the median, and the deviation of a normal distribution with these quartiles.

    Where the quartiles are one number, half of the range (Holzmueller et al., 2024, section 3).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        lower, middle, upper = np.quantile(values, (0.25, 0.5, 0.75)).tolist()
        spread = (upper - lower) / NORMAL_QUARTILES or float(np.ptp(values)) / 2
    return middle, spread if 0 < spread < np.inf and np.isfinite(1 / spread) else 1.0


def _knots(values: NDArray[np.float64], offset: float, scale: float, bins: int) -> tuple[float, ...]:
    """Return the quantiles between at most `bins` equal parts of the values, those that scaling keeps apart.

    None where they would say no more than the value itself: two knots are a straight line.
    """
    parts = min(bins, len(values) // ROWS_A_BIN)
    if parts < 2:  # noqa: PLR2004
        return ()
    knots = np.unique(np.quantile(values, np.linspace(0, 1, parts + 1), method="inverted_cdf"))
    with np.errstate(over="ignore"):
        places = np.clip((knots - offset) / scale, -FARTHEST_KNOT, FARTHEST_KNOT)
    apart = np.diff(places) > NEAREST_KNOTS * np.maximum(1, np.abs(places[1:]))
    near = np.abs(places) < FARTHEST_KNOT
    kept = knots[near & np.concatenate([[True], apart])]
    return tuple(kept.tolist()) if len(kept) > 2 else ()  # noqa: PLR2004


def histogram_of(values: NDArray[np.float64]) -> Histogram | None:
    """Return ten equal bins over finite values, or None where they are too near or too far apart for bins."""
    low, high = float(values.min()), float(values.max())
    with np.errstate(over="ignore", invalid="ignore"):
        edges = np.linspace(low, high, BINS + 1) if low < high else np.array([low - 0.5, high + 0.5])
    edges = np.unique(edges)
    if len(edges) < 2 or not np.isfinite(edges).all():  # noqa: PLR2004 - the range is too narrow or too wide for bins
        return None
    return Histogram(tuple(edges.tolist()), tuple(np.histogram(values, edges)[0].tolist()))
