"""Small networks and data for the tests, and a forward pass written as plainly as can be."""

import math

import numpy as np
from numpy.typing import NDArray

from network import INITIALIZERS, LOSSES, MLP, Architecture, Layer, Loss

Matrix = NDArray[np.floating]

LINKED = {"categorical_cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp"}


def mlp(*layers: Layer, inputs: int = 4, members: int = 1, seed: int = 0, dtype: type = np.float64) -> MLP:
    """A network with weights of a size that leaves no activation flat and biases that are not zero."""
    rng = np.random.default_rng(seed)
    architecture = Architecture(inputs, layers, members)
    made = MLP.initialized(architecture, INITIALIZERS["glorot_normal"](), rng=rng, dtype=dtype)
    for name, array in made.parameters.items():
        if name.endswith(".b"):
            array[:] = rng.normal(0, 0.3, array.shape)
    return made


def data(loss: str, *, rows: int = 12, inputs: int = 4, outputs: int = 3, seed: int = 1) -> tuple[Matrix, Matrix]:
    """Inputs and targets that the loss accepts."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, inputs))
    if loss == "categorical_cross_entropy":
        return X, rng.dirichlet(np.ones(outputs), rows)
    if loss == "binary_cross_entropy":
        return X, rng.random((rows, outputs))
    if loss == "poisson":
        return X, rng.poisson(2.0, (rows, outputs)).astype(float)
    return X, rng.normal(size=(rows, outputs))


def last_activation(loss: str) -> str:
    """The activation that the loss needs, or one that shows that any will do."""
    return LINKED.get(loss, "tanh")


def made_loss(name: str) -> Loss:
    """The loss with options away from their defaults."""
    options = {
        "huber": {"delta": 0.4},
        "quantile": {"quantile": 0.8},
        "binary_cross_entropy": {"label_smoothing": 0.1},
        "categorical_cross_entropy": {"label_smoothing": 0.1},
    }
    return LOSSES[name](**options.get(name, {}))


def _gelu(z: float) -> float:
    return 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


FORMULAS = {
    "relu": lambda z: max(z, 0.0),
    "leaky_relu": lambda z: z if z > 0 else 0.01 * z,
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "gelu": _gelu,
    "silu": lambda z: z / (1 + math.exp(-z)),
    "mish": lambda z: z * math.tanh(math.log(1 + math.exp(z))),
    "tanh": math.tanh,
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "identity": lambda z: z,
    "exp": math.exp,
}


def plain_infer(network: MLP, X: Matrix) -> Matrix:
    """Answer row by row and unit by unit, from the formulas."""
    rows = [[float(value) for value in row] for row in X]
    for index, layer in enumerate(network.architecture.layers):
        W = network.parameters[f"layers.{index}.W"]
        b = network.parameters[f"layers.{index}.b"] if layer.bias else np.zeros(layer.units)
        Z = [
            [sum(x * float(W[i, j]) for i, x in enumerate(row)) + float(b[j]) for j in range(layer.units)]
            for row in rows
        ]
        rows = [_activated(layer.activation, row) for row in Z]
    return np.array(rows)


def _activated(name: str, row: list[float]) -> list[float]:
    if name == "softmax":
        total = sum(map(math.exp, row))
        return [math.exp(z) / total for z in row]
    return [FORMULAS[name](z) for z in row]
