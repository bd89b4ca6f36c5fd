"""The gate as a pure function."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
            "accuracy on all held-out rows (100): the gain on the champion is +0 with",
        ),
        ({"duels": duel("recent", -0.11)}, "accuracy on recent held-out rows"),
        ({"duels": duel("legacy", -0.11)}, "accuracy on legacy held-out rows"),
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


def around(limit: float) -> st.SearchStrategy[float]:
    """Return numbers at a limit, next to it, far from it, and what is none."""
    edges = [limit, np.nextafter(limit, np.inf), np.nextafter(limit, -np.inf), math.nan, math.inf, -math.inf]
    return st.sampled_from([float(edge) for edge in edges]) | st.floats(-1e3, 1e3)


@st.composite
def judged(draw: st.DrawFn) -> tuple[Evidence, Promotion, list[str]]:
    """Return evidence, lines, and a word of each reason that there is to refuse, in the order of the lines."""
    lines = Promotion(
        tolerance=0.02, recent_tolerance=0.1, legacy_tolerance=0.3, beats_trivial=draw(st.booleans()),
        golden=draw(st.booleans()),
    )  # fmt: skip
    allowed = {"all": 0.02, "recent": 0.1, "legacy": 0.3}
    units = draw(st.tuples(*[st.sampled_from([1.0, 0.5])] * 3))
    lows = [draw(around(-allowed[name] * unit)) for name, unit in zip(allowed, units, strict=True)]
    duels = [Duel(name, 9, 0.9, 0.9, 0.0, low, 1.0, unit)
             for name, low, unit in zip(allowed, lows, units, strict=True)]  # fmt: skip
    collapses = [Collapse("colour", part, 30, draw(around(0.1))) for part in draw(st.sets(st.sampled_from("abc")))]
    ece = draw(st.none() | st.tuples(st.just(0.0625), around(0.0625 + 0.02)))
    own, is_higher, fault = draw(around(0.5)), draw(st.booleans()), draw(st.sampled_from(["", "row 0"]))
    latency_ms, size_mb = draw(around(50.0)), draw(around(100.0))
    evidence = Evidence(
        {"test.accuracy": draw(around(0.8))}, "mae", own, 0.5, is_higher, tuple(duels), tuple(collapses), ece,
        latency_ms, size_mb, fault,
    )  # fmt: skip
    is_ahead = own > 0.5 if is_higher else own < 0.5
    reasons = [
        *(["test.accuracy is"] * (not evidence.metrics["test.accuracy"] >= 0.8)),
        *(f"on {duel.holdout} held" for duel in duels if not duel.low >= -allowed[duel.holdout] * duel.unit),
        *(f"where colour is {slump.part} " for slump in collapses if not slump.worse <= 0.1),
        *(["the calibration error"] * (ece is not None and not ece[1] <= 0.0625 + 0.02)),
        *(["without looking at any column"] * (lines.beats_trivial and not is_ahead)),
        *(["one row takes"] * (not latency_ms <= 50)),
        *(["the model file has"] * (not size_mb <= 100)),
        *(["golden rows: row 0"] * (lines.golden and bool(fault))),
    ]
    return evidence, lines, reasons


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(judged())
def test_each_line_that_is_missed_is_one_reason_and_no_other_is_told(
    found: tuple[Evidence, Promotion, list[str]],
) -> None:
    evidence, lines, reasons = found
    demands = [Demand(metric="test.accuracy", at_least=0.8)]
    verdict = gate(evidence, lines, demands)
    assert gate(evidence, lines, demands) == verdict
    said = verdict.reasons if isinstance(verdict, Refused) else ()
    assert len(said) == len(reasons)
    assert all(reason in one for one, reason in zip(said, reasons, strict=True))
    assert isinstance(verdict, Refused) or not verdict.is_better


def test_all_reasons_are_told() -> None:
    verdict = gate(replace(GOOD, own=0.4, latency_ms=99.0, size_mb=999.0), LINES, ())
    assert isinstance(verdict, Refused)
    assert len(verdict.reasons) == 3


def test_a_demand_on_no_metric_is_a_wrong_recipe() -> None:
    with pytest.raises(RecipeError, match=r"there is no metric 'test\.acuracy'; did you mean 'test\.accuracy'"):
        gate(GOOD, LINES, [Demand(metric="test.acuracy", at_least=0.8)])
