"""The pictures of a report: what is written in them can be read."""

import re
from itertools import pairwise

import numpy as np
import pytest

from training.report.pictures import residual_svg

WIDEST = 6.5  # points of a figure at the size of the labels


@pytest.mark.parametrize("scale", [1e-3, 1.0, 5e5, 5e8])
def test_numbers_below_the_residuals_stand_apart(scale: float) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, scale, 500)
    picture = residual_svg(values, values + rng.normal(0, 0.2 * scale, 500), part="test").decode()
    ticks = re.findall(r'text-anchor: middle[^>]*" x="([0-9.]+)" y="([0-9.]+)"[^>]*>([^<]*)</text>', picture)
    assert ticks
    for height in {y for _, y, _ in ticks}:
        line = [(float(x), len(text) * WIDEST) for x, y, text in ticks if y == height]
        gaps = [right - left - (w + v) / 2 for (left, w), (right, v) in pairwise(line)]
        assert all(gap > 0 for gap in gaps), line
