"""From requests and their answers to the records that the log store keeps."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from feedback import Asked, Shape
from predictor import CategoricalFeature, ClassOutputs, DateFeature, Feature, Outputs
from predictor.cells import Cells
from service.given import Given, listed, row_count
from service.truth.judging import LEVEL
from service.versions.catalog import Served

__all__ = ["Kept", "asked_of", "cells_json", "outputs_json", "shape_of"]

NUMPY = orjson.OPT_SERIALIZE_NUMPY
CELLS_AT_ONCE = 8192
ROWS_AT_ONCE = 1024


Kept = tuple[Served, str, str | None, float, Given, NDArray[Any], int]
"""What the request's path hands over, from which a thread makes the record: the version, the request's id, the name of
its key, when it was received by `time.monotonic`, its rows, the outputs for them and perhaps more, and what it costs.

A plain tuple, as it is made for every request.
"""


def shape_of(served: Served) -> Shape:
    """Return what a version's rows and outputs mean."""
    predictor = served.predictor
    features = tuple((feature.name, _kind(feature)) for feature in predictor.schema.features)
    margin = predictor.calibration.threshold(LEVEL) if predictor.calibration is not None else None
    outputs = predictor.outputs
    if isinstance(outputs, ClassOutputs):
        return Shape(features, (outputs.target,), outputs.labels, margin)
    return Shape(features, outputs.targets, None, margin)


def asked_of(kept: Sequence[Kept], shapes: Callable[[Served], Shape], since_epoch_s: float) -> list[Asked]:
    """Make the record of each request; the clock of `time.monotonic` began at that time.

    Requests to one version are written together, which costs half of what one after another does.
    """
    places: dict[Served, list[int]] = {}
    for place, item in enumerate(kept):
        places.setdefault(item[0], []).append(place)
    found: dict[int, Asked] = {}
    for served, some in places.items():
        shape = shapes(served).id
        sizes = [row_count(kept[place][4]) for place in some]
        cells = cells_json(served, [kept[place][4] for place in some])
        outputs = outputs_json(served, [kept[place][5][:size] for place, size in zip(some, sizes, strict=True)])
        for place, size, asked, answered in zip(some, sizes, cells, outputs, strict=True):
            _, request_id, client, received, _, _, _ = kept[place]
            at = since_epoch_s + received
            found[place] = Asked(served.name, served.version, request_id, at, client, shape, size, asked, answered)
    return [found[place] for place in range(len(kept))]


def cells_json(served: Served, given: Sequence[Given]) -> list[str]:
    """Write the rows of each request as they were given as a JSON list of rows; cells that are missing are null.

    A category that was sent as true or false is written as the model's training data spelt it.
    """
    matrices = [cells for cells in given if isinstance(cells, np.ndarray)]
    if len(matrices) == len(given) and len({cells.dtype for cells in matrices}) == 1:
        rows = _rows_json(_joined(matrices))
        return [f"[[{'],['.join(rows[start:end])}]]" for start, end in _bounds(matrices)]
    return [
        cells_json(served, [cells])[0] if isinstance(cells, np.ndarray) else _columns_json(served, cells)
        for cells in given
    ]


def _columns_json(served: Served, cells: Sequence[Cells]) -> str:
    columns = [
        _spelt(column, feature.categories, feature.codes)
        if isinstance(feature, CategoricalFeature) and feature.takes_booleans
        else listed(column)
        for column, feature in zip(cells, served.predictor.schema.features, strict=True)
    ]
    rows = list(zip(*columns, strict=True))
    try:
        return orjson.dumps(rows, default=str, option=NUMPY).decode()
    except orjson.JSONEncodeError:
        return json.dumps(rows, default=str, separators=(",", ":"))  # it knows whole numbers beyond 64 bits


def _spelt(column: Cells, categories: Sequence[str], codes: Mapping[Any, int]) -> list[Any]:
    return [categories[codes[cell]] if isinstance(cell, bool) else cell for cell in column]


def outputs_json(served: Served, given: Sequence[NDArray[Any]]) -> list[str]:
    """Write what the outputs for each request, (rows, outputs), say in the words of the target."""
    predictions: list[str] = []
    probabilities: list[str] = []
    A = _joined(given)
    for start in range(0, len(A), ROWS_AT_ONCE):
        predicted, drawn = _said(served.predictor.outputs, A[start : start + ROWS_AT_ONCE])
        predictions += predicted
        probabilities += drawn
    if not probabilities:
        return [f'{{"predictions":[{",".join(predictions[start:end])}]}}' for start, end in _bounds(given)]
    return [
        f'{{"predictions":[{",".join(predictions[start:end])}],"probabilities":[[{"],[".join(probabilities[start:end])}]]}}'
        for start, end in _bounds(given)
    ]


def _said(outputs: Outputs, A: NDArray[Any]) -> tuple[list[str], list[str]]:
    """Write the prediction for each row, and its probabilities without brackets, where there are any."""
    if isinstance(outputs, ClassOutputs):
        labels, probabilities = outputs.decode(A)
        words = {label: orjson.dumps(label).decode() for label in set(labels)}
        return [words[label] for label in labels], [] if probabilities is None else _rows_json(probabilities)
    values = outputs.decode(A)
    rows = _rows_json(values)
    return rows if values.shape[1] == 1 else [f"[{row}]" for row in rows], []


def _rows_json(M: NDArray[Any]) -> list[str]:
    """Write the numbers of each row of a matrix, (rows, width), as JSON without brackets.

    Some thousands of numbers at once: other threads wait while they are written.
    """
    # What is not native, or half as long, goes through Python's numbers, which JSON knows in any case.
    is_plain = M.dtype.isnative and M.dtype.itemsize > 2  # noqa: PLR2004
    rows: list[str] = []
    at_once = max(1, CELLS_AT_ONCE // M.shape[1])
    for start in range(0, len(M), at_once):
        part = np.ascontiguousarray(M[start : start + at_once])
        text = orjson.dumps(part if is_plain else part.tolist(), option=NUMPY).decode()
        rows += text[2:-2].split("],[")
    return rows


def _joined(matrices: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return matrices[0] if len(matrices) == 1 else np.concatenate(matrices)


def _bounds(matrices: Sequence[NDArray[Any]]) -> Iterator[tuple[int, int]]:
    """Yield where the rows of each matrix begin and end when all are joined."""
    return pairwise(accumulate(map(len, matrices), initial=0))


def _kind(feature: Feature) -> str:
    if isinstance(feature, DateFeature):
        return "date"
    return "category" if isinstance(feature, CategoricalFeature) else "number"
