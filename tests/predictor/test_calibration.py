"""Split-conformal thresholds and their coverage."""

from dataclasses import replace

import numpy as np
import pytest

from network import Architecture, Layer
from predictor import Calibration, load_bytes, save_bytes
from tests.predictor.models import flowers, houses, mlp


@pytest.mark.parametrize(
    ("part", "threshold"), [(0.5, 5.0), (0.8, 8.0), (0.81, 9.0), (0.9, 9.0), (0.91, None), (0.05, 1.0)]
)
def test_the_threshold_is_the_order_statistic_of_one_row_more(part: float, threshold: float | None) -> None:
    assert Calibration.of(np.arange(9.0, 0, -1)).threshold(part) == threshold


@pytest.mark.parametrize("part", [0.5, 0.8, 0.9, 0.95])
def test_new_rows_stay_under_the_threshold_as_often_as_asked(part: float) -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(400):
        threshold = Calibration.of(rng.exponential(size=99)).threshold(part)
        assert threshold is not None
        held.append(np.mean(rng.exponential(size=100) <= threshold))
    assert np.mean(held) == pytest.approx(part, abs=0.01)


def test_of_very_many_scores_the_first_are_kept() -> None:
    assert len(Calibration.of(np.random.default_rng(0).random(10_000)).scores) == 2000


@pytest.mark.parametrize("scores", [(), (-1.0,), (2.0, 1.0), (float("nan"),)])
def test_scores_that_cannot_be_are_refused(scores: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="scores"):
        Calibration(scores)


def test_scores_may_be_alike_and_are_kept_as_floats() -> None:
    calibration = Calibration((0, float(np.float32(0.5)), 0.5))
    assert calibration.scores == (0.0, 0.5, 0.5)
    assert {type(score) for score in calibration.scores} == {float}


def test_a_calibration_survives_the_file() -> None:
    for predictor in (houses(), flowers()):
        calibrated = replace(predictor, calibration=Calibration((0.1, 0.25)))
        assert load_bytes(save_bytes(calibrated), "x").calibration == calibrated.calibration


def test_outputs_that_have_no_score_are_not_calibrated() -> None:
    network = mlp(Architecture(2, (Layer(3, "identity"),)))
    with pytest.raises(ValueError, match="calibration: needs probabilities, or one number"):
        replace(flowers(), network=network, calibration=Calibration((0.1,)))
