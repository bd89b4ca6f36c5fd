"""The multilayer perceptron as a value: an architecture with its parameters, ready to answer."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from network.activations import ACTIVATIONS, Activation
from network.architecture import Architecture
from network.ensemble import MEAN_LOGITS, Join, mean, one
from network.errors import ShapeError
from network.initializers import Initializer
from network.parameters import Parameters

__all__ = ["MLP"]

Matrix = NDArray[np.floating]

TILE = 32
"""Rows of every matrix product while answering.

A BLAS chooses its kernel, and with it the order of its sums, by the shape of a product. With one shape whatever the
batch, a row's answer has the same bits alone and among others. 32 rows cost a single row little more than 8 would,
and large batches little more than one product over all rows.
"""
CHUNK = 128 * TILE
"""Rows, of all members together, that go through all layers before the next: what lies between them stays small."""


@dataclass(frozen=True, eq=False)
class MLP:
    """Dense layers over a batch: A = activation(X W + b), layer by layer; of an ensemble the mean over its members.

    Safe to share between threads: nothing is kept between calls. Raises ShapeError when the parameters are not those
    of the architecture.
    """

    architecture: Architecture
    parameters: Parameters
    _dense: tuple[tuple[Matrix, Matrix | None, Activation], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        expected = self.architecture.shapes()
        for name in [*expected, *self.parameters]:
            actual = self.parameters[name].shape if name in self.parameters else None
            if actual != expected.get(name):
                raise ShapeError(name, expected=str(expected.get(name, "no such array")), actual=actual)
        object.__setattr__(self, "_dense", tuple(self._layer(i) for i in range(len(self.architecture.layers))))

    def _layer(self, index: int) -> tuple[Matrix, Matrix | None, Activation]:
        W, b = self.parameters[f"layers.{index}.W"], self.parameters.get(f"layers.{index}.b")
        if self.architecture.members > 1:  # over (members, tiles, TILE, units)
            W, b = W[:, None], None if b is None else b[:, None, None]
        return W, b, ACTIVATIONS[self.architecture.layers[index].activation]

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
        return self._answer(X, out, mean if self.architecture.members > 1 else one, self._dense[-1][2])

    def logits(self, X: ArrayLike, out: Matrix | None = None) -> Matrix:
        """Return what ``infer`` does without the activation of the last layer.

        Of an ensemble: what softmax, sigmoid or exp as the last activation would turn into the mean of the answers,
        and before any other activation the mean.
        """
        last = self.architecture.layers[-1].activation
        if self.architecture.members == 1:
            return self._answer(X, out, one, ACTIVATIONS["identity"])
        return self._answer(X, out, MEAN_LOGITS.get(last, mean), ACTIVATIONS["identity"])

    def _answer(self, X: ArrayLike, out: Matrix | None, joined: Join, last: Activation) -> Matrix:
        X = np.asarray(X, self.parameters.dtype)
        if X.ndim != 2 or X.shape[1] != self.architecture.inputs:  # noqa: PLR2004 - a matrix
            raise ShapeError("X", expected=f"(rows, {self.architecture.inputs})", actual=X.shape)
        rows = len(X)
        chunk = max(TILE, CHUNK // self.architecture.members // TILE * TILE)
        with np.errstate(over="ignore", invalid="ignore"):
            if rows <= chunk and out is None:
                return joined(self._tiles(X, last))
            if out is None:
                out = np.empty((rows, self.architecture.outputs), self.parameters.dtype)
            for start in range(0, rows, chunk):
                out[start : start + chunk] = joined(self._tiles(X[start : start + chunk], last))
        return out

    def _tiles(self, X: Matrix, last: Activation) -> Matrix:
        """Answer some rows, padded with zeros to whole tiles; (members, rows, outputs) for an ensemble."""
        rows, inputs = X.shape
        members = self.architecture.members
        tiles = -(-rows // TILE)
        A = X
        if rows != tiles * TILE or not X.flags.c_contiguous:
            A = np.zeros((tiles * TILE, inputs), X.dtype)
            A[:rows] = X
        if tiles != 1 or members != 1:  # a stack of products, (tiles, TILE, units)
            A = A.reshape(tiles, TILE, inputs)
        for W, b, activation in self._dense[:-1]:
            A = np.matmul(A, W)
            if b is not None:
                A += b
            Z, A = A, np.empty_like(A) if activation.keeps_input else A
            activation.apply(Z, A)
        W, b, _ = self._dense[-1]
        Z = np.matmul(A, W)
        if b is not None:
            Z += b
        Z = Z.reshape(-1, W.shape[-1])[:rows] if members == 1 else Z.reshape(members, -1, W.shape[-1])[:, :rows]
        A = np.empty_like(Z) if last.keeps_input else Z
        last.apply(Z, A)
        return A
