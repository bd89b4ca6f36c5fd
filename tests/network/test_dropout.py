"""Dropout masks: as often zero as they should be, each element for itself."""

import numpy as np
import pytest

from network.dropout import drawn_mask
from network.tape import Tape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("dropout", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_an_element_is_dropped_with_the_probability_asked_for(dropout: float, dtype: type) -> None:
    tape = Tape()
    like: np.ndarray = np.empty((301, 333), dtype)
    mask = drawn_mask(like, dropout, rng=np.random.default_rng(0), tape=tape)
    assert (mask.shape, mask.dtype) == (like.shape, like.dtype)
    drawn = []
    for _ in range(10):
        tape.play()
        drawn.append(mask.copy())
    several = np.array(drawn)
    assert set(np.unique(several).tolist()) == {0.0, float(np.array(1 / (1 - dropout), dtype))}
    deviation = (dropout * (1 - dropout) / several.size) ** 0.5
    assert abs((several == 0).mean() - dropout) < 4 * deviation
    for part in (several[..., ::2], several[..., 1::2], several[::2], several[:, 1::2]):
        assert abs((part == 0).mean() - dropout) < 5.5 * deviation


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_elements_are_dropped_independently(dtype: type) -> None:
    tape = Tape()
    mask = drawn_mask(np.empty((1000, 400), dtype), 0.5, rng=np.random.default_rng(0), tape=tape)
    tape.play()
    before = mask.ravel() > 0
    tape.play()
    first = mask.ravel() > 0
    pairs = {
        "neighbours": (first[:-1], first[1:]),
        "halves of a draw": (first[::2], first[1::2]),
        "draws": (first[:-2], first[2:]),
        "rows": (first[:-400], first[400:]),
        "masks": (before, first),
    }
    for name, (one, other) in pairs.items():
        assert abs(np.corrcoef(one, other)[0, 1]) < 4.5 / len(one) ** 0.5, name


def test_the_same_generator_gives_the_same_mask() -> None:
    def drawn() -> bytes:
        tape = Tape()
        mask = drawn_mask(np.empty((7, 9), np.float32), 0.3, rng=np.random.default_rng(5), tape=tape)
        tape.play()
        return mask.tobytes()

    assert drawn() == drawn()
