"""From a request and its answer to the record that the log store keeps."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from feedback import Asked, Shape
from predictor import CategoricalFeature, ClassOutputs, DateFeature, Feature
from predictor.cells import Cells
from service.catalog import Served
from service.judging import LEVEL

__all__ = ["Given", "Kept", "asked_of", "cells_json", "outputs_json", "row_count", "shape_of"]

Given = NDArray[Any] | Sequence[Cells]
NUMPY = orjson.OPT_SERIALIZE_NUMPY


class Kept(NamedTuple):
    """What the request's path hands over: references, from which a thread makes the record."""

    served: Served
    request_id: str
    client: str | None
    asked: float
    cells: Given
    A: NDArray[Any]
    cost: int


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


def asked_of(kept: Kept, shape: Shape) -> Asked:
    """Make the record of one request to a version of that shape."""
    served = kept.served
    return Asked(
        model=served.name,
        version=served.version,
        request_id=kept.request_id,
        asked=kept.asked,
        client=kept.client,
        shape=shape.id,
        size=len(kept.A),
        cells=cells_json(served, kept.cells),
        outputs=outputs_json(served, kept.A),
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
    return orjson.dumps(list(zip(*columns, strict=True)), default=str, option=NUMPY).decode()


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
