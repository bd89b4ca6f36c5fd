"""A model as the tensor protocols see it: named inputs and outputs with types and shapes.

A model of numbers takes one matrix, `input`, or one tensor for each feature; a model with categories or dates takes one
tensor for each feature. A classification gives `label` and, where there are any, `probabilities`; a regression gives
`predictions`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor import ClassOutputs, NumericFeature
from predictor.outputs import looked_up
from service.bodies.answers import Outputs
from service.versions.catalog import Served

__all__ = ["MATRIX", "PROBABILITIES", "Tensor", "inputs_of", "outputs_of", "value_of"]

MATRIX = "input"
LABEL = "label"
PROBABILITIES = "probabilities"
NUMBERS = "predictions"


class Tensor(NamedTuple):
    """A tensor's name, its type in the words of the Open Inference Protocol, and its shape, -1 for the rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def inputs_of(served: Served) -> tuple[Tensor, ...]:
    """Return the inputs that a model is described with."""
    schema = served.predictor.schema
    if schema.is_numeric:
        return (Tensor(MATRIX, "FP32", (-1, len(schema.names))),)
    return tuple(
        Tensor(feature.name, "FP64" if isinstance(feature, NumericFeature) else "BYTES", (-1,))
        for feature in schema.features
    )


def outputs_of(served: Served) -> tuple[Tensor, ...]:
    """Return the outputs of a model, in the order in which they are answered."""
    outputs = served.predictor.outputs
    if not isinstance(outputs, ClassOutputs):
        targets = len(outputs.targets)
        return (Tensor(NUMBERS, "FP32", (-1,) if targets == 1 else (-1, targets)),)
    label = Tensor(LABEL, "INT64" if all(isinstance(name, int) for name in outputs.labels) else "BYTES", (-1,))
    if not outputs.has_probabilities:
        return (label,)
    return label, Tensor(PROBABILITIES, "FP32", (-1, len(outputs.labels)))


def value_of(tensor: Tensor, outputs: Outputs) -> list[Any] | NDArray[Any]:
    """Return the values of one output, (rows,) or (rows, columns); labels as text unless all of them are numbers."""
    if tensor.name == PROBABILITIES:
        return np.ascontiguousarray(outputs.probabilities)
    if outputs.labels is None:
        return outputs.values
    codes = outputs.labels.codes(outputs.values)
    if tensor.datatype == "BYTES":
        return looked_up(list(map(str, outputs.labels.labels)), codes)
    return np.array(outputs.labels.labels, dtype=np.int64)[codes]
