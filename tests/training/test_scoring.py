"""Metrics of weighted rows, and the bounds that the bootstrap gives them."""

import numpy as np
import pytest
from sklearn import metrics

from training.scoring import Answers, draws, intervals, measures, paired_intervals


def classes(rows: int = 400, seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    truth = rng.integers(4, size=rows)
    P = rng.dirichlet(np.ones(5), rows)  # the fifth class has no rows
    P[np.arange(rows), truth] += 0.5
    P /= P.sum(axis=1, keepdims=True)
    return Answers(truth, P.argmax(axis=1), P, 5)


def numbers(rows: int = 400, noise: float = 1.0) -> Answers:
    rng = np.random.default_rng(0)
    truth = rng.normal(10, 3, rows)
    return Answers(truth, truth + rng.normal(0, noise, rows), scale=3.0)


def test_the_measures_of_classes_are_scikit_learns() -> None:
    answers = classes()
    assert answers.P is not None
    assert measures(answers) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(answers.truth, answers.guesses),
            "log_loss": metrics.log_loss(answers.truth, answers.P, labels=range(5)),
            "macro_f1": metrics.f1_score(
                answers.truth, answers.guesses, labels=range(5), average="macro", zero_division=0
            ),
        }
    )
    assert (
        answers.confusion().tolist()
        == metrics.confusion_matrix(answers.truth, answers.guesses, labels=range(5)).tolist()
    )


def test_a_class_that_no_judged_row_has_is_left_out_of_macro_f1() -> None:
    found = measures(Answers(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), None, 3))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score([0, 0, 1, 1], [0, 0, 1, 0], average="macro"))
    assert measures(Answers(np.array([0, 1]), np.array([0, 1]), None, 3))["macro_f1"] == 1


def test_the_measures_of_numbers_are_scikit_learns_with_weights_too() -> None:
    answers = numbers()
    w = next(draws(400))
    squared = metrics.mean_squared_error(answers.truth, answers.guesses, sample_weight=w)
    assert measures(answers, w) == pytest.approx(
        {
            "mse_standardised": squared / 9,
            "mse": squared,
            "mae": metrics.mean_absolute_error(answers.truth, answers.guesses, sample_weight=w),
            "r2": metrics.r2_score(answers.truth, answers.guesses, sample_weight=w),
        }
    )


def test_the_bounds_are_as_wide_as_theory_has_them() -> None:
    answers = classes(2000)
    low, high = intervals(answers)["accuracy"]
    share = measures(answers)["accuracy"]
    deviation = np.sqrt(share * (1 - share) / 2000)
    assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.15)
    assert low < share < high
    assert intervals(answers) == intervals(answers)


def test_a_pair_is_told_apart_better_than_two_strangers() -> None:
    first = numbers(noise=1.0)
    second = Answers(first.truth, first.guesses + 0.2 * (first.truth - first.guesses), scale=3.0)
    low, high = paired_intervals(first, second)["mse"]
    assert low < measures(second)["mse"] - measures(first)["mse"] < high < 0
    alone = intervals(first)["mse"]
    assert high - low < (alone[1] - alone[0]) / 2


def test_too_few_rows_have_no_bounds_and_equal_ones_no_r2() -> None:
    assert intervals(numbers(1)) == {}
    assert "r2" not in intervals(Answers(np.ones(2), np.zeros(2)))
