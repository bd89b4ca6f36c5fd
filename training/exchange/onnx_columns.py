"""The raw columns of a model in an ONNX graph, and their encoding."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import CategoricalFeature, DateFeature, Feature, NumericFeature, Schema
from predictor.dates import moment
from training.exchange.onnx_dates import date_columns
from training.exchange.onnx_graph import Graph

__all__ = ["encoded", "feeds"]

MATRIX = "X"


def encoded(graph: Graph, schema: Schema, types: Any) -> str:
    """Add inputs and the encoding of the features; return the float32 matrix (rows, width).

    Numbers only make one input, the matrix `X` (rows, features); with text among them, each column is an input.
    """
    if schema.is_numeric:
        cells = graph.input(MATRIX, types.FLOAT, len(schema.features))
        return _numbers(graph, schema.features, cells, types)  # type: ignore[arg-type]  # all are numeric
    parts = [_column(graph, feature, types) for feature in schema.features]
    return graph.add("Concat", *parts, axis=1)


def _column(graph: Graph, feature: Feature, types: Any) -> str:
    if isinstance(feature, NumericFeature):
        return _numbers(graph, (feature,), graph.input(feature.name, types.FLOAT, 1), types)
    if isinstance(feature, DateFeature):
        return date_columns(graph, feature, types)
    return _category(graph, feature, graph.input(feature.name, types.STRING, 1), types)


def _numbers(graph: Graph, features: Sequence[NumericFeature], cells: str, types: Any) -> str:
    """Impute, scale and spread (rows, features) numbers as the schema does; a missing cell is NaN."""
    values, is_missing = graph.cast(cells, types.DOUBLE), graph.add("IsNaN", cells)
    missing = np.array([np.nan if feature.missing is None else feature.missing for feature in features])
    if not np.isnan(missing).all():
        values = graph.add("Where", is_missing, graph.constant(missing), values)
    offset = np.array([feature.offset for feature in features])
    inverse = np.array([1 / feature.scale for feature in features])
    centred = graph.add("Sub", values, graph.constant(offset))
    scaled = graph.cast(graph.add("Mul", centred, graph.constant(inverse)), types.FLOAT)
    if all(feature.is_plain for feature in features):
        return scaled
    return _spread(graph, features, scaled, graph.cast(is_missing, types.FLOAT), types)


def _spread(graph: Graph, features: Sequence[NumericFeature], scaled: str, is_missing: str, types: Any) -> str:
    """Put beside one another, for each feature, the clipped value, a column between each two knots, and the flag."""
    flagged = [position for position, feature in enumerate(features) if feature.flags_missing]
    owners = [[position] * (feature.width - feature.flags_missing) for position, feature in enumerate(features)]
    limits = [
        [feature.clip or np.inf] + [np.inf] * (len(own) - 1) for feature, own in zip(features, owners, strict=True)
    ]
    left = np.concatenate([[0, *feature.edges[:-1]] for feature in features]).astype(np.float32)
    slope = np.concatenate([[1, *(1 / np.diff(feature.edges))] for feature in features]).astype(np.float32)
    is_value = np.concatenate([[True] + [False] * (len(own) - 1) for own in owners])
    E = graph.add("Gather", scaled, graph.constant(np.concatenate(owners).astype(np.int64)), axis=1)
    E = graph.add("Mul", graph.add("Sub", E, graph.constant(left)), graph.constant(slope))
    E = graph.add("Max", E, graph.constant(np.where(is_value, -np.inf, 0).astype(np.float32)))
    E = graph.add("Min", E, graph.constant(np.where(is_value, np.inf, 1).astype(np.float32)))
    if any(feature.clip for feature in features):
        E = _smoothly_clipped(graph, E, np.concatenate(limits), types)
    if not flagged:
        return E
    flags = graph.add("Gather", is_missing, graph.constant(np.array(flagged)), axis=1)
    order = np.argsort(np.concatenate([*owners, flagged]), kind="stable")
    return graph.add("Gather", graph.add("Concat", E, flags, axis=1), graph.constant(order), axis=1)


def _smoothly_clipped(graph: Graph, E: str, limits: NDArray[np.float64], types: Any) -> str:
    """Add e / sqrt(1 + (e / limit)^2) in float64; an infinite limit leaves a column as it is."""
    values = graph.cast(E, types.DOUBLE)
    part = graph.add("Div", values, graph.constant(limits))
    squared = graph.add("Add", graph.add("Mul", part, part), graph.constant(np.ones(1)))
    return graph.cast(graph.add("Div", values, graph.add("Sqrt", squared)), types.FLOAT)


def _category(graph: Graph, feature: CategoricalFeature, cells: str, types: Any) -> str:
    """Encode (rows, 1) texts one-hot; a missing cell is the empty text, and an unknown text is all zeros."""
    if feature.missing is not None and "" not in feature.categories:
        is_missing = graph.add("Equal", cells, graph.constant(np.array([""], dtype=object)))
        cells = graph.add("Where", is_missing, graph.constant(np.array([feature.missing], dtype=object)), cells)
    known = graph.constant(np.array(feature.categories, dtype=object))
    return graph.cast(graph.add("Equal", cells, known), types.FLOAT)


def feeds(schema: Schema, rows: Sequence[Sequence[float | str | None]]) -> dict[str, NDArray[Any]]:
    """Return raw rows as the inputs of the graph: NaN and the empty text stand for a missing cell."""
    if schema.is_numeric:
        matrix = np.array([[np.nan if cell is None else cell for cell in row] for row in rows], np.float32)
        return {MATRIX: matrix}
    found: dict[str, NDArray[Any]] = {}
    for feature, cells in zip(schema.features, zip(*rows, strict=True), strict=True):
        if isinstance(feature, CategoricalFeature):
            column = np.array(["" if cell is None else cell for cell in cells], object)
        elif isinstance(feature, DateFeature):
            column = np.array([moment(str(cell), feature.form) for cell in cells], np.float64)
        else:
            column = np.array(cells, np.float32)  # None becomes NaN
        found[feature.name] = column.reshape(-1, 1)
    return found
