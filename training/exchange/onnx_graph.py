"""An ONNX graph on its way, and the operators that the features and layers of a model become."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network import MLP
from predictor import CategoricalFeature, DateFeature, Feature, NumericFeature, Schema
from predictor.wording import shown
from training.exchange.needs import library

__all__ = ["MATRIX", "Graph", "encoded", "layers"]

MATRIX = "X"


class Graph:
    """Nodes, constants and inputs, each under a name that no column of the model has."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._helper = library("onnx.helper")
        self._numpy = library("onnx.numpy_helper")
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self._taken = set(taken)
        self._prefix = "ganglion/"
        while any(name.startswith(self._prefix) for name in self._taken):
            self._prefix = "_" + self._prefix

    def free(self, name: str) -> str:
        """Return the name, or one made of it that no column has."""
        while name in self._taken:
            name = "output_" + name
        return name

    def add(self, operator: str, *values: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = output or f"{self._prefix}{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(operator, list(values), [name], **attributes))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        """Add an array and return its name; text is an array of objects."""
        name = f"{self._prefix}constant/{len(self.constants)}"
        self.constants.append(self._numpy.from_array(array, name))
        return name

    def cast(self, value: str, kind: int, **options: Any) -> str:
        """Convert to a type, one of those of `onnx.TensorProto`."""
        return self.add("Cast", value, to=kind, **options)

    def input(self, name: str, kind: int, width: int) -> str:
        """Add an input of (rows, width)."""
        self.inputs.append(self.value(name, kind, ["rows", width]))
        return name

    def value(self, name: str, kind: int, shape: Sequence[str | int]) -> Any:
        """Describe a value by its type and shape."""
        return self._helper.make_tensor_value_info(name, kind, shape)


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
        fault = f"column {shown(feature.name)} holds dates, and ONNX has no operator that reads one"
        raise ValueError(fault)  # noqa: TRY004 - the model is of the right type, and ONNX has no words for it
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


def layers(graph: Graph, network: MLP, X: str) -> str:
    """Add the dense layers in float32; return the activations of the last, (rows, outputs), or their members' mean."""
    A = X
    for index, layer in enumerate(network.architecture.layers):
        A = graph.add("MatMul", A, graph.constant(network.parameters[f"layers.{index}.W"].astype(np.float32)))
        if layer.bias:
            b = network.parameters[f"layers.{index}.b"].astype(np.float32)
            A = graph.add("Add", A, graph.constant(b[..., None, :]))
        A = ACTIVATIONS[layer.activation](graph, A)
    if network.architecture.members > 1:
        A = graph.add("ReduceMean", A, graph.constant(np.array([0])), keepdims=0)
    return A


def _operator(name: str, **attributes: Any) -> Callable[[Graph, str], str]:
    return lambda graph, Z: graph.add(name, Z, **attributes)


ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "relu": _operator("Relu"),
    "leaky_relu": _operator("LeakyRelu", alpha=0.01),
    "elu": _operator("Elu", alpha=1.0),
    "gelu": _operator("Gelu", approximate="tanh"),
    "silu": lambda graph, Z: graph.add("Mul", Z, graph.add("Sigmoid", Z)),
    "mish": _operator("Mish"),
    "tanh": _operator("Tanh"),
    "sigmoid": _operator("Sigmoid"),
    "softmax": _operator("Softmax", axis=-1),
    "identity": lambda graph, Z: Z,  # noqa: ARG005 - one signature for all
    "exp": _operator("Exp"),
}
