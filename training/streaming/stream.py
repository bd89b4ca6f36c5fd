"""Packed rows as what fitting and evaluating want of them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network import Loss, Parts
from network.losses import targets
from predictor import NumberOutputs
from training.errors import RecipeError
from training.memory import Budget
from training.prepared import Part, Prepared, Side
from training.recipe import Recipe
from training.streaming.coding import Coder
from training.streaming.pools import Pools, Unpack
from training.streaming.scratch import NUMBER_BYTES, Packed, RowFile
from training.targets import goal

__all__ = ["Stream"]

Matrix = NDArray[np.float32]
POOL = 0.4
MOST_POOLED = 2**20
PIECE_BYTES = 2**25
MOST_PIECE = 2**16


class Stream:
    """The rows of a table larger than memory, by part: see `training.prepared.Stream`."""

    def __init__(self, files: Mapping[Part, RowFile], coder: Coder, prepared: Prepared, recipe: Recipe) -> None:
        self.rows: Mapping[Part, int] = {part: file.rows for part, file in files.items()}
        self._files = files
        self._coder = coder
        self._prepared = prepared
        self._recipe = recipe
        self._budget = Budget.of(recipe.data.memory)

    def parts(self, loss: Loss, batch: int | None) -> Parts:
        """Return the training rows for a fit. Raises RecipeError where it needs all of them at once."""
        if batch is None:
            raise RecipeError("fit.batch_size: a table that is read in blocks needs batches, say 256, found 'full'")
        file = self._files["train"]
        rows = min(MOST_POOLED, self._budget.part(POOL) // (NUMBER_BYTES * file.width))
        settings = self._recipe.fit
        return Pools(file, self._unpack(loss), rows=rows, batch=batch, shuffle=settings.shuffle, seed=self._recipe.seed)

    def pieces(self, part: Part) -> Iterator[tuple[Matrix, NDArray[Any]]]:
        """Yield X, (some rows, width), and values, (some rows,), of a part, one piece after the other."""
        rows = min(MOST_PIECE, PIECE_BYTES // (4 * self._prepared.schema.width) + 1)
        for packed in self._files[part].pieces(rows):
            yield self._coder.encode(packed), self._values(packed)

    def side(self, part: Part) -> Side | None:
        """Return all rows of a part, which must be few; None when there are none."""
        pieces = list(self.pieces(part))
        if not pieces:
            return None
        X, values = (np.concatenate(arrays) for arrays in zip(*pieces, strict=True))
        return Side(np.arange(len(X)), X, self._y(values), values)

    def _values(self, packed: Packed) -> NDArray[Any]:
        values = packed[:, -1]
        return values.astype(np.int64) if self._prepared.problem.target.labels else values.copy()

    def _y(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as the loss takes them, in the same arithmetic as for a table in memory."""
        outputs = self._prepared.goal.outputs
        if isinstance(outputs, NumberOutputs):
            return ((values - outputs.offset[0]) / outputs.scale[0]).astype(np.float32)[:, None]
        target = replace(self._prepared.problem.target, values=values)
        return goal(target, self._recipe, np.arange(0)).y

    def _unpack(self, loss: Loss) -> Unpack:
        units = self._prepared.goal.layer.units
        labels = self._prepared.problem.target.labels
        codes = np.arange(len(labels))
        # What the loss makes of a class is the same for all its rows.
        table = targets(loss, self._y(codes), rows=len(codes), outputs=units, dtype=np.float32) if labels else None

        def unpack(packed: Packed) -> tuple[Matrix, Matrix]:
            if table is not None:
                return self._coder.encode(packed), table[packed[:, -1].astype(np.intp)]
            Y = targets(loss, self._y(packed[:, -1]), rows=len(packed), outputs=units, dtype=np.float32)
            return self._coder.encode(packed), Y

        return unpack
