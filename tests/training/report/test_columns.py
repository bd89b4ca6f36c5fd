"""What the columns of the data hold."""

import numpy as np
import pytest

from training.report.columns import histogram


@pytest.mark.parametrize("numbers", [[0.0], [1e30, 1e30], [1.0, np.nextafter(1.0, 2)], [-1e300, -1e300]])
def test_numbers_too_near_for_bins_are_one_bin(numbers: list[float]) -> None:
    counts, edges = histogram(np.array(numbers), 10)
    assert counts.tolist() == [len(numbers)]
    assert edges[0] < min(numbers) <= max(numbers) < edges[1]


def test_bins_are_equal_and_hold_every_number() -> None:
    counts, edges = histogram(np.arange(100.0), 10)
    assert counts.tolist() == [10] * 10
    assert (edges[0], edges[-1]) == (0, 99)
