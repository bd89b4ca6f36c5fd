"""Forward and backward through a network, over buffers that are allocated once."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from network.activations import ACTIVATIONS, Activation
from network.architecture import Architecture, Layer
from network.losses import Loss, name_of, targets
from network.mlp import MLP
from network.parameters import Parameters

__all__ = ["Batch", "Passes", "Rows", "loss_and_gradients"]

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

    def first(self, rows: int) -> "Rows":
        """Return views on the first ``rows``."""
        return Rows(self.X[:rows], self.Y[:rows], None if self.weight is None else self.weight[:rows])

    def gather(self, indices: NDArray[np.intp], into: "Rows") -> None:
        """Copy the rows at ``indices`` into buffers; mode "clip" is what lets ``take`` write there directly."""
        self.X.take(indices, axis=0, out=into.X, mode="clip")
        self.Y.take(indices, axis=0, out=into.Y, mode="clip")
        if self.weight is not None and into.weight is not None:
            self.weight.take(indices, out=into.weight, mode="clip")


class Passes:
    """The buffers of one fit for batches of at most ``rows`` rows, and the batches of each size that view them."""

    def __init__(self, architecture: Architecture, parameters: Parameters, gradients: Parameters, rows: int) -> None:
        dtype = parameters.dtype
        self.architecture = architecture
        self.parameters = parameters
        self.gradients = gradients
        # One buffer a layer and purpose: a prefix of it is contiguous for any number of rows.
        self._layers = [_Buffers(layer, rows, dtype) for layer in architecture.layers]
        self._ones = np.ones(rows, dtype)

    def batch(self, data: Rows, loss: Loss, rng: np.random.Generator | None) -> "Batch":
        """Return the passes over ``data``, whose arrays may be filled anew between two evaluations."""
        rows = len(data)
        final = len(self._layers) - 1
        layers: list[_DensePass] = []
        X = data.X
        for index, buffers in enumerate(self._layers):
            fused = index == final and loss.link is not None
            activation = ACTIVATIONS["identity" if fused else self.architecture.layers[index].activation]
            layer = _DensePass(
                index,
                self,
                X=X,
                dX=layers[-1].dA if layers else None,
                activation=activation,
                buffers=buffers.first(rows),
                ones=self._ones[:rows],
                rng=rng,
            )
            layers.append(layer)
            X = layer.output
        return Batch(data, loss, layers, self._ones[:rows])


class Batch:
    """One forward and one backward pass over a batch of a fixed number of rows."""

    def __init__(self, data: Rows, loss: Loss, layers: "list[_DensePass]", ones: Vector) -> None:
        self.data = data
        self._loss = loss
        self._layers = layers
        self._backwards = layers[::-1]
        self._last = layers[-1]
        self._share = 1 / len(data)
        self._ones = ones

    def evaluate(self) -> float:
        """Return the mean loss of the batch; its gradients by all parameters are in place afterwards."""
        for layer in self._layers:
            layer.forward()
        last = self._last
        dA = last.dA
        losses = self._loss.rows(last.output, self.data.Y, dA)
        weight = self.data.weight
        if weight is None:
            loss = float(losses.dot(self._ones))
        else:
            loss = float(losses.dot(weight))
            np.multiply(dA, weight[:, None], out=dA)
        np.multiply(dA, self._share, out=dA)
        for layer in self._backwards:
            layer.backward()
        return loss * self._share


class _Buffers:
    """The arrays of one layer, (rows, units) each; those that a layer does not need are views on others, or none."""

    def __init__(self, layer: Layer, rows: int, dtype: np.dtype[np.floating]) -> None:
        shape = (rows, layer.units)
        self.dropout = layer.dropout
        self.Z: Matrix = np.empty(shape, dtype)
        self.A: Matrix = np.empty(shape, dtype) if ACTIVATIONS[layer.activation].keeps_input else self.Z
        self.dA: Matrix = np.empty(shape, dtype)
        self.mask: Matrix | None = np.empty(shape, dtype) if layer.dropout else None
        self.dropped: Matrix | None = np.empty(shape, dtype) if layer.dropout else None

    def first(self, rows: int) -> "_Buffers":
        view = object.__new__(_Buffers)
        view.dropout = self.dropout
        view.Z, view.dA = self.Z[:rows], self.dA[:rows]
        view.A = view.Z if self.A is self.Z else self.A[:rows]
        view.mask = None if self.mask is None else self.mask[:rows]
        view.dropped = None if self.dropped is None else self.dropped[:rows]
        return view


class _DensePass:
    """One dense layer over one batch: every view that a step needs, made once."""

    __slots__ = (
        "A",
        "W",
        "WT",
        "X",
        "XT",
        "Z",
        "activation",
        "b",
        "dA",
        "dW",
        "dX",
        "db",
        "dropout",
        "dropped",
        "mask",
        "ones",
        "output",
        "rng",
    )

    def __init__(
        self,
        index: int,
        passes: Passes,
        *,
        X: Matrix,
        dX: Matrix | None,
        activation: Activation,
        buffers: _Buffers,
        ones: Vector,
        rng: np.random.Generator | None,
    ) -> None:
        parameters, gradients = passes.parameters, passes.gradients
        self.X, self.XT, self.dX = X, X.T, dX
        self.W = parameters[f"layers.{index}.W"]
        self.WT = self.W.T
        self.b = parameters.get(f"layers.{index}.b")
        self.dW = gradients[f"layers.{index}.W"]
        self.db = gradients.get(f"layers.{index}.b")
        self.activation = activation
        self.Z, self.A, self.dA = buffers.Z, buffers.A, buffers.dA
        self.mask, self.dropped, self.dropout = buffers.mask, buffers.dropped, buffers.dropout
        self.ones = ones
        self.rng = rng
        self.output = self.A if self.dropped is None else self.dropped

    def forward(self) -> None:
        """Compute the outputs from X; np.dot costs less a call than matmul, and for single rows far less."""
        np.dot(self.X, self.W, out=self.Z)
        if self.b is not None:
            np.add(self.Z, self.b, out=self.Z)
        self.activation.forward(self.Z, self.A)
        if self.mask is not None:
            self._drop(self.mask)

    def backward(self) -> None:
        """Turn dA into the gradients by W, b and, unless this is the first layer, X."""
        dZ = self.dA
        if self.mask is not None:
            np.multiply(dZ, self.mask, out=dZ)
        self.activation.backward(dZ, self.Z, self.A)
        np.dot(self.XT, dZ, out=self.dW)
        if self.db is not None:
            np.dot(self.ones, dZ, out=self.db)
        if self.dX is not None:
            np.dot(dZ, self.WT, out=self.dX)

    def _drop(self, mask: Matrix) -> None:
        """Drop outputs and scale those kept by 1 / (1 - dropout), "inverted" (Srivastava et al., 2014, section 10)."""
        if self.rng is None:
            mask.fill(1)
        else:
            self.rng.random(out=mask, dtype=mask.dtype)
            np.greater_equal(mask, self.dropout, out=mask)
            np.multiply(mask, 1 / (1 - self.dropout), out=mask)
        np.multiply(self.A, mask, out=self.output)


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
    passes = Passes(mlp.architecture, mlp.parameters, mlp.parameters.like(), len(X))
    return passes.batch(Rows(X, Y, weight), loss, rng).evaluate(), passes.gradients


def check_link(architecture: Architecture, loss: Loss) -> None:
    """Raise ValueError when a loss is fused with another activation than the last layer's."""
    found = architecture.layers[-1].activation
    if loss.link is not None and found != loss.link:
        raise ValueError(f"{name_of(loss)} needs the activation {loss.link} in the last layer, found {found}")
