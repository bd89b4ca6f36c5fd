"""The gate as a pure function."""

from dataclasses import replace

import pytest

from training.errors import RecipeError
from training.recipe import Demand, Promotion
from training.retrain.gate import Collapse, Duel, Evidence, Passed, Refused, gate

GOOD = Evidence(
    metrics={"test.accuracy": 0.9},
    metric="accuracy",
    own=0.9,
    trivial=0.5,
    higher_is_better=True,
    duels=tuple(Duel(name, 100, 0.88, 0.9, 0.02, -0.01, 0.05, 1.0) for name in ("all", "recent", "legacy")),
    collapses=(),
    ece=(0.02, 0.03),
    latency_ms=0.1,
    size_mb=0.5,
)
LINES = Promotion()


def duel(holdout: str, low: float, *, unit: float = 1.0) -> tuple[Duel, ...]:
    return (Duel(holdout, 100, 0.88, 0.88, 0.0, low, 0.1, unit),)


def test_a_challenger_that_holds_every_line_passes() -> None:
    assert gate(GOOD, LINES, [Demand(metric="test.accuracy", at_least=0.9)]) == Passed(is_better=True)
    assert gate(replace(GOOD, duels=duel("all", -0.01)), LINES, ()) == Passed(is_better=False)
    assert gate(replace(GOOD, duels=(), ece=None), LINES, ()) == Passed(is_better=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"duels": duel("all", -0.021)},
            "accuracy on the all held-out rows (100): the gain on the champion is +0 with",
        ),
        ({"duels": duel("recent", -0.11)}, "accuracy on the recent held-out rows"),
        ({"duels": duel("legacy", -0.11)}, "accuracy on the legacy held-out rows"),
        ({"duels": duel("all", -0.02, unit=0.5)}, "expected at least -0.01"),
        ({"duels": duel("all", float("nan"))}, "lower bound of +nan"),
        ({"collapses": (Collapse("colour", "red", 40, 0.2),)}, "where colour is red (40 rows) the error grew by 0.2"),
        ({"ece": (0.02, 0.05)}, "the calibration error went from 0.02 to 0.05"),
        ({"own": 0.5}, "accuracy is 0.5, and 0.5 without looking at any column"),
        ({"higher_is_better": False}, "without looking at any column"),
        ({"latency_ms": 51.0}, "one row takes 51 ms, expected at most 50"),
        ({"size_mb": 101.0}, "the model file has 101 MB, expected at most 100"),
        ({"golden_fault": "row 0 gives 1"}, "the model file fails its golden rows: row 0 gives 1"),
        ({"metrics": {"test.accuracy": 0.7}}, "test.accuracy is 0.7, expected at least 0.8"),
    ],
)
def test_each_line_refuses_alone(change: dict[str, object], reason: str) -> None:
    verdict = gate(replace(GOOD, **change), LINES, [Demand(metric="test.accuracy", at_least=0.8)])  # type: ignore[arg-type]
    assert isinstance(verdict, Refused)
    assert len(verdict.reasons) == 1
    assert reason in verdict.reasons[0]


def test_what_is_just_at_every_line_passes() -> None:
    at = replace(
        GOOD,
        metrics={"test.accuracy": 0.5},
        duels=(*duel("all", -LINES.tolerance), *duel("recent", -LINES.recent_tolerance), *duel("legacy", 0.0)),
        collapses=(Collapse("colour", "red", 40, LINES.slice_loss),),
        ece=(0.0, LINES.calibration_loss),
        latency_ms=LINES.latency_ms,
        size_mb=LINES.size_mb,
    )
    assert gate(at, LINES, [Demand(metric="test.accuracy", at_least=0.5, at_most=0.5)]) == Passed(is_better=False)


def test_of_an_error_less_is_better() -> None:
    assert gate(replace(GOOD, own=0.1, trivial=0.2, higher_is_better=False), LINES, ()) == Passed(is_better=True)
    verdict = gate(replace(GOOD, own=0.2, trivial=0.2, higher_is_better=False), LINES, ())
    assert verdict == Refused(("accuracy is 0.2, and 0.2 without looking at any column",))


def test_what_could_not_be_measured_does_not_pass() -> None:
    nan = float("nan")
    unknown = replace(GOOD, metrics={"test.accuracy": nan}, own=nan, ece=(0.02, nan), latency_ms=nan, size_mb=nan)
    verdict = gate(unknown, LINES, [Demand(metric="test.accuracy", at_least=0.5, at_most=0.9)])
    assert isinstance(verdict, Refused)
    assert len(verdict.reasons) == 6


def test_lines_that_are_off_are_not_looked_at() -> None:
    lines = Promotion(beats_trivial=False, golden=False)
    assert gate(replace(GOOD, own=0.1, golden_fault="row 0 gives 1"), lines, ()) == Passed(is_better=True)


def test_all_reasons_are_told() -> None:
    verdict = gate(replace(GOOD, own=0.4, latency_ms=99.0, size_mb=999.0), LINES, ())
    assert isinstance(verdict, Refused)
    assert len(verdict.reasons) == 3


def test_a_demand_on_no_metric_is_a_wrong_recipe() -> None:
    with pytest.raises(RecipeError, match=r"there is no metric 'test\.acuracy'; did you mean 'test\.accuracy'"):
        gate(GOOD, LINES, [Demand(metric="test.acuracy", at_least=0.8)])
