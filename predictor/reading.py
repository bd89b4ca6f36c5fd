"""The cells of rows read as numbers, positions of categories and moments: at once, or block by block."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from predictor.cells import Cells, category_codes, moments, numbers
from predictor.errors import InputError
from predictor.features import CategoricalFeature, DateFeature, Feature
from predictor.issues import Issues
from predictor.numeric import Numeric

__all__ = ["Given", "Pause", "Read", "Reader", "column_blocks", "is_many", "row_blocks"]

Given = NDArray[np.float64] | Sequence[Cells]
"""Cells: a matrix of numbers, (rows, features), NaN for missing, or a sequence (rows,) for each feature."""
Pause = Callable[[], None]
"""Called between two blocks of many rows: a service that answers others beside them has a turn in between."""

FEW_ROWS = 2048
BLOCK_CELLS, WIDE_ROWS, MOST_ROWS = 8192, 256, 1024
"""The size of a block, and its rows, at least and at most: a column of fewer cells costs more than they do."""


class Read(NamedTuple):
    """What cells say.

    `values` are the numbers, (rows, numeric features), NaN where missing. `codes` and `moments` are the columns of
    categories and dates, (rows,), by the place of the feature. `cells` are all of them as they were given.
    """

    values: NDArray[np.float64]
    codes: Mapping[int, NDArray[np.intp]]
    moments: Mapping[int, NDArray[np.float64]]
    cells: Given


def is_many(rows: object) -> TypeGuard[list[Any]]:
    """Tell whether rows, or the cells of a column, are so many that they are worth reading in blocks."""
    return isinstance(rows, list) and len(rows) > FEW_ROWS


def row_blocks(
    rows: list[Any], width: int, pause: Pause, columns_of: Callable[[list[Any]], list[Cells]]
) -> Iterator[list[Cells]]:
    """Yield the columns of one block of rows after the other; InputError of all rows when `columns_of` refuses some."""
    for some in _spans(len(rows), width, pause):
        try:
            columns = columns_of(rows[some])
        except InputError:
            columns_of(rows)
            raise
        yield columns


def column_blocks(columns: Sequence[Cells], pause: Pause) -> Iterator[list[Cells]]:
    """Yield one block of rows after the other."""
    for some in _spans(len(columns[0]), len(columns), pause):
        yield [column[some] for column in columns]


def _spans(rows: int, width: int, pause: Pause) -> Iterator[slice]:
    step = max(WIDE_ROWS, min(MOST_ROWS, BLOCK_CELLS // width))
    for start in range(0, rows, step):
        yield slice(start, start + step)
        pause()


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the cells of features, of which some are numeric."""

    features: Sequence[Feature]
    numeric: Numeric

    def read(self, columns: Sequence[Cells], issues: Issues, warnings: Issues, first: int = 0) -> Read:
        """Read columns and note faults and warnings, in rows that are counted from `first`."""
        indices = self.numeric.indices
        values = np.empty((len(columns[0]), len(indices)))
        for position, index in enumerate(indices):
            values[:, position] = numbers(columns[index], index, issues, first=first)
        codes: dict[int, NDArray[np.intp]] = {}
        when: dict[int, NDArray[np.float64]] = {}
        if len(indices) < len(self.features):
            for index, feature in enumerate(self.features):
                if isinstance(feature, CategoricalFeature):
                    codes[index] = category_codes(columns[index], feature, index, issues, warnings, first=first)
                elif isinstance(feature, DateFeature):
                    when[index] = moments(columns[index], feature, index, issues, first=first)
        return Read(values, codes, when, columns)

    def read_blocks(self, blocks: Iterable[Sequence[Cells]], issues: Issues, warnings: Issues) -> Read:
        """Read blocks of rows one after the other.

        Nothing is kept of the objects that were given but dates, and texts that are no category: numbers are kept in
        arrays, and a category as the text that the model has of it. To free objects takes as long as to make them.
        """
        parts: list[Read] = []
        numbers: list[NDArray[np.float64]] = []
        rows = 0
        for columns in blocks:
            part = self.read(columns, issues, warnings, rows)
            rows += len(columns[0])
            # Of arrays no garbage is looked for, of hundreds of tuples it is: in all of the columns' cells, too.
            if len(self.numeric.indices) == len(self.features):
                numbers.append(part.values)
            else:
                parts.append(self._compact(part))
        if parts:
            return _joined(parts)
        values = np.concatenate(numbers)
        return Read(values, {}, {}, values)

    def _compact(self, part: Read) -> Read:
        cells = list(part.cells)
        for position, index in enumerate(self.numeric.indices):
            cells[index] = part.values[:, position]
        for index, codes in part.codes.items():
            texts = cast("CategoricalFeature", self.features[index]).categories
            given = zip(cells[index], codes.tolist(), strict=True)
            cells[index] = [texts[code] if code >= 0 and type(cell) is str else cell for cell, code in given]
        return part._replace(cells=cells)


def _joined(parts: Sequence[Read]) -> Read:
    values = np.concatenate([part.values for part in parts])
    codes = {index: np.concatenate([part.codes[index] for part in parts]) for index in parts[0].codes}
    when = {index: np.concatenate([part.moments[index] for part in parts]) for index in parts[0].moments}
    return Read(values, codes, when, list(map(_column, zip(*(part.cells for part in parts), strict=True))))


def _column(blocks: Sequence[Cells]) -> Cells:
    return np.concatenate(blocks) if isinstance(blocks[0], np.ndarray) else list(chain.from_iterable(blocks))
