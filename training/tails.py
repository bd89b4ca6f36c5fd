"""Numbers a few of which lie far from all others."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["heavy_tail"]

TAIL = 10  # times the distance between the quantiles at 5 and 95 %


def heavy_tail(values: NDArray[Any]) -> str:
    """Say that some of the numbers, (rows,) without missing ones, lie far beyond the usual, or return nothing."""
    low, usual_low, usual_high, high = np.quantile(values.astype(np.float64), (0.0, 0.05, 0.95, 1.0)).tolist()
    reach = max(high - usual_high, usual_low - low)
    if usual_low < usual_high and reach > TAIL * (usual_high - usual_low):
        usual = f"nine in ten lie between {usual_low:.4g} and {usual_high:.4g}"
        return f"a heavy tail: {usual}, all between {low:.4g} and {high:.4g}"
    return ""
