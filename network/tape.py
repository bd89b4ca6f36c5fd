"""Operations bound to their arrays: a pass that is built once and played for every batch.

Looking up a function, turning a Python number into an array and allocating a result cost more than the arithmetic of
a small network. An operation that is bound does none of them when it is called.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Op", "bound", "play", "product", "spread"]

Array = NDArray[np.floating]
Op = Callable[[], object]


def bound(ufunc: Callable[..., object], *inputs: NDArray[Any] | float, out: NDArray[Any], **options: Any) -> Op:
    """Return ``ufunc(*inputs, out=out)`` to be called later, numbers being made arrays of the type of ``out``."""
    arrays = [value if isinstance(value, np.ndarray) else np.array(value, out.dtype) for value in inputs]
    return partial(ufunc, *arrays, out=out, **options)


def product(A: Array, B: Array, out: Array) -> Op:
    """Return the matrix product, or a stack of them, to be made later; np.dot costs less a call than matmul."""
    return partial(np.dot if out.ndim == 2 else np.matmul, A, B, out)  # noqa: PLR2004 - a matrix


def spread(column: Array, out: Array) -> Op:
    """Return the copying of an array to all of a larger one, to be made later.

    An operation on arrays of both shapes would do the same in a buffer that it allocates for each call.
    """
    return partial(np.copyto, out, column)


def play(tape: Iterable[Op]) -> None:
    """Call one operation after the other."""
    for step in tape:
        step()
