"""How the answers of an ensemble's members, (members, rows, outputs), become one, (rows, outputs).

Members are added one after the other, so that a row's answer has the same bits whatever rows it arrives with.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEAN_LOGITS", "Join", "mean", "one"]

Array = NDArray[np.floating]
Join = Callable[[Array], Array]


def one(A: Array) -> Array:
    """Return the answers of a network that is alone as they are."""
    return A


def mean(A: Array) -> Array:
    """Return the mean over the members; a reduction would add in an order that depends on the shape."""
    total: Array = A[0].copy()
    for member in A[1:]:
        total += member
    total *= A.dtype.type(1 / len(A))
    return total


def _log_mean(L: Array) -> Array:
    """Return the logarithm of the mean of exp(L) over the members."""
    total: Array = L[0].copy()
    for member in L[1:]:
        np.logaddexp(total, member, out=total)
    total -= L.dtype.type(np.log(len(L)))
    return total


def _of_softmax(Z: Array) -> Array:
    """Return the logarithm of the mean probability of each class."""
    L = Z - np.maximum.reduce(Z, axis=-1, keepdims=True)
    L -= np.log(np.add.reduce(np.exp(L), axis=-1, keepdims=True))
    return _log_mean(L)


def _of_sigmoid(Z: Array) -> Array:
    """Return log(p / (1 - p)) of the mean probability p."""
    zero = Z.dtype.type(0)
    return _log_mean(-np.logaddexp(zero, -Z)) - _log_mean(-np.logaddexp(zero, Z))


MEAN_LOGITS: Mapping[str, Join] = {"softmax": _of_softmax, "sigmoid": _of_sigmoid, "exp": _log_mean}
"""What the activation of this name turns into the mean of the members' answers, from their logits."""
