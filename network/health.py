"""What can go wrong inside a fit, said in plain words with the remedy."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from network.activations import ACTIVATIONS
from network.architecture import Layer
from network.errors import DivergenceError
from network.mlp import MLP
from network.parameters import Parameters

__all__ = ["Health", "check_loss"]

Matrix = NDArray[np.floating]

SAMPLE = 1024
MOST = 0.9
REMEDY = "lower the learning rate or use he_normal"


def check_loss(loss: float, *, epoch: int, rate: float) -> None:
    """Raise DivergenceError when a loss is not a finite number."""
    if not math.isfinite(loss):
        raise DivergenceError(
            f"the loss became {loss} in epoch {epoch}: lower the learning rate (it was {rate:g}), "
            "clip the gradients (clip_norm) or standardise the inputs"
        )


class Health:
    """Watches for relu units that no row activates any more: no gradient reaches them, so they stay so."""

    def __init__(self, mlp: MLP, gradients: Parameters, X: Matrix) -> None:
        self._mlp = mlp
        self._sample = X[:: max(1, len(X) // SAMPLE)]
        self._is_at_risk = any(layer.activation == "relu" for layer in mlp.architecture.layers[:-1])
        # A layer whose units are all inactive lets no gradient pass to the layers before it, the first one included.
        self._first = gradients["layers.0.W"]
        self._since: dict[int, int] = {}

    def observe(self, epoch: int) -> None:
        """Look at the last gradients of an epoch; only when none reaches the first layer, look at the units."""
        if not self._is_at_risk or self._first.any():
            return
        dead = {index for index, counted in self._inactive().items() if counted == self._units(index)}
        self._since = {index: self._since.get(index, epoch) for index in sorted(dead)}

    def state(self) -> dict[str, int]:
        """Return since which epoch each layer that is dead now has been so, by its position."""
        return {str(index): epoch for index, epoch in self._since.items()}

    def restore(self, state: Mapping[str, int]) -> None:
        """Remember what another of the same fit had seen."""
        self._since = {int(index): epoch for index, epoch in state.items()}

    def warnings(self) -> tuple[str, ...]:
        """Return a sentence for every layer in which nine in ten units or more are inactive at the end."""
        if not self._is_at_risk:
            return ()
        sentences = []
        for index, counted in self._inactive().items():
            units = self._units(index)
            if counted == units:
                since = f" since epoch {self._since[index]}" if index in self._since else ""
                sentences.append(f"all {units} units of layer {index} are inactive{since}: {REMEDY}")
            elif counted >= MOST * units:
                sentences.append(f"{counted} of {units} units of layer {index} are inactive: {REMEDY}")
        return tuple(sentences)

    def _units(self, index: int) -> int:
        architecture = self._mlp.architecture
        return architecture.members * architecture.layers[index].units

    def _inactive(self) -> dict[int, int]:
        """Count the units of each hidden relu layer that no row of the sample activates."""
        layers, parameters = self._mlp.architecture.layers, self._mlp.parameters
        counts: dict[int, int] = {}
        A = self._sample
        for index, layer in enumerate(layers[:-1]):
            A = _activations(A, layer, parameters, index)
            if layer.activation == "relu":
                counts[index] = int(np.count_nonzero(A.max(axis=-2) <= 0))
        return counts


def _activations(X: Matrix, layer: Layer, parameters: Parameters, index: int) -> Matrix:
    Z: Matrix = X @ parameters[f"layers.{index}.W"]
    if layer.bias:
        Z += parameters[f"layers.{index}.b"][..., None, :]
    A = np.empty_like(Z)
    ACTIVATIONS[layer.activation].apply(Z, A)
    return A
