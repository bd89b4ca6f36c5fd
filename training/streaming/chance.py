"""Chance by position: a number for every row of a table that depends on nothing but the row's place and a seed."""

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["uniform"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
MANTISSA_BITS = 53


def uniform(positions: NDArray[np.int64], *, seed: int, purpose: str) -> NDArray[np.float64]:
    """Return a number from 0 to below 1 for every position, (rows,): SplitMix64 (Steele et al., 2014).

    Numbers for one purpose say nothing about those for another.
    """
    key = hashlib.blake2b(f"{purpose} {seed}".encode(), digest_size=8).digest()
    z = positions.astype(np.uint64) * GOLDEN + np.frombuffer(key, "<u8")[0]
    z = (z ^ (z >> np.uint64(30))) * FIRST
    z = (z ^ (z >> np.uint64(27))) * SECOND
    z ^= z >> np.uint64(31)
    chances: NDArray[np.float64] = (z >> np.uint64(64 - MANTISSA_BITS)).astype(np.float64) * 2.0**-MANTISSA_BITS
    return chances
