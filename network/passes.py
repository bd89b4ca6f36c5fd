"""Forward and backward through a network: one tape of operations over buffers that are allocated once.

Rows are the last axis of everything between the inputs and the loss, (units, rows): a bias is then one more row of
ones under the layer's input, what is done to each element runs over contiguous memory, and reductions over the units
of a row are vector operations. The members of an ensemble lie side by side, (units, members x rows).
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from network.activations import ACTIVATIONS
from network.architecture import Architecture, Layer
from network.dropout import drawn_mask
from network.losses import Loss, name_of, record, targets
from network.mlp import MLP
from network.parameters import Parameters
from network.tape import Tape, blocks, copied, product

__all__ = ["Batch", "Rows", "check_link", "loss_and_gradients"]

Matrix = NDArray[np.floating]
Vector = NDArray[np.floating]


class Rows:
    """Inputs X, (rows, inputs), targets Y, (rows, outputs), and weights with a mean of one, (rows,), or none."""

    __slots__ = ("X", "Y", "weight")

    def __init__(self, X: Matrix, Y: Matrix, weight: Vector | None) -> None:
        self.X = X
        self.Y = Y
        self.weight = weight

    def __len__(self) -> int:
        return len(self.X)

    def room(self, rows: int) -> "Rows":
        """Return buffers for batches of ``rows`` of these."""
        weight = None if self.weight is None else np.empty(rows, self.weight.dtype)
        return Rows(
            np.empty((rows, self.X.shape[1]), self.X.dtype), np.empty((rows, self.Y.shape[1]), self.Y.dtype), weight
        )

    def gather(self, indices: NDArray[np.intp], into: "Rows") -> None:
        """Copy the rows at ``indices`` into buffers; mode "clip" is what lets ``take`` write there directly."""
        self.X.take(indices, 0, into.X, "clip")
        self.Y.take(indices, 0, into.Y, "clip")
        if self.weight is not None and into.weight is not None:
            self.weight.take(indices, 0, into.weight, "clip")


class Batch:
    """One forward and one backward pass over a batch of a fixed number of rows, for every member of the network.

    `load` or `gather` brings the rows, `evaluate` computes. The losses of the members are added up, so that each moves
    as it would alone. Outputs are dropped only with an ``rng``.
    """

    def __init__(
        self,
        mlp: MLP,
        gradients: Parameters,
        rows: int,
        loss: Loss,
        *,
        is_weighted: bool,
        rng: np.random.Generator | None = None,
    ) -> None:
        architecture, dtype = mlp.architecture, mlp.parameters.dtype
        self._shape = architecture.members, rows
        columns = architecture.members * rows
        self._losses = np.empty(columns, dtype)
        self._shares = np.full(columns, 1 / rows, dtype)
        self._scale = np.empty((architecture.outputs if is_weighted else 0, columns), dtype)
        self._source = np.ones((architecture.inputs + 1, rows), dtype)
        self._Y = np.empty((architecture.outputs, columns), dtype)
        self._room: Rows | None = None
        self._fill = Tape()
        layers = _layers(mlp, gradients, self._source, loss, rng)
        last = layers[-1]
        self._tape = tape = Tape()
        for layer in layers:
            layer.forward(tape)
        record(loss, last.out.T, self._Y.T, last.dA.T, self._losses, tape=tape)
        tape(np.multiply, last.dA, self._scale if is_weighted else 1 / rows, out=last.dA)
        for layer in reversed(layers):
            layer.backward(tape)

    def gather(self, data: Rows, indices: NDArray[np.intp]) -> None:
        """Take the rows of ``data`` at ``indices``, as many as the batch has."""
        if self._room is None:
            self._room = data.room(len(indices))
            self._fill = self._loading(self._room)
        data.gather(indices, into=self._room)
        self._fill.play()

    def load(self, data: Rows) -> None:
        """Take the rows of ``data``, all of them."""
        self._loading(data).play()

    def _loading(self, data: Rows) -> Tape:
        """Return what lays rows out as the passes read them: rows last, targets and weights for every member."""
        members, rows = self._shape
        tape = Tape()
        tape(copied, data.X.T, out=self._source[:-1])
        tape(copied, data.Y.T[:, None], out=self._Y.reshape(-1, members, rows))
        if data.weight is not None:
            shares = self._shares.reshape(members, rows)
            tape(np.multiply, data.weight, 1 / rows, out=shares[0])
            tape(copied, shares[0], out=shares[1:])
            tape(copied, self._shares, out=self._scale)
        return tape

    def evaluate(self) -> float:
        """Return the mean loss of the batch; its gradients by all parameters are in place afterwards."""
        self._tape.play()
        return float(self._losses.dot(self._shares)) / self._shape[0]


def _layers(
    mlp: MLP, gradients: Parameters, source: Matrix, loss: Loss, rng: np.random.Generator | None
) -> "list[_Dense]":
    """Return the layers from the first to the last, each reading what the one before it writes."""
    members, rows = mlp.architecture.members, source.shape[1]
    made: list[_Dense] = []
    for index, layer in enumerate(mlp.architecture.layers):
        is_fused = loss.link is not None and index == len(mlp.architecture.layers) - 1
        kind = replace(layer, activation="identity") if is_fused else layer
        dense = _Dense(kind, (members, rows), mlp.parameters.dense[index], gradients.dense[index], rng)
        dense.read(made[-1].room if made else source, made[-1].dA if made else None)
        made.append(dense)
    return made


class _Dense:
    """One dense layer over one batch: the arrays that it writes and what each pass does to them."""

    def __init__(
        self,
        layer: Layer,
        shape: tuple[int, int],
        weights: Matrix,
        gradients: Matrix,
        rng: np.random.Generator | None,
    ) -> None:
        self._members, self._rows = shape
        self._weights = weights
        self._gradients = gradients
        self._activation = ACTIVATIONS[layer.activation]
        self._dropout = layer.dropout
        self._rng = rng if layer.dropout else None
        self.room = np.ones((layer.units + 1, self._members * self._rows), weights.dtype)
        self.out = self.room[:-1]
        self.dA = np.empty_like(self.out)
        self._A = self.out if self._rng is None else np.empty_like(self.out)
        self._Z = np.empty_like(self.out) if self._activation.keeps_input else self._A
        self._mask: Matrix | None = None

    def read(self, room: Matrix, dX: Matrix | None) -> None:
        """Take the inputs from ``room``, above a row of ones for the bias, and give their gradient to ``dX``."""
        self._source = room[: self._weights.shape[-2]]
        self._dX = dX

    def forward(self, tape: Tape) -> None:
        """Write down what computes the outputs from the inputs."""
        tape.append(product(self._weights.swapaxes(-1, -2), self._cube(self._source), self._cube(self._Z)))
        parts = self._parts(self._Z)
        for Z, A in zip(parts, parts if self._A is self._Z else self._parts(self._A), strict=True):
            self._activation.forward(Z, A, tape)
        if self._rng is not None:
            self._mask = drawn_mask(self.out, self._dropout, rng=self._rng, tape=tape)
            tape(np.multiply, self._A, self._mask, out=self.out)

    def backward(self, tape: Tape) -> None:
        """Write down what turns dA into the gradients by W, b and, unless this is the first layer, the inputs."""
        dZ = self.dA
        if self._mask is not None:
            tape(np.multiply, dZ, self._mask, out=dZ)
        for dA, Z, A in zip(*map(self._parts, (dZ, self._Z, self._A)), strict=True):
            self._activation.backward(dA, Z, A, tape)
        tape.append(product(self._cube(self._source), self._cube(dZ).swapaxes(-1, -2), self._gradients))
        if self._dX is not None:
            W = self._weights[..., : len(self._dX), :]
            tape.append(product(W, self._cube(dZ), self._cube(self._dX)))

    def _parts(self, array: Matrix) -> list[Matrix]:
        """Cut an array into what the activation takes at a time: blocks, or all of it, rows first."""
        return blocks(array) if self._activation.is_elementwise else [array.T]

    def _cube(self, array: Matrix) -> Matrix:
        """View an array of every member's rows as a stack of the members' matrices; inputs are common to them."""
        if self._members == 1 or array.shape[1] == self._rows:
            return array
        return array.reshape(len(array), self._members, self._rows).swapaxes(0, 1)


def loss_and_gradients(
    mlp: MLP,
    loss: Loss,
    X: Matrix,
    y: NDArray[np.generic],
    *,
    sample_weight: Vector | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[float, Mapping[str, Matrix]]:
    """Return the mean loss over a batch and its gradients by every parameter, by name.

    X is (rows, inputs), y (rows, outputs) or what `fit` takes; the loss of row i counts ``sample_weight[i]`` times, as
    it is. Outputs are dropped only with an ``rng``. Raises ShapeError and ValueError as `fit` does.
    """
    check_link(mlp.architecture, loss)
    dtype = mlp.parameters.dtype
    X = np.ascontiguousarray(X, dtype)
    Y = targets(loss, y, rows=len(X), outputs=mlp.architecture.outputs, dtype=dtype)
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype)
    gradients = mlp.parameters.like()
    batch = Batch(mlp, gradients, len(X), loss, is_weighted=weight is not None, rng=rng)
    batch.load(Rows(X, Y, weight))
    return batch.evaluate(), gradients


def check_link(architecture: Architecture, loss: Loss) -> None:
    """Raise ValueError when a loss is fused with another activation than the last layer's."""
    found = architecture.layers[-1].activation
    if loss.link is not None and found != loss.link:
        raise ValueError(f"{name_of(loss)} needs the activation {loss.link} in the last layer, found {found}")
