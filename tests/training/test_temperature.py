"""Logits divided by one number, so that probabilities mean what they say."""

import numpy as np
import pytest

from network import INITIALIZERS, MLP, Architecture, Layer
from training.evaluation import calibration_error, class_probabilities
from training.temperature import tempered

RNG = np.random.default_rng(0)


def network(units: int, activation: str, *, bias: bool = True) -> MLP:
    architecture = Architecture(4, (Layer(16, "tanh"), Layer(units, activation, bias=bias)))
    mlp = MLP.initialized(architecture, INITIALIZERS["he_normal"](), rng=np.random.default_rng(1))
    for name in mlp.parameters:
        mlp.parameters[name][...] *= 2
    return mlp


def drawn(mlp: MLP, X: np.ndarray, temperature: float) -> np.ndarray:
    """Classes drawn with the probabilities that the logits over a temperature mean."""
    Z = mlp.logits(X).astype(np.float64)
    Z = np.hstack([np.zeros_like(Z), Z]) if Z.shape[1] == 1 else Z
    P = np.exp(Z / temperature)
    return np.array([RNG.choice(P.shape[1], p=row) for row in P / P.sum(axis=1, keepdims=True)])


@pytest.mark.parametrize("mlp", [network(3, "softmax"), network(1, "sigmoid"), network(3, "softmax", bias=False)])
@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_classes_is_found_and_folded_into_the_last_layer(mlp: MLP, true: float) -> None:
    X = RNG.normal(size=(6000, 4)).astype(np.float32)
    codes = drawn(mlp, X, true)
    found = tempered(mlp, X, codes)
    assert found is not None
    cooled, temperature = found
    assert temperature == pytest.approx(true, rel=0.15)
    np.testing.assert_allclose(cooled.logits(X), mlp.logits(X) / temperature, rtol=1e-4, atol=1e-5)
    before, after = (class_probabilities(one, one.infer(X)) for one in (mlp, cooled))
    assert before is not None
    assert after is not None
    assert (before.argmax(axis=1) == after.argmax(axis=1)).mean() > 0.999
    assert calibration_error(after, codes) < 0.03
    if true != 1:
        assert calibration_error(before, codes) > 2 * calibration_error(after, codes)


def test_the_temperature_of_an_ensemble_is_that_of_its_members_mean() -> None:
    architecture = Architecture(4, (Layer(16, "tanh"), Layer(3, "softmax")), 3)
    mlp = MLP.initialized(architecture, INITIALIZERS["he_normal"](), rng=np.random.default_rng(1))
    X = RNG.normal(size=(6000, 4)).astype(np.float32)
    warmer = MLP(architecture, mlp.parameters.copy())
    for name in ("layers.1.W", "layers.1.b"):
        warmer.parameters[name][...] *= 3
    codes = np.array([RNG.choice(3, p=row / row.sum()) for row in mlp.infer(X).astype(np.float64)])
    found = tempered(warmer, X, codes)
    assert found is not None
    assert found[1] == pytest.approx(3, rel=0.15)
    np.testing.assert_allclose(found[0].infer(X), mlp.infer(X), atol=0.03)


def test_few_rows_that_are_all_right_do_not_make_a_model_sure_of_itself() -> None:
    mlp = network(3, "softmax")
    X = RNG.normal(size=(20, 4)).astype(np.float32)
    found = tempered(mlp, X, mlp.infer(X).argmax(axis=1))
    assert found is not None
    assert 0.3 < found[1] < 1


def test_without_rows_or_probabilities_there_is_no_temperature() -> None:
    X = RNG.normal(size=(50, 4)).astype(np.float32)
    codes = np.zeros(50, dtype=np.int64)
    assert tempered(network(3, "softmax"), X[:9], codes[:9]) is None
    assert tempered(network(3, "sigmoid"), X, codes) is None
    assert tempered(network(3, "identity"), X, codes) is None


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    P = np.array([[0.9, 0.1]] * 10 + [[0.35, 0.65]] * 10)
    codes = np.array([0] * 9 + [1] + [1] * 4 + [0] * 6)
    assert calibration_error(P, codes) == pytest.approx((0.0 + 0.25) / 2)
    assert calibration_error(np.eye(3), np.arange(3)) == 0
