"""Rows as a request gave them: a matrix where all features are numbers, else the cells of each feature."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.cells import Cells

__all__ = ["Given", "listed", "row_count"]

Given = NDArray[Any] | Sequence[Cells]


def row_count(cells: Given) -> int:
    """Return how many rows there are."""
    return len(cells) if isinstance(cells, np.ndarray) else len(cells[0])


def listed(column: Cells) -> list[Any]:
    """Return the cells of a feature as Python's objects; what is missing among numbers is NaN or None."""
    return column.tolist() if isinstance(column, np.ndarray) else list(column)
