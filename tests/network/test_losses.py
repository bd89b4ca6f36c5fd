"""The values of the losses, beside scikit-learn's metrics, and what weights and wrong targets do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_absolute_error, mean_pinball_loss, mean_squared_error

from network import LOSSES, OPTIMIZERS, FitOptions, Layer, ShapeError, fit, loss_and_gradients
from tests.network.networks import data, last_activation, made_loss, mlp


def value(name: str, y: np.ndarray, X: np.ndarray, **options: float) -> tuple[float, np.ndarray]:
    """The loss of a network on a batch, and what the network answers."""
    network = mlp(Layer(6, "tanh"), Layer(3, last_activation(name)))
    return loss_and_gradients(network, LOSSES[name](**options), X, y)[0], network.infer(X)


@pytest.mark.parametrize(
    ("name", "options", "metric"),
    [
        ("mean_squared", {}, mean_squared_error),
        ("half_squared", {}, lambda y, A: 1.5 * mean_squared_error(y, A)),
        ("mean_absolute", {}, mean_absolute_error),
        ("quantile", {"quantile": 0.9}, lambda y, A: mean_pinball_loss(y, A, alpha=0.9)),
        ("poisson", {}, lambda y, A: np.mean(np.sum(A - y * np.log(A), axis=1))),
    ],
)
def test_a_loss_has_the_value_of_its_formula(name: str, options: dict[str, Any], metric: Callable[..., float]) -> None:
    X, y = data(name)
    loss, A = value(name, y, X, **options)
    assert loss == pytest.approx(metric(y, A))


def test_huber_is_squared_for_small_errors_and_linear_for_large_ones() -> None:
    X, y = data("huber", rows=400)
    loss, A = value("huber", y, X, delta=0.7)
    e = np.abs(y - A)
    assert loss == pytest.approx(np.mean(np.where(e <= 0.7, 0.5 * e**2, 0.7 * (e - 0.35))))


def test_categorical_cross_entropy_takes_codes_and_one_hot_rows_alike() -> None:
    X, _ = data("mean_squared")
    codes = np.arange(12) % 3
    loss, A = value("categorical_cross_entropy", codes, X)
    assert loss == pytest.approx(log_loss(codes, A))
    assert value("categorical_cross_entropy", np.eye(3)[codes], X)[0] == loss


def test_binary_cross_entropy_sums_over_independent_outputs() -> None:
    X, _ = data("mean_squared")
    y = (np.arange(36).reshape(12, 3) % 2).astype(float)
    loss, A = value("binary_cross_entropy", y, X)
    assert loss == pytest.approx(sum(log_loss(y[:, k], A[:, k]) for k in range(3)))


def test_label_smoothing_moves_targets_towards_the_uniform_distribution() -> None:
    X, _ = data("mean_squared")
    Y = np.eye(3)[np.arange(12) % 3]
    smooth = value("categorical_cross_entropy", Y, X, label_smoothing=0.3)[0]
    assert smooth == pytest.approx(value("categorical_cross_entropy", 0.7 * Y + 0.1, X)[0])
    smooth = value("binary_cross_entropy", Y, X, label_smoothing=0.3)[0]
    assert smooth == pytest.approx(value("binary_cross_entropy", 0.7 * Y + 0.15, X)[0])


@pytest.mark.parametrize("name", ["categorical_cross_entropy", "binary_cross_entropy"])
def test_cross_entropies_stay_finite_for_huge_logits(name: str) -> None:
    network = mlp(Layer(3, last_activation(name)))
    loss, gradients = loss_and_gradients(network, LOSSES[name](), np.full((2, 4), 1e6), np.eye(3)[[0, 1]])
    assert np.isfinite(loss)
    assert all(np.isfinite(array).all() for array in gradients.values())


@pytest.mark.parametrize("name", LOSSES)
def test_a_weight_of_two_is_a_row_that_comes_twice(name: str) -> None:
    network = mlp(Layer(6, "tanh"), Layer(3, last_activation(name)))
    X, y = data(name)
    counts = np.arange(12) % 3
    weighted = loss_and_gradients(network, made_loss(name), X, y, sample_weight=counts.astype(float))
    repeated = loss_and_gradients(network, made_loss(name), X.repeat(counts, axis=0), y.repeat(counts, axis=0))
    assert weighted[0] == pytest.approx(repeated[0])  # twelve rows either way
    for array in weighted[1]:
        np.testing.assert_allclose(weighted[1][array], repeated[1][array], atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_class_weights_are_sample_weights_by_class(name: str) -> None:
    X, _ = data(name)
    codes = np.arange(12) % 3
    Y = np.eye(3)[codes]

    def fitted(**weights: Any) -> bytes:
        network = mlp(Layer(6, "tanh"), Layer(3, last_activation(name)))
        options = FitOptions(made_loss(name), OPTIMIZERS["adam"](), epochs=5)
        return fit(network, X, Y, options, rng=np.random.default_rng(0), **weights).mlp.parameters.flat.tobytes()

    by_class = fitted(class_weight={0: 1.0, 1: 2.0, 2: 5.0})
    assert by_class == fitted(sample_weight=np.array([1.0, 2.0, 5.0])[codes])
    assert by_class == fitted(sample_weight=np.array([10.0, 20.0, 50.0])[codes])
    assert by_class != fitted()


@pytest.mark.parametrize(
    ("name", "y", "error", "message"),
    [
        (
            "categorical_cross_entropy",
            np.array([0, 3]),
            ValueError,
            "y: expected class codes from 0 to 2, found 0 to 3",
        ),
        ("categorical_cross_entropy", np.full((2, 3), 0.5), ValueError, "rows that sum to 1, row 0 sums to 1.5"),
        (
            "binary_cross_entropy",
            np.full((2, 3), 1.5),
            ValueError,
            "expects probabilities from 0 to 1, found 1.5 to 1.5",
        ),
        ("poisson", np.full((2, 3), -1.0), ValueError, "poisson expects counts or rates of at least 0, found -1"),
        ("mean_squared", np.zeros(2), ShapeError, r"y: expected shape \(2, 3\), found \(2,\)"),
        ("mean_squared", np.full((2, 3), np.nan), ValueError, "y: expected finite numbers, found .* in row 0"),
    ],
)
def test_targets_outside_the_domain_are_refused_in_words(
    name: str, y: Any, error: type[ValueError], message: str
) -> None:
    with pytest.raises(error, match=message):
        value(name, y, np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("name", "found", "needed"),
    [
        ("categorical_cross_entropy", "relu", "softmax"),
        ("binary_cross_entropy", "softmax", "sigmoid"),
        ("poisson", "relu", "exp"),
    ],
)
def test_a_fused_loss_needs_its_activation(name: str, found: str, needed: str) -> None:
    X, y = data(name)
    with pytest.raises(ValueError, match=f"{name} needs the activation {needed} in the last layer, found {found}"):
        loss_and_gradients(mlp(Layer(3, found)), LOSSES[name](), X, y)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("huber", {"delta": 0.0}, "delta: expected a number above 0, found 0.0"),
        ("quantile", {"quantile": 1.0}, "quantile: expected a number of at least 0 and under 1, found 1.0"),
        ("categorical_cross_entropy", {"label_smoothing": -0.1}, "label_smoothing: expected a number of at least 0"),
    ],
)
def test_options_outside_their_range_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LOSSES[name](**options)
