"""The pass of an answer: rows cut into products of sizes that give each of them the same bits, layer by layer."""

from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from network.activations import ACTIVATIONS, Activation
from network.architecture import Architecture
from network.parameters import Parameters
from network.products import SIZES, Piece, Plan, cover, multiply, plan_for, single, widened

__all__ = ["Inference"]

Matrix = NDArray[np.floating]

CHUNK = 1024
"""Rows, of all members together, that go through all layers before the next: what lies between them stays small."""
FEWEST = 32
"""Rows of each member of a large ensemble that go through all layers together."""

FEW, WIDE = 8, 1024
"""Rows and units up to which what is the same for all rows is kept once for each."""


class _Dense(NamedTuple):
    """One layer: W (inner, columns), b (columns,), over members if there are any, and how to multiply.

    The first ``units`` columns are its own, the others, if it ``has_zeros``, are there for the kernel. Without them and
    with an activation that needs no room of its own it ``is_plain``.
    """

    W: Matrix
    b: Matrix | None
    activation: Activation
    is_plain: bool
    has_zeros: bool
    units: int
    plan: Plan


class _Cutting(NamedTuple):
    """How many rows are computed, with those of zeros, and the products of each layer; None for a single plain one.

    ``biases`` are those of the layers once for each row, where that is worth it.
    """

    rows: int
    products: tuple[tuple[Piece, ...] | None, ...]
    biases: tuple[Matrix | None, ...]


class Inference:
    """Answers rows with the parameters of a network, as they are at the time of the call.

    Takes up to ``chunk`` rows of ``inputs`` numbers of the type ``dtype``. Holds for this process alone: what it knows
    of products it has tried here.
    """

    def __init__(self, architecture: Architecture, parameters: Parameters, *, batch_invariant: bool) -> None:
        self.inputs, self.dtype = architecture.inputs, parameters.dtype
        self.chunk = max(FEWEST, CHUNK // architecture.members)
        indices = range(len(architecture.layers))
        layers = [_layer(architecture, parameters, index, batch_invariant=batch_invariant) for index in indices]
        # Parameters that may change are widened anew for each answer; those of a loaded model may not.
        self._is_settled = not parameters.flat.flags.writeable or not any(layer.has_zeros for layer in layers)
        self._layers = tuple(map(_wide, layers)) if self._is_settled else tuple(layers)
        fixed = tuple(None if parameters.flat.flags.writeable else layer.b for layer in self._layers)
        # Of the plans alone: a method would keep the network, which it holds, from being freed at once.
        self._cutting = lru_cache(self.chunk + 1)(
            partial(_cut, tuple(layer.plan for layer in layers), fixed, parameters.flat.size)
        )

    def answer(self, X: Matrix, last: Activation) -> Matrix:
        """Return the outputs, (rows, outputs) or (members, rows, outputs), with ``last`` for the last activation."""
        count = len(X)
        rows, products, biases = self._cutting(count)
        A = X if rows == count and X.flags.c_contiguous else _padded(X, rows)
        layers = self._layers if self._is_settled else tuple(map(_wide, self._layers))
        for layer, pieces, bias in zip(layers[:-1], products, biases, strict=False):
            W, b, activation, is_plain = layer[:4]
            A = single(A, W) if pieces is None else multiply(A, W, pieces)
            if bias is not None:
                A += bias
            elif b is not None:
                A += b
            if is_plain:
                activation.apply(A, A)
            else:
                A = _activated(layer, A)
        layer, pieces = layers[-1], products[-1]
        Z = single(A, layer.W) if pieces is None else multiply(A, layer.W, pieces)
        return _last(layer, Z if rows == count else Z[..., :count, :], last)


def _padded(X: Matrix, rows: int) -> Matrix:
    """Return so many rows side by side: X, then zeros. Few are cleared faster than they are told apart."""
    count, width = X.shape
    if rows <= FEWEST:
        A = np.zeros((rows, width), X.dtype)
    else:
        A = np.empty((rows, width), X.dtype)
        A[count:] = 0
    A[:count] = X
    return A


def _cut(plans: tuple[Plan, ...], fixed: tuple[Matrix | None, ...], weights: int, count: int) -> _Cutting:
    sizes = tuple(size for size in SIZES if all(plan.holds(size) for plan in plans))
    if not sizes:
        return _Cutting(count, (None,) * len(plans), (None,) * len(plans))
    pieces = cover(count, sizes, weights)
    rows = sum(pieces)
    cuts = [plan.cut(pieces) for plan in plans]
    biases = tuple(None if b is None else _for_each(b, rows) for b in fixed)
    return _Cutting(rows, tuple(None if _is_plain(cut, rows) else cut for cut in cuts), biases)


def _for_each(b: Matrix, rows: int) -> Matrix | None:
    """Return a bias once for each of a few rows: NumPy adds two arrays of one shape in half the time."""
    if rows > FEW or b.size > WIDE:
        return None
    return np.broadcast_to(b, (*b.shape[:-2], rows, b.shape[-1])).copy()


def _is_plain(cut: tuple[Piece, ...], rows: int) -> bool:
    return cut[0].size == rows and not cut[0].cuts


def _layer(architecture: Architecture, parameters: Parameters, index: int, *, batch_invariant: bool) -> _Dense:
    layer = architecture.layers[index]
    W, b = parameters[f"layers.{index}.W"], parameters.get(f"layers.{index}.b")
    if architecture.members > 1 and b is not None:  # over (members, rows, units)
        b = b[:, np.newaxis]
    plan = plan_for(W.shape[-2], layer.units, W.dtype) if batch_invariant else Plan(layer.units)
    activation = ACTIVATIONS[layer.activation]
    has_zeros = plan.columns != layer.units
    is_plain = not (has_zeros or activation.keeps_input)
    return _Dense(W, b, activation, is_plain, has_zeros, layer.units, plan)


def _wide(layer: _Dense) -> _Dense:
    if not layer.has_zeros:
        return layer
    b = None if layer.b is None else widened(layer.b, layer.plan.columns)
    return layer._replace(W=widened(layer.W, layer.plan.columns), b=b)


def _activated(layer: _Dense, Z: Matrix) -> Matrix:
    """Return the activations of a hidden layer, (..., rows, units); Z becomes scratch.

    What is done to each element is done to the columns of zeros, too: contiguous memory is faster.
    """
    if layer.has_zeros and not layer.activation.is_elementwise:
        Z = Z[..., : layer.units]
    A = np.empty_like(Z) if layer.activation.keeps_input else Z
    layer.activation.apply(Z, A)
    return A[..., : layer.units] if layer.has_zeros else A


def _last(layer: _Dense, Z: Matrix, activation: Activation) -> Matrix:
    """Return the activations of the last layer, (..., rows, units), for Z = A W, which becomes scratch."""
    if layer.b is not None:
        Z += layer.b
    if layer.has_zeros:
        Z = np.ascontiguousarray(Z[..., : layer.units])
    A = np.empty_like(Z) if activation.keeps_input else Z
    activation.apply(Z, A)
    return A
