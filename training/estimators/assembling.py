"""A predictor from a network, the columns before it, what its outputs mean, and rows like those it was fitted to."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network import MLP
from predictor import (
    Calibration,
    CategoricalFeature,
    Golden,
    InputError,
    NumberOutputs,
    NumericFeature,
    Outputs,
    Predictor,
    Reference,
    Schema,
    prove,
)
from predictor.features import Feature
from training.encoding import histogram_of
from training.estimators.columns import HOLE, Tracked
from training.lineage import lineage
from training.reference import reference_of

__all__ = ["Cell", "Seen", "SeenCells", "assembled", "cells_of", "made_up", "schema_of", "spacing"]

GOLDEN_ROWS = 8
REFERENCE_ROWS = 10_000
LARGEST = float(np.finfo(np.float32).max)
KEPT_CELLS, FEWEST_KEPT = 20_000, 16  # an estimator is pickled with them
Cell = float | str | None
Matrix = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Seen:
    """Some of the rows of the last fit, (rows, features), how many there were, and the ranges of all rows up to now."""

    rows: Matrix
    count: int
    low: Matrix  # (features,), as is the next
    high: Matrix

    @classmethod
    def of(cls, X: Matrix, before: "Seen | None") -> "Seen":
        """Keep evenly spaced rows, and widen the ranges of what was seen before."""
        low, high = X.min(axis=0), X.max(axis=0)
        if before is not None:
            low, high = np.minimum(low, before.low), np.maximum(high, before.high)
        return cls(X[:: spacing(*X.shape)].copy(), len(X), low, high)


@dataclass(frozen=True)
class SeenCells:
    """The same of a table: raw rows in the order of the schema, which knows the ranges."""

    cells: list[tuple[Cell, ...]]
    count: int


def spacing(rows: int, columns: int) -> int:
    """Return how far apart the rows are that an estimator keeps."""
    return -(-rows // max(FEWEST_KEPT, KEPT_CELLS // columns))


def assembled(
    schema: Schema,
    cells: Sequence[tuple[Cell, ...]],
    network: MLP,
    outputs: Outputs,
    *,
    source: str,
    rows: int,
    calibration: Calibration | None = None,
    others: Iterable[str] = (),
) -> Predictor:
    """Return a proven predictor; the first of the ``cells``, raw rows in the order of the schema, become golden.

    ``rows`` says how many training rows they are of; with 0 they are made up, and nothing else is learnt from them.
    ``others`` are further columns of the training table: clients may send them, and the target, in vain.
    Raises ValueError for parts that do not fit each other.
    """
    first = tuple(cells[:GOLDEN_ROWS])
    targets = outputs.targets if isinstance(outputs, NumberOutputs) else (outputs.target,)
    left_out = dict.fromkeys(name for name in (*others, *targets) if name not in schema.names)
    schema = replace(schema, left_out=tuple(left_out))
    predictor = Predictor(
        schema,
        network,
        outputs,
        Golden(first, network.infer(schema.encode_rows([list(row) for row in first]).X)),
        recipe={"estimator": source},
        metrics={},
        calibration=calibration,
        lineage=lineage(
            source=source,
            digest=hashlib.sha256(network.parameters.flat.tobytes()).hexdigest(),
            rows=rows,
            train_rows=rows,
            seed=0,
        ),
    )
    prove(predictor)
    return replace(predictor, reference=_reference(predictor, cells[:REFERENCE_ROWS])) if rows else predictor


def _reference(predictor: Predictor, cells: Sequence[tuple[Cell, ...]]) -> Reference | None:
    """Describe the rows; None when the schema cannot encode one of them."""
    missing = [sum(cell is None for cell in column) for column in zip(*cells, strict=True)]
    try:
        X = predictor.schema.encode_rows([list(row) for row in cells]).X
    except InputError:
        return None
    return reference_of(predictor, X, missing, len(cells))


def cells_of(columns: Sequence[Tracked], raw: Matrix) -> list[tuple[Cell, ...]]:
    """Return rows of the raw columns, (rows, raw columns), as a client would send them."""
    return [tuple(_cell(row[column.source]) for column in columns) for row in raw[:REFERENCE_ROWS]]


def made_up(columns: Sequence[Tracked]) -> list[tuple[Cell, ...]]:
    """Make rows of usual values: a deviation or so from the middle, each category in turn."""
    rng = np.random.default_rng(0)

    def cell(column: Tracked, row: int) -> Cell:
        if column.categories is not None:
            return column.categories[row % len(column.categories)]
        return column.offset + column.scale * float(rng.normal())

    return [tuple(cell(column, row) for column in columns) for row in range(GOLDEN_ROWS)]


def schema_of(columns: Sequence[Tracked], raw: Matrix | None, seen: Seen | None = None) -> Schema:
    """Return the schema of columns with the ranges and histograms of raw rows, (rows, raw columns).

    Ranges are those of ``seen`` where it is given; without rows any value is in range.
    """
    features = []
    for column in columns:
        place = column.source
        bounds = (float(seen.low[place]), float(seen.high[place])) if seen is not None else None
        features.append(_feature(column, None if raw is None else raw[:, place], bounds))
    return Schema(tuple(features))


def _feature(column: Tracked, values: Matrix | None, bounds: tuple[float, float] | None) -> Feature:
    cells = None if values is None else [_cell(value) for value in values.tolist()]
    if column.categories is not None:
        if cells is not None and column.missing == HOLE:
            cells = [HOLE if cell is None else cell for cell in cells]
        return CategoricalFeature(
            column.name,
            column.categories,
            missing=column.missing,
            unknown="refuse" if column.refuses_unknown else "bucket",
            counts=tuple(0 if cells is None else cells.count(known) for known in column.categories),
        )
    scaling = {"offset": column.offset, "scale": column.scale, "missing": column.missing}
    if cells is None:
        return NumericFeature(column.name, low=-LARGEST, high=LARGEST, **scaling)
    if any(isinstance(cell, str) for cell in cells):
        raise ValueError(f"column {column.name!r}: expected numbers, found text that no encoder of the pipeline takes")
    numbers = np.array([cell for cell in cells if cell is not None], dtype=np.float64)
    if not numbers.size:
        return NumericFeature(column.name, low=0.0, high=0.0, **scaling)
    low, high = bounds or (float(numbers.min()), float(numbers.max()))
    return NumericFeature(column.name, low=low, high=high, histogram=histogram_of(numbers), **scaling)


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return None if np.isnan(number) else number
