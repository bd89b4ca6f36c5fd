"""Rows as a request gave them: a matrix where all features are numbers, else the cells of each feature."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.cells import Cells

__all__ = ["Given", "row_count"]

Given = NDArray[Any] | Sequence[Cells]


def row_count(cells: Given) -> int:
    """Return how many rows there are."""
    return len(cells) if isinstance(cells, np.ndarray) else len(cells[0])
