"""Matrix products whose rows have the same bits however many rows there are.

A BLAS chooses its kernel, and with it the order of its sums, by the shape of a product, and a kernel may take the rows
at its end otherwise than those before. Which numbers of rows give a row the same bits, wherever it stands, is a
property of the shape of the weights, of the processor and of the library. So `plan_for` finds it out by trying, once a
process for each shape and type: products of many sizes in which the rows stand in other places and among others,
compared bit by bit. A batch is then cut into pieces of such sizes. Three ways lead to them:

- as it is: many shapes have the same bits from two or four rows on;
- with columns of zeros up to a multiple of 16: kernels sum the columns that are left over in an order of their own;
- in blocks of the inner dimension, for few rows: where a kernel for many rows sums block by block, one for few rows
  that takes the same blocks one after the other has its bits, and costs a fraction of it.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIZES", "Piece", "Plan", "cover", "multiply", "plan_for", "single", "widened"]

Matrix = NDArray[np.floating]

SIZES = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Rows of the products that are tried."""
USUAL = (32, 8, 48, 16, 4, 2)
"""Rows of the products that the others are compared with: of the first for which the place of a row does not matter."""
ROWS = 32
"""Different rows that are tried; and of a product where nothing is known."""
FEW = 16
"""Rows up to which a product in blocks may be faster than a whole one."""
PACKING, CALLING = 24, 2**19
"""Rows that cost what a product costs to pack its weights, and weights of a network that cost what its calls do."""
WIDTH = 16
"""Columns that every kernel takes at a time, or a multiple of what it takes."""
DEPTHS = (448, 384, 320, 256, 512, 640, 768, 352, 240, 224, 192, 128)
"""Lengths of an inner block that kernels are known to use."""
MOST_WORK = 2**29
"""Multiplications of the largest product that is tried: about ten milliseconds. Fewer rows pack weights more often."""
MOST_VALUES = 2**22
"""Numbers in the inputs and outputs of a product that is tried."""
FILLED = 2**14
"""Numbers of a product that to fill with zeros first costs more than a call with more to decide."""
COMPARED = 2048
"""Values of each size that are compared at least."""
EACH = 16
"""Values of each place in a product that are compared at least."""
SHIFT = 13
"""Places by which the rows are moved for the comparison: into every part of what kernels take at a time."""
PERIOD = 65521
"""Different numbers in the weights that are tried; a prime, so that no two columns or rows are equal."""
SMALL, LARGE = 2**16, 2**22
"""Weights of a layer between which few rows are tried in blocks: fewer cost little, more are bound by memory."""


