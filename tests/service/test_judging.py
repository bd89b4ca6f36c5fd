"""How right answers were, by what turned out to be true."""

import pytest

from feedback import Shape
from service.observer import Judged
from service.truth.judging import LiveFigures, judged

NUMBER = Shape((("a", "number"),), ("price",), None, 10.0)
CLASSES = Shape((("a", "number"),), ("kind",), ("x", "y", 3), 0.4)


def test_numbers_are_judged_by_their_distance_and_their_interval() -> None:
    found = judged(NUMBER, {"predictions": [100.0, 100.0, 100.0, 100.0]}, [110, 111.0, None, 90.0])
    assert found == Judged(rows=3, error=31.0, bounded=3, covered=2)


def test_several_targets_are_judged_by_their_mean_and_are_covered_together() -> None:
    shape = Shape((("a", "number"),), ("x", "y"), None, 10.0)
    found = judged(shape, {"predictions": [[1.0, 2.0], [1.0, 2.0]]}, [[3.0, 6.0], [1.0, 13.0]])
    assert found == Judged(rows=2, error=3.0 + 5.5, bounded=2, covered=1)


def test_classes_are_judged_by_their_label_and_their_set() -> None:
    outputs = {"predictions": ["x", 3, "x"], "probabilities": [[0.7, 0.2, 0.1], [0.2, 0.1, 0.7], [0.6, 0.4, 0.0]]}
    assert judged(CLASSES, outputs, ["x", "x", "y"]) == Judged(rows=3, correct=1, bounded=3, covered=1)
    assert judged(CLASSES, outputs, [None, 3, None]) == Judged(rows=1, correct=1, bounded=1, covered=1)


def test_a_class_that_the_version_did_not_know_is_wrong_and_in_no_set() -> None:
    outputs = {"predictions": ["x"], "probabilities": [[1.0, 0.0, 0.0]]}
    assert judged(CLASSES, outputs, ["new"]) == Judged(rows=1, correct=0, bounded=1, covered=0)


def test_a_class_may_miss_the_bound_by_what_was_rounded_and_a_number_by_nothing() -> None:
    outputs = {"predictions": ["x", "x"], "probabilities": [[0.5999995, 0.2, 0.2], [0.599998, 0.2, 0.2]]}
    assert judged(CLASSES, outputs, ["x", "x"]) == Judged(rows=2, correct=2, bounded=2, covered=1)
    found = judged(NUMBER, {"predictions": [0.0, 0.0]}, [10.0, 10.0000005])
    assert (found.bounded, found.covered) == (2, 1)


def test_without_calibration_or_probabilities_no_interval_is_judged() -> None:
    plain = Shape(NUMBER.features, NUMBER.targets)
    assert judged(plain, {"predictions": [1.0]}, [2.0]) == Judged(rows=1, error=1.0)
    assert judged(CLASSES, {"predictions": ["x"]}, ["x"]) == Judged(rows=1, correct=1)


def test_figures_are_of_what_was_added_by_version() -> None:
    live = LiveFigures()
    live.add("houses", 1, Judged(rows=2, error=0.75, bounded=2, covered=1))
    live.add("houses", 1, Judged(rows=1, error=0.25))
    live.add("houses", 2, Judged(rows=1, error=9.5))
    for window in ("1h", "24h"):
        said = live.of("houses", 1, window).said(is_classes=False)
        assert said == {"rows": 3, "mean_absolute_error": pytest.approx(1 / 3), "coverage": 0.5}
    assert live.of("other", 1, "1h").said(is_classes=True) == {"rows": 0, "accuracy": None, "coverage": None}
