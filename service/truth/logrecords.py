"""From a request and its answer to the record that the log store keeps."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from feedback import Asked, Shape
from predictor import CategoricalFeature, ClassOutputs, DateFeature, Feature
from predictor.cells import Cells
from service.truth.judging import LEVEL
from service.versions.catalog import Served

__all__ = ["Given", "Kept", "asked_of", "cells_json", "outputs_json", "row_count", "shape_of"]

Given = NDArray[Any] | Sequence[Cells]
NUMPY = orjson.OPT_SERIALIZE_NUMPY


Kept = tuple[Served, str, str | None, float, Given, NDArray[Any], int]
"""What the request's path hands over, from which a thread makes the record: the version, the request's id, the name of
its key, when it was received by `time.monotonic`, its rows, the outputs for them and perhaps more, and what it costs.

A plain tuple, as it is made for every request.
"""


def row_count(cells: Given) -> int:
    """Return how many rows there are: of a matrix, or of a sequence for each feature."""
    return len(cells) if isinstance(cells, np.ndarray) else len(cells[0])


def shape_of(served: Served) -> Shape:
    """Return what a version's rows and outputs mean."""
    predictor = served.predictor
    features = tuple((feature.name, _kind(feature)) for feature in predictor.schema.features)
    margin = predictor.calibration.threshold(LEVEL) if predictor.calibration is not None else None
    outputs = predictor.outputs
    if isinstance(outputs, ClassOutputs):
        return Shape(features, (outputs.target,), outputs.labels, margin)
    return Shape(features, outputs.targets, None, margin)


def asked_of(kept: Kept, shape: Shape, since_epoch_s: float) -> Asked:
    """Make the record of one request to a version of that shape; the clock of `time.monotonic` began at that time."""
    served, request_id, client, received, cells, A, _ = kept
    rows = row_count(cells)
    return Asked(
        model=served.name,
        version=served.version,
        request_id=request_id,
        asked=since_epoch_s + received,
        client=client,
        shape=shape.id,
        size=rows,
        cells=cells_json(served, cells),
        outputs=outputs_json(served, A[:rows]),
    )


def cells_json(served: Served, cells: Given) -> str:
    """Write rows as they were given as a JSON list of rows; cells that are missing are null.

    A category that was sent as true or false is written as the model's training data spelt it.
    """
    if isinstance(cells, np.ndarray):
        # What is not contiguous or not native goes through Python's numbers, which JSON knows in any case.
        is_plain = cells.flags.c_contiguous and cells.dtype.isnative and cells.dtype.itemsize > 2  # noqa: PLR2004
        return orjson.dumps(cells if is_plain else cells.tolist(), option=NUMPY).decode()
    columns = [
        _spelt(column, feature.categories, feature.codes)
        if isinstance(feature, CategoricalFeature) and feature.takes_booleans
        else column
        for column, feature in zip(cells, served.predictor.schema.features, strict=True)
    ]
    rows = list(zip(*columns, strict=True))
    try:
        return orjson.dumps(rows, default=str, option=NUMPY).decode()
    except orjson.JSONEncodeError:
        return json.dumps(rows, default=str, separators=(",", ":"))  # it knows whole numbers beyond 64 bits


def _spelt(column: Cells, categories: Sequence[str], codes: Mapping[Any, int]) -> list[Any]:
    return [categories[codes[cell]] if isinstance(cell, bool) else cell for cell in column]


def outputs_json(served: Served, A: NDArray[Any]) -> str:
    """Write what outputs, (rows, outputs), say in the words of the target."""
    outputs = served.predictor.outputs
    if isinstance(outputs, ClassOutputs):
        labels, probabilities = outputs.decode(A)
        said: dict[str, Any] = {"predictions": labels}
        if probabilities is not None:
            said["probabilities"] = np.ascontiguousarray(probabilities)
    else:
        values = outputs.decode(A)
        said = {"predictions": np.ascontiguousarray(values[:, 0] if values.shape[1] == 1 else values)}
    return orjson.dumps(said, option=NUMPY).decode()


def _kind(feature: Feature) -> str:
    if isinstance(feature, DateFeature):
        return "date"
    return "category" if isinstance(feature, CategoricalFeature) else "number"
