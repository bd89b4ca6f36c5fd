"""Dropout masks from few random numbers: two elements of float32 take the bits of one draw."""

import numpy as np
from numpy.typing import NDArray

from network.tape import Tape

__all__ = ["drawn_mask"]

Matrix = NDArray[np.floating]

DRAW_BITS = 52
HALF_BITS = 20
"""Random bits in each half of a float64 of [1, 2): the upper half holds its sign and exponent, too."""


def drawn_mask(like: Matrix, dropout: float, *, rng: np.random.Generator, tape: Tape) -> Matrix:
    """Return a mask of the shape and type of an array, and write down what draws it anew from ``rng``.

    An element is 0 with the probability ``dropout``, rounded to a millionth, else 1 / (1 - dropout): "inverted" dropout
    (Srivastava et al., 2014, section 10). In [1, 2) all floats have the same exponent, and the bits of their
    fractions are independent. A threshold is added to so many of these that the carry says whether to keep, and the
    carry is multiplied by the bits of the float that it stands for.
    """
    bits = HALF_BITS if like.dtype.itemsize == 4 else DRAW_BITS  # noqa: PLR2004 - bytes of a float32
    draws = np.empty(-(-like.nbytes // 8))
    words = draws.view(f"u{like.dtype.itemsize}")
    kept = np.array(1 / (1 - dropout), like.dtype)
    tape(rng.random, out=draws)
    tape(np.add, draws, 1, out=draws)
    tape(np.bitwise_and, words, 2**bits - 1, out=words)
    tape(np.add, words, 2**bits - round(dropout * 2**bits), out=words)
    tape(np.right_shift, words, bits, out=words)
    tape(np.multiply, words, kept.view(words.dtype), out=words)
    return words[: like.size].view(like.dtype).reshape(like.shape)
