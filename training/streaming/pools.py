"""The training rows of a fit that are more than memory holds: pools of shuffled blocks."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from network import Rows
from training.streaming.scratch import Packed, RowFile

__all__ = ["Pools", "Unpack"]

Matrix = NDArray[np.float32]
Unpack = Callable[[Packed], tuple[Matrix, Matrix]]
"""Turns packed rows into X, (rows, inputs), and Y, (rows, outputs), as the network takes them."""


class Pools:
    """`network.Parts` of a `RowFile`: in each epoch its blocks in a new order, so many at a time.

    The order follows from the seed and the epoch alone. The rows of a pool lie in one array, which the next pool
    overwrites; whoever steps through them shuffles them, and each batch is unpacked when its turn comes.
    """

    def __init__(self, file: RowFile, unpack: Unpack, *, rows: int, batch: int, shuffle: bool, seed: int) -> None:
        self._file = file
        self._unpack = unpack
        self._batch = batch
        self._shuffle = shuffle
        self._seed = seed
        self.count = -(-file.blocks // max(1, rows // file.block))
        self._room = np.empty((-(-file.blocks // self.count) * file.block, file.width))

    @property
    def sample(self) -> Matrix:
        """The inputs of the first block, (rows, inputs)."""
        return self._unpack(next(self._file.pieces(self._file.block)))[0]

    def of_epoch(self, epoch: int) -> Iterator[Rows]:
        """Fill and yield one pool after the other, all of about the same size."""
        order = np.arange(self._file.blocks)
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permutation(order)
        for blocks in np.array_split(order, self.count):
            packed = self._room[: self._load(blocks)]
            # The only batch of a pool is not gathered from it, so there the rows themselves are needed.
            yield _Packed(packed, self._unpack) if len(packed) > self._batch else Rows(*self._unpack(packed), None)

    def __len__(self) -> int:
        return self._file.rows

    def _load(self, blocks: NDArray[np.int64]) -> int:
        """Read blocks one after the other into the pool; return how many rows there are."""
        filled = 0
        for block in blocks.tolist():
            start = block * self._file.block
            end = filled + min(self._file.block, self._file.rows - start)
            self._file.read(start, self._room[filled:end])
            filled = end
        return filled


class _Packed(Rows):
    """Packed rows that look like the rows they stand for: what is gathered from them is unpacked on the way."""

    __slots__ = ("_packed", "_unpack")

    def __init__(self, packed: Packed, unpack: Unpack) -> None:
        X, Y = unpack(packed[:1])
        # Arrays of the right shape that take no memory: only `gather` brings values.
        super().__init__(
            np.broadcast_to(X, (len(packed), X.shape[1])), np.broadcast_to(Y, (len(packed), Y.shape[1])), None
        )
        self._packed = packed
        self._unpack = unpack

    def gather(self, indices: NDArray[np.intp], into: Rows) -> None:
        """Unpack the rows at ``indices`` into buffers."""
        into.X[...], into.Y[...] = self._unpack(self._packed.take(indices, 0))
