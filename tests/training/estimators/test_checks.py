"""Scikit-learn's checks of every estimator, all of them and none expected to fail."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from training import MLPClassifier, MLPRegressor


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [MLPClassifier(16, max_iter=40, learning_rate_init=0.02, encode=True)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "what the columns are is decided without weights"
    },
)
def test_scikit_learns_checks_of_an_estimator_that_encodes(estimator: Any, check: Any) -> None:
    check(estimator)
