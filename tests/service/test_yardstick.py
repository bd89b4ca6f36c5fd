"""How far two versions are apart by their predictions of the same rows, and which limits that breaks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from predictor import ClassOutputs, Histogram, NumberOutputs, NumericFeature, Reference, Schema
from service.observer import Judged
from service.versions.verdicts import Breach, Figures, Limits, Live, Tally
from service.versions.yardstick import IncomparableError, Shift, Yardstick
from tests.service import models

LIMITS = Limits(window_s=60, answers=100)
NUMBER = Schema((NumericFeature("x", low=0.0, high=1.0),))
EVEN = np.repeat(np.eye(3), 50, axis=0)  # fifty rows of each class


def price(reference: Reference | None = None, target: str = "y") -> Any:
    network = models.network_of(1, (1,), "identity", 0)
    made = models.predictor_of(NUMBER, network, NumberOutputs((target,), (10.0,), (2.0,)), [[0.5]])
    return replace(made, reference=reference)


def test_the_same_predictions_are_no_shift_and_no_difference() -> None:
    yardstick = Yardstick(models.flowers(1), models.flowers(2))
    apart, counts = yardstick.count(EVEN, EVEN)
    assert (apart, counts.tolist()) == (0.0, [50] * 6)
    assert yardstick.shift(counts).psi == 0.0


def test_classes_of_either_version_have_a_bin_each() -> None:
    one = models.flowers(1)
    other = replace(one, outputs=ClassOutputs(("rose", "setosa", "virginica"), "species"))
    yardstick = Yardstick(one, other)
    apart, counts = yardstick.count(EVEN, EVEN)
    # Ours say setosa, versicolor, virginica; theirs rose, setosa, virginica.
    assert (apart, counts.tolist()) == (100.0, [50, 50, 50, 0, 50, 0, 50, 50])
    psi = yardstick.shift(counts).psi
    assert psi is not None
    assert psi > 1


def test_numbers_are_apart_in_scales_of_the_target() -> None:
    yardstick = Yardstick(price(), price())
    A = np.zeros((60, 1))
    apart, counts = yardstick.count(A + 0.5, A)
    assert apart == pytest.approx(30.0)
    assert counts.sum() == 120
    assert yardstick.count(A + 1e6, A)[0] == pytest.approx(300.0), "a row may add no more than five"


def test_a_shift_is_told_beside_that_from_training() -> None:
    trained = price(Reference(100, (0,), values=(Histogram((8.0, 10.0, 12.0), (50, 50)),)))
    half = np.repeat([[-0.5], [0.5]], 50, axis=0)
    one, both = np.full((100, 1), 0.5), Yardstick(trained, price())
    as_trained = both.shift(both.count(half, one)[1])
    assert as_trained.psi is not None
    assert as_trained.psi > 1
    assert as_trained.own == pytest.approx(0.0, abs=1e-9)
    elsewhere = both.shift(both.count(one, half)[1])
    assert elsewhere.own is not None
    assert elsewhere.own > 1


def test_versions_that_speak_of_different_things_cannot_be_compared() -> None:
    for one, two in ((price(), price(target="z")), (price(), models.flowers())):
        A = np.zeros((1, one.network.architecture.layers[-1].units))
        B = np.zeros((1, two.network.architecture.layers[-1].units))
        with pytest.raises(IncomparableError):
            Yardstick(one, two).count(A, B)


def live(rows: int, loss: float, loss_beside: float, *, is_classes: bool = True) -> Live:
    return Live(rows, 1000, loss, loss_beside, is_classes)


def test_feedback_is_read_as_losses() -> None:
    ours, theirs = Judged(rows=10, correct=4, error=5.0), Judged(rows=100, correct=90, error=20.0)
    assert Live.of(ours, theirs, is_classes=True) == Live(10, 100, 0.6, 0.1, is_classes=True)
    assert Live.of(ours, theirs, is_classes=False) == Live(10, 100, 0.5, 0.2, is_classes=False)
    assert Live.of(Judged(), Judged(), is_classes=True).loss == 0.0


def figures(**said: Any) -> Figures:
    usual = Figures(1000, 0.0, 0.0, 0.0, Shift(0.0, 0.1, 0.0), 0.0)
    return usual._replace(**said)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, None),
        ({"answers": 99, "errors": 1.0}, None),
        ({"errors": 0.02}, None),
        ({"errors": 0.5, "errors_beside": 0.49}, None),
        ({"errors": 0.5, "errors_beside": 0.4}, "errors"),
        ({"slower": 0.5}, None),
        ({"slower": 0.51}, "latency"),
        ({"shift": Shift(0.3, 0.1, None)}, "shift"),
        ({"shift": Shift(0.3, 0.1, 0.3)}, "shift"),
        ({"shift": Shift(0.3, 0.1, 0.2)}, None),
        ({"shift": Shift(0.3, 0.4, 0.9)}, None),
        ({"shift": Shift()}, None),
        ({"difference": 0.75}, None),
        ({"difference": 0.8}, "difference"),
        ({"errors": 1.0, "slower": 1.0, "difference": 9.0}, "errors"),
        ({"live": live(99, 0.9, 0.1)}, None),
        ({"live": live(200, 0.2, 0.1)}, None),
        ({"live": live(200, 0.21, 0.1)}, "live"),
        ({"live": live(100, 0.51, 0.4)}, "live"),
        ({"live": live(100, 0.0, 0.0)}, None),
        ({"live": live(1000, 1.09, 1.0, is_classes=False)}, None),
        ({"live": live(1000, 1.12, 1.0, is_classes=False)}, "live"),
        ({"live": live(100, 1.12, 1.0, is_classes=False)}, None),
        ({"live": live(100, 0.0, 0.0, is_classes=False)}, None),
    ],
)
def test_limits_are_broken_by_what_exceeds_them(said: Any, reason: str | None) -> None:
    found = Breach.found(figures(**said), LIMITS, beside=3)
    assert (found and found.reason) == reason
    if found:
        assert "the limit is" in found.detail
        assert "version 3" in found.detail


def test_figures_are_shares_of_what_was_tallied() -> None:
    yardstick = Yardstick(models.flowers(1), models.flowers(2))
    apart, counts = yardstick.count(EVEN, EVEN[::-1])
    tally = Tally(answers=200, failed=10, failed_beside=4, timed=100, slower=25, rows=150, apart=round(apart * 100))
    found = Figures.of(tally.counts(counts), yardstick)
    assert (found.answers, found.errors, found.errors_beside, found.slower) == (200, 0.05, 0.02, 0.25)
    assert found.difference == pytest.approx(2 / 3)
    assert found.said()["shift"] == 0.0
    nothing = Figures.of(Tally().counts(np.zeros(yardstick.size, dtype=np.int64)), yardstick)
    assert (nothing.answers, nothing.errors, nothing.shift.psi) == (0, 0.0, None)
