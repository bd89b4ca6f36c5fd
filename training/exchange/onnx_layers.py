"""Dense layers in an ONNX graph."""

from collections.abc import Callable
from typing import Any

import numpy as np

from network import MLP
from training.exchange.onnx_graph import Graph

__all__ = ["layers"]


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
