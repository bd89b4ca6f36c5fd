"""The multilayer perceptron as a value: an architecture with its parameters, ready to answer."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from network.activations import ACTIVATIONS, Activation
from network.architecture import Architecture
from network.ensemble import MEAN_LOGITS, Join, mean, one
from network.errors import ShapeError
from network.inference import Inference
from network.initializers import Initializer
from network.parameters import Parameters

__all__ = ["MLP"]

Matrix = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class MLP:
    """Dense layers over a batch: A = activation(X W + b), layer by layer; of an ensemble the mean over its members.

    Safe to share between threads: nothing of a call is kept. Raises ShapeError when the parameters are not those of the
    architecture. Unless ``batch_invariant``, which it is by default, a row's last bits may depend on the rows that it
    arrives with, and one row alone costs less.
    """

    architecture: Architecture
    parameters: Parameters
    batch_invariant: bool = True
    _inference: list[Inference] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        expected = self.architecture.shapes()
        for name in [*expected, *self.parameters]:
            actual = self.parameters[name].shape if name in self.parameters else None
            if actual != expected.get(name):
                raise ShapeError(name, expected=str(expected.get(name, "no such array")), actual=actual)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """Leave behind what holds for this process alone."""
        return MLP, (self.architecture, self.parameters, self.batch_invariant)

    @classmethod
    def initialized(
        cls,
        architecture: Architecture,
        initializer: Initializer,
        *,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> "MLP":
        """Draw the weights of every layer in order, and in it of every member, from ``rng``; biases are zero."""
        parameters = Parameters.zeros(architecture, dtype)
        for weights in parameters.weights():
            fan_in, fan_out = weights.shape[-2:]
            for W in weights if architecture.members > 1 else [weights]:
                W[:] = initializer.draw((fan_in, fan_out), rng=rng)
        return cls(architecture, parameters)

    def member(self, index: int) -> "MLP":
        """Return one network of an ensemble, with parameters of its own."""
        alone = replace(self.architecture, members=1)
        if self.architecture.members == 1:
            return MLP(alone, self.parameters.copy())
        arrays = {name: array[index] for name, array in self.parameters.items()}
        return MLP(alone, Parameters.from_arrays(alone, arrays))

    def infer(self, X: ArrayLike, out: Matrix | None = None) -> Matrix:
        """Return the activations of the last layer, (rows, outputs), for inputs (rows, inputs).

        The result has the type of the parameters; it is written into ``out`` where one is given. A row's answer has
        the same bits whatever rows it arrives with. Values beyond the type's range become infinite or not a number.
        Raises ShapeError for inputs of another width.
        """
        last = ACTIVATIONS[self.architecture.layers[-1].activation]
        return self._answer(X, out, mean if self.architecture.members > 1 else one, last)

    def logits(self, X: ArrayLike, out: Matrix | None = None) -> Matrix:
        """Return what ``infer`` does without the activation of the last layer.

        Of an ensemble: what softmax, sigmoid or exp as the last activation would turn into the mean of the answers,
        and before any other activation the mean.
        """
        last = self.architecture.layers[-1].activation
        if self.architecture.members == 1:
            return self._answer(X, out, one, ACTIVATIONS["identity"])
        return self._answer(X, out, MEAN_LOGITS.get(last, mean), ACTIVATIONS["identity"])

    @np.errstate(over="ignore", invalid="ignore")
    def _answer(self, X: ArrayLike, out: Matrix | None, joined: Join, last: Activation) -> Matrix:
        inference = self._inference[0] if self._inference else self._ready()
        X = np.asarray(X, inference.dtype)
        if X.ndim != 2 or X.shape[1] != inference.inputs:  # noqa: PLR2004 - a matrix
            raise ShapeError("X", expected=f"(rows, {inference.inputs})", actual=X.shape)
        rows, chunk = len(X), inference.chunk
        if rows <= chunk and out is None:
            return joined(inference.answer(X, last))
        if out is None:
            out = np.empty((rows, self.architecture.outputs), X.dtype)
        for start in range(0, rows, chunk):
            out[start : start + chunk] = joined(inference.answer(X[start : start + chunk], last))
        return out

    def _ready(self) -> Inference:
        """Return what answers, made for the first answer: a network that only trains needs none."""
        self._inference.append(Inference(self.architecture, self.parameters, batch_invariant=self.batch_invariant))
        return self._inference[0]
