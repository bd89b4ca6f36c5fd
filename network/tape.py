"""Operations bound to their arrays: a pass that is built once and played for every batch.

Looking up a function, turning a Python number into an array and allocating a result cost more than the arithmetic of
a small network. An operation that is bound does none of them when it is called.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["BLOCK", "Do", "Tape", "aligned", "blocks", "constant", "copied", "now", "product"]

Array = NDArray[np.floating]
Op = Callable[[], object]
Do = Callable[..., None]
"""Does an operation now, or writes it down: called with a function of NumPy, its inputs and ``out``."""

BLOCK = 2**16
"""Elements that are taken through all operations before the next: a block of some arrays fits a processor's cache."""

CACHE_LINE = 64
"""Bytes, as on every processor that this is likely to meet; another number would cost speed alone."""


def aligned(size: int, dtype: DTypeLike) -> Array:
    """Return zeros, (size,), that begin at a cache line: vector instructions that straddle two lines take longer."""
    dtype = np.dtype(dtype)
    room = np.zeros(size * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + size * dtype.itemsize].view(dtype)


def blocks(array: Array) -> list[Array]:
    """Cut a contiguous array into views of at most ``BLOCK`` elements, of one axis."""
    flat = array.reshape(-1)
    return [flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK)]


def constant(value: float, like: NDArray[Any]) -> NDArray[Any]:
    """Return an array of one number, not to be written, of the shape and type of another.

    NumPy compares two arrays in half the time that it takes to compare one with a number.
    """
    if like.size > BLOCK:
        return np.full_like(like, value)
    return _constants(value, like.dtype)[: like.size].reshape(like.shape)


@cache
def _constants(value: float, dtype: np.dtype[Any]) -> NDArray[Any]:
    made = np.full(BLOCK, value, dtype)
    made.flags.writeable = False
    return made


class Tape(list[Op]):
    """Operations in their order: calling the tape as one would the operation, with ``out``, writes it down."""

    def __call__(
        self, function: Callable[..., object], *inputs: NDArray[Any] | float, out: NDArray[Any], **options: Any
    ) -> None:
        """Write ``function(*inputs, out=out)`` down, numbers being made arrays of the type of ``out``."""
        arrays = [value if isinstance(value, np.ndarray) else np.array(value, out.dtype) for value in inputs]
        self.append(partial(function, *arrays, out=out, **options))

    def play(self) -> None:
        """Call one operation after the other."""
        for step in self:
            step()


def now(function: Callable[..., object], *inputs: NDArray[Any] | float, out: NDArray[Any], **options: Any) -> None:
    """Call the operation at once, where nothing is repeated."""
    function(*inputs, out=out, **options)


def product(A: Array, B: Array, out: Array) -> Op:
    """Return the matrix product, or a stack of them, to be made later; np.dot costs less a call than matmul."""
    return partial(np.dot if out.ndim == 2 else np.matmul, A, B, out)  # noqa: PLR2004 - a matrix


def copied(source: Array, *, out: Array) -> None:
    """Copy an array to all of another, which may be larger.

    An operation on arrays of two shapes would do the same in a buffer that it allocates for each call.
    """
    np.copyto(out, source)