class Piece(NamedTuple):
    """Rows that are multiplied ``size`` at a time, block by block at ``cuts`` if there are any."""

    rows: slice
    size: int
    cuts: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """How products with weights of one shape are made: their columns, numbers of rows, and inner blocks.

    ``columns`` counts those of zeros. Products of any of the ``sizes``, ascending, give a row the same bits; no sizes
    mean that any number of rows will do. Products of the sizes ``in_blocks`` are made block by block, at ``cuts``.
    """

    columns: int
    sizes: tuple[int, ...] = ()
    cuts: tuple[int, ...] = ()
    in_blocks: frozenset[int] = frozenset()

    def holds(self, rows: int) -> bool:
        """Tell whether rows, at least 1, can be cut into products of these sizes, and not into many small ones."""
        parts = self._parts(rows)
        return sum(parts) == rows and len(parts) <= rows // self.sizes[-1] + 2

    def cut(self, pieces: tuple[int, ...]) -> tuple[Piece, ...]:
        """Cut pieces of rows that it ``holds``, one after the other, into products; equal neighbours are one piece."""
        found: list[Piece] = []
        start = 0
        for size, run in groupby(part for piece in pieces for part in self._parts(piece)):
            stop = start + size * len(list(run))
            found.append(Piece(slice(start, stop), size, self.cuts if size in self.in_blocks else ()))
            start = stop
        return tuple(found)

    def _parts(self, rows: int) -> list[int]:
        parts: list[int] = []
        for size in reversed(self.sizes):
            parts += [size] * ((rows - sum(parts)) // size)
        return parts


def cover(rows: int, sizes: tuple[int, ...], weights: int) -> tuple[int, ...]:
    """Return which of some sizes, ascending, hold so many rows at about the least cost, in descending order.

    ``weights`` are those of the network, of which a row costs the more the more there are.
    """
    most, rest = divmod(rows, sizes[-1])
    overhead = max(PACKING, CALLING // weights)
    return (sizes[-1],) * most + (_cover(rest, sizes, overhead) if rest or not most else ())


def _cover(rows: int, sizes: tuple[int, ...], overhead: int) -> tuple[int, ...]:
    place = bisect_left(sizes, rows)
    if place == 0 or sizes[place] == rows:
        return (sizes[place],)
    several = (sizes[place - 1], *_cover(rows - sizes[place - 1], sizes, overhead))
    return several if sum(several) + overhead * len(several) < sizes[place] + overhead else (sizes[place],)


def multiply(A: Matrix, W: Matrix, pieces: tuple[Piece, ...]) -> Matrix:
    """Return A W, (..., rows, columns), for A (..., rows, inner) and W (..., inner, columns), piece by piece."""
    Z = np.empty((*W.shape[:-2], A.shape[-2], W.shape[-1]), W.dtype)
    for rows, size, cuts in pieces:
        part, out = A[..., rows, :], Z[..., rows, :]
        if part.shape[-2] == size:
            _product(part, W, cuts, out)
        else:
            _product(_stacked(part, size), W[..., np.newaxis, :, :], cuts, _stacked(out, size))
    return Z


def _stacked(A: Matrix, size: int) -> Matrix:
    """Return rows in stacks of some size, (..., stacks, size, columns), without a copy."""
    return A.reshape(*A.shape[:-2], -1, size, A.shape[-1])


def single(A: Matrix, W: Matrix, out: Matrix | None = None) -> Matrix:
    """Return A W by one call of the BLAS, or of a stack of matrices one for each.

    ``dot`` takes two thirds of the time of ``matmul`` for small matrices, but fills the product with zeros first, and
    copies matrices with gaps between rows.
    """
    if W.ndim == 2 and A.flags.c_contiguous and A.shape[0] * W.shape[1] < FILLED:  # noqa: PLR2004 - a matrix
        return np.dot(A, W, out=out)
    return np.matmul(A, W, out=out)


def _product(A: Matrix, W: Matrix, cuts: tuple[int, ...], out: Matrix | None = None) -> Matrix:
    if not cuts:
        return single(A, W, out)
    Z = np.matmul(A[..., : cuts[1]], W[..., : cuts[1], :], out=out)
    for start, stop in pairwise(cuts[1:]):
        Z += np.matmul(A[..., start:stop], W[..., start:stop, :])
    return Z


def widened(W: Matrix, columns: int) -> Matrix:
    """Return W, (..., columns), with columns of zeros; itself when it has enough."""
    if W.shape[-1] == columns:
        return W
    wide = np.zeros((*W.shape[:-1], columns), W.dtype)
    wide[..., : W.shape[-1]] = W
    return wide


@cache
def plan_for(inner: int, columns: int, dtype: np.dtype[np.floating]) -> Plan:
    """Find out how to multiply by weights (inner, columns): in some milliseconds, once a process.

    Whatever is measured on the way decides between equal bits only, so that they are those of every process.
    """
    if ROWS * (inner + columns + WIDTH) > MOST_VALUES:
        return Plan(columns, (ROWS,))
    bare = _Trial(inner, columns, columns, dtype)
    wide = -(-columns // WIDTH) * WIDTH
    if wide == columns or bare.is_enough:
        return bare.plan()
    return max(bare, _Trial(inner, columns, wide, dtype), key=lambda trial: trial.rank).plan()


class _Trial:
    """Products of all sizes with some weights of one shape."""

    def __init__(self, inner: int, columns: int, width: int, dtype: np.dtype[np.floating]) -> None:
        rng = np.random.default_rng(0)
        self.inner, self.columns, self.width = inner, columns, width
        self.largest = max(*USUAL, min(MOST_WORK // (inner * width), MOST_VALUES // (inner + width)))
        values = rng.uniform(-1, 1, PERIOD).astype(dtype)
        W = np.resize(values, (max(1, COMPARED // (ROWS * columns)), inner, columns))
        self.cases = [(rng.uniform(-1, 1, (ROWS, inner)).astype(dtype), widened(one, width)) for one in W]
        self.expected: list[Matrix] = []
        has_settled = any(self._settles(size) for size in USUAL)
        self.whole = [size for size in SIZES if has_settled and size <= self.largest and self._agrees(size)]
        self.cuts = next((cuts for cuts in self._blocks() if has_settled and self._agrees(4, cuts)), ())
        self.blocked = [size for size in SIZES if size <= FEW and self.cuts and self._agrees(size, self.cuts)]

    @property
    def is_enough(self) -> bool:
        """Whether little is left to win: few rows, and many, of weights that are small."""
        is_small = self.inner * self.columns <= SMALL
        return is_small and bool(self.whole) and self.whole[0] <= 4 and self.whole[-1] > ROWS  # noqa: PLR2004

    @property
    def rank(self) -> tuple[int, int]:
        """The more, the better."""
        return len({*self.whole, *self.blocked}), len(self.blocked)

    def plan(self) -> Plan:
        """Choose the fastest of what has equal bits; the usual size, without a promise, where nothing has."""
        if not self.whole:
            return Plan(self.width, (ROWS,))
        faster = [size for size in self.blocked if size not in self.whole or self._is_faster(size)]
        largest = self._fastest(self.whole)
        sizes = tuple(sorted(size for size in {*self.whole, *faster} if size <= largest))
        return Plan(self.width, sizes, self.cuts if faster else (), frozenset(faster))

    def _settles(self, size: int) -> bool:
        """Take what products of this size give as expected; tell whether it depends on the place of a row."""
        order = np.arange(max(size, ROWS)) % ROWS
        self.expected = [
            (X[order].reshape(-1, size, self.inner) @ W).reshape(-1, self.width)[:ROWS] for X, W in self.cases
        ]
        return self._agrees(size)

    def _agrees(self, size: int, cuts: tuple[int, ...] = ()) -> bool:
        """Tell whether every value has the usual bits in products of so many rows, which stand in other places."""
        tiles = -(-COMPARED // (size * self.columns))
        each = min(tiles, max(1, ROWS // size))  # of one case; the rest are of others
        order = (np.arange(each * size) + SHIFT) % ROWS
        needed = max(-(-tiles // each), -(-EACH // self.columns))
        for (X, W), expected in zip(self.cases[:needed], self.expected, strict=False):
            parts = X[order].reshape(each, size, self.inner)
            found = np.concatenate([_product(part, W, cuts) for part in parts])
            if not np.array_equal(found, expected[order]):
                return False
        return True

    def _blocks(self) -> Iterator[tuple[int, ...]]:
        """Yield the ways in which kernels are known to divide the inner dimension."""
        if not SMALL < self.inner * self.width <= LARGE:
            return
        seen: set[tuple[int, ...]] = {(0, self.inner)}
        for depth in DEPTHS:
            cuts = [0]
            while cuts[-1] < self.inner:
                rest = self.inner - cuts[-1]
                half = -(-(rest // 2) // WIDTH) * WIDTH
                cuts.append(cuts[-1] + (depth if rest >= 2 * depth else half if rest > depth else rest))
            if tuple(cuts) not in seen:
                seen.add(tuple(cuts))
                yield tuple(cuts)

    def _is_faster(self, size: int) -> bool:
        """Tell whether blocks save a fifth."""
        return self._least_s(size, self.cuts) < 0.8 * self._least_s(size)

    def _fastest(self, sizes: list[int]) -> int:
        """Return the largest of the sizes that take the least time for each row, or hardly more.

        That is of few weights: from some number of rows on a kernel may pack them. To pack many pays the more the more
        rows there are.
        """
        if self.inner * self.width > SMALL:
            return max(sizes)
        taken = {size: self._least_s(size) / size for size in sizes[-8:]}
        least = min(taken.values())
        return max(size for size in taken if taken[size] < 1.05 * least)

    def _least_s(self, size: int, cuts: tuple[int, ...] = ()) -> float:
        X, W = self.cases[0]
        X = np.resize(X, (size, self.inner))
        taken = []
        for _ in range(2):
            started = time.perf_counter()
            _product(X, W, cuts)
            taken.append(time.perf_counter() - started)
        return min(taken)
