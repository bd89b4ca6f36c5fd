"""The order in which a fit sees rows: each as likely as any other, and as cheap for a row of many as of few.

Exchanges (Fisher and Yates) reach anywhere in their array for every number: once that is larger than the caches, each
waits for memory. Sorting by random digits reads and writes from one end to the other.
"""

import numpy as np
from numpy.typing import NDArray

from network.tape import BLOCK

__all__ = ["LARGE", "shuffle", "shuffle_by_digits", "shuffle_by_exchanges", "write_in_order"]

LARGE = 2**19
"""Rows from which on digits are drawn and sorted, which takes less time there where NumPy sorts by vector instructions.

Part of what a seed means: another number gives larger tables another order.
"""

DIGITS = 64
"""Binary digits of what is sorted: the lower ones hold the row, the others what it drew."""

Order = NDArray[np.int64]


def write_in_order(order: Order) -> None:
    """Write 0, 1, ... into ``order``, (rows,), and allocate nothing."""
    order.fill(1)
    order[0] = 0
    np.add.accumulate(order, out=order)


def shuffle(order: Order, rng: np.random.Generator) -> None:
    """Write 0, 1, ... into ``order``, (rows,), in a random order, by the way that is faster for so many."""
    if len(order) < LARGE:
        shuffle_by_exchanges(order, rng)
    else:
        shuffle_by_digits(order, rng)


def shuffle_by_exchanges(order: Order, rng: np.random.Generator) -> None:
    """Shuffle by exchanging every number with one that is not after it."""
    write_in_order(order)
    rng.shuffle(order)


def shuffle_by_digits(order: Order, rng: np.random.Generator, digits: int = DIGITS) -> None:
    """Shuffle by sorting rows by what they drew, then those among themselves that drew the same.

    Rao (1961), Sandelius (1962), with so many digits drawn at once that of ten million rows some 40 pairs are the same.
    """
    keys, low = order.view(np.uint64), (len(order) - 1).bit_length()
    for start in range(0, len(keys), BLOCK):
        part = keys[start : start + BLOCK]
        drawn = rng.integers(2 ** (digits - low), size=len(part), dtype=np.uint64)
        np.left_shift(drawn, np.uint64(low), out=drawn)
        np.add(drawn, np.arange(start, start + len(part), dtype=np.uint64), out=part)
    keys.sort()
    runs = _runs(keys, low)
    np.bitwise_and(keys, np.uint64(2**low - 1), out=keys)
    for first, last in runs:
        rng.shuffle(order[first : last + 1])


def _runs(keys: NDArray[np.uint64], low: int) -> list[tuple[int, int]]:
    """Return the first and the last of every run of sorted numbers that differ in their ``low`` bits alone."""
    limit, found = np.uint64(2**low), []
    for start in range(0, len(keys), BLOCK):
        part = keys[start : start + BLOCK + 1]
        found.append(np.flatnonzero((part[1:] ^ part[:-1]) < limit) + start)
    alike = np.concatenate(found)
    is_first = np.diff(alike, prepend=-2) > 1
    is_last = np.diff(alike, append=len(keys) + 1) > 1
    return list(zip(alike[is_first].tolist(), (alike[is_last] + 1).tolist(), strict=True))
