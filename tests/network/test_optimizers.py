"""Optimizers against their published update rules, written once more for single numbers; schedules by their values."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from network import (
    LOSSES,
    MLP,
    OPTIMIZERS,
    SCHEDULES,
    Architecture,
    FitOptions,
    Layer,
    Parameters,
    Schedule,
    fit,
    optimizers,
)
from tests.network.networks import data, last_activation, made_loss, mlp

STEPS = 7
Rule = Callable[[float, dict[str, float], int], float]


def _sgd(g: float, _: dict[str, float], __: int) -> float:
    return -0.1 * g


def _momentum(g: float, state: dict[str, float], _: int) -> float:
    state["v"] = 0.8 * state.get("v", 0) - 0.1 * g
    return state["v"]


def _nesterov(g: float, state: dict[str, float], _: int) -> float:
    state["v"] = 0.8 * state.get("v", 0) - 0.1 * g
    return 0.8 * state["v"] - 0.1 * g


def _rmsprop(g: float, state: dict[str, float], _: int) -> float:
    state["v"] = 0.7 * state.get("v", 0) + 0.3 * g * g
    return float(-0.1 * g / (state["v"] ** 0.5 + 1e-3))


def _adam(g: float, state: dict[str, float], step: int) -> float:
    state["m"] = 0.8 * state.get("m", 0) + 0.2 * g
    state["v"] = 0.9 * state.get("v", 0) + 0.1 * g * g
    m, v = state["m"] / (1 - 0.8**step), state["v"] / (1 - 0.9**step)
    return float(-0.1 * m / (v**0.5 + 1e-3))


RULES: dict[str, tuple[dict[str, Any], Rule]] = {
    "sgd": ({}, _sgd),
    "momentum": ({"momentum": 0.8}, _momentum),
    "nesterov": ({"momentum": 0.8}, _nesterov),
    "rmsprop": ({"decay": 0.7, "epsilon": 1e-3}, _rmsprop),
    "adam": ({"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3}, _adam),
}


@pytest.mark.parametrize("name", RULES)
def test_an_optimizer_follows_its_published_rule(name: str) -> None:
    options, rule = RULES[name]
    parameters = Parameters.zeros(Architecture(600, (Layer(120),)), np.float64)  # more than one block
    gradients = parameters.like()
    stepper = OPTIMIZERS[name](learning_rate=0.1, **options).start(parameters, gradients)  # type: ignore[call-arg]
    drawn = np.random.default_rng(0).normal(size=(STEPS, parameters.flat.size))
    for g in drawn:
        gradients.flat[:] = g
        stepper.step(lambda: 0.0, 0.1)
    for index in (0, 9_000, 65_536, parameters.flat.size - 1):
        theta, state = 0.0, dict[str, float]()
        for step, g in enumerate(drawn[:, index], start=1):
            theta += rule(float(g), state, step)
        assert parameters.flat[index] == pytest.approx(theta, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["momentum", "nesterov", "rmsprop", "adam", "adamw"])
def test_what_is_remembered_of_units_that_are_no_longer_active_comes_to_zero(
    name: str, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (4 if dtype is np.float32 else 30) * optimizers.FLUSH
    flushed, moved = _after_one_gradient(name, steps, dtype)
    monkeypatch.setattr(optimizers, "FLUSH", steps + 1)
    kept, expected = _after_one_gradient(name, steps, dtype)
    assert moved == expected
    assert flushed == (name.startswith("adam"), False)  # the second moment of Adam decays slowly
    assert kept[1]


def _after_one_gradient(name: str, steps: int, dtype: type) -> tuple[tuple[bool, bool], bytes]:
    """Tell what is remembered after a gradient of ones, either sign, and zeros: numbers of any size, subnormal ones."""
    parameters = Parameters.zeros(Architecture(1, (Layer(2),)), dtype)
    gradients = parameters.like()
    stepper = OPTIMIZERS[name](learning_rate=0.1).start(parameters, gradients)  # type: ignore[call-arg]
    for step in range(steps):
        gradients.flat[:] = [1, -1, 1, -1] if step == 0 else 0
        stepper.step(lambda: 0.0, 0.1)
    found = np.abs(np.concatenate([value for value in stepper.state().values() if isinstance(value, np.ndarray)]))
    is_subnormal = (found > 0) & (found < np.finfo(dtype).tiny)
    return (bool(found.any()), bool(is_subnormal.any())), parameters.flat.tobytes()


def test_adamw_decays_weights_and_not_biases() -> None:
    architecture = Architecture(3, (Layer(2),))
    parameters = Parameters(architecture.shapes(), np.ones(8))
    stepper = OPTIMIZERS["adamw"](learning_rate=0.1, weight_decay=0.5).start(  # type: ignore[call-arg]
        parameters, parameters.like()
    )
    stepper.step(lambda: 0.0, 0.1)
    assert parameters["layers.0.W"].ravel().tolist() == [0.95] * 6
    assert parameters["layers.0.b"].tolist() == [1.0] * 2


def test_lbfgs_reaches_the_optimum_of_a_logistic_regression() -> None:
    X, _ = data("mean_squared", rows=200)
    y = (X @ [1.0, -2.0, 0.5, 0.0] + np.random.default_rng(0).normal(size=200) > 0).astype(int)
    known = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(X, y)
    options = FitOptions(LOSSES["binary_cross_entropy"](), OPTIMIZERS["lbfgs"](), epochs=200, l2=1 / 200)
    result = fit(mlp(Layer(1, "sigmoid")), X, y.astype(float), options, rng=np.random.default_rng(0))
    np.testing.assert_allclose(result.mlp.parameters["layers.0.W"][:, 0], known.coef_[0], rtol=1e-3)
    assert result.stopped == "no entry of the gradient is above 1e-06"
    assert len(result.history) < 30


def test_lbfgs_ends_where_no_step_helps_and_never_raises_the_loss() -> None:
    X, y = data("half_squared", rows=30)
    options = FitOptions(LOSSES["half_squared"](), OPTIMIZERS["lbfgs"](), epochs=2000)
    result = fit(
        mlp(Layer(20, "tanh"), Layer(3, "identity"), dtype=np.float32), X, y, options, rng=np.random.default_rng()
    )
    losses = [record.loss for record in result.history]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-4


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_lowers_every_loss(optimizer: str, loss: str) -> None:
    X, y = data(loss, rows=40)
    options = FitOptions(made_loss(loss), OPTIMIZERS[optimizer](), epochs=30)
    network = mlp(Layer(8, "tanh"), Layer(3, last_activation(loss)))
    result = fit(network, X, y, options, rng=np.random.default_rng(0))
    assert result.history[-1].loss < result.history[0].loss


@pytest.mark.parametrize(
    ("schedule", "at"),
    [
        (SCHEDULES["constant"](), [1, 1, 1, 1, 1]),
        (SCHEDULES["step"](every=20, factor=0.5), [1, 0.5, 0.25, 0.125, 1 / 32]),  # type: ignore[call-arg]
        (SCHEDULES["inverse_scaling"](power=1.0), [1, 1 / 26, 1 / 51, 1 / 76, 1 / 101]),  # type: ignore[call-arg]
        (SCHEDULES["cosine"](), [1, 0.853553, 0.5, 0.146447, 0]),
        (SCHEDULES["cosine"](warmup_epochs=50, floor=0.1), [2e-5, 0.5, 1, 0.55, 0.1]),  # type: ignore[call-arg]
        (SCHEDULES["one_cycle"](rise=0.5), [0.04, 0.52, 1, 0.50005, 0.0001]),  # type: ignore[call-arg]
    ],
)
def test_a_schedule_passes_through_its_values(schedule: Schedule, at: list[float]) -> None:
    pace = schedule.start(100)
    assert [pace.factor(epoch) for epoch in (0, 25, 50, 75, 100)] == pytest.approx(at, abs=1e-6)


def test_plateau_lowers_the_rate_after_epochs_without_progress() -> None:
    pace = SCHEDULES["plateau"](factor=0.5, patience=2).start(100)  # type: ignore[call-arg]
    factors = []
    for value in (3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0, 1.0, 1.0):
        pace.observe(value)
        factors.append(pace.factor(0))
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_a_fit_records_the_scheduled_rate_of_each_epoch() -> None:
    X, y = data("mean_squared", rows=10)
    step = SCHEDULES["step"](every=2, factor=0.1)  # type: ignore[call-arg]
    options = FitOptions(LOSSES["mean_squared"](), OPTIMIZERS["sgd"](), step, epochs=5, batch_size=4)
    result = fit(mlp(Layer(3, "identity")), X, y, options, rng=np.random.default_rng(0))
    assert [record.learning_rate for record in result.history] == pytest.approx([0.01, 0.01, 1e-3, 1e-3, 1e-4])


@pytest.mark.parametrize(
    ("registry", "name", "options", "message"),
    [
        (OPTIMIZERS, "sgd", {"learning_rate": 0.0}, "learning_rate: expected a number above 0, found 0.0"),
        (OPTIMIZERS, "adam", {"learning_rate": float("nan")}, "learning_rate: expected a number above 0, found nan"),
        (OPTIMIZERS, "adam", {"beta_2": 1.0}, "beta_2: expected a number of at least 0 and under 1, found 1.0"),
        (OPTIMIZERS, "nesterov", {"momentum": -0.1}, "momentum: expected a number of at least 0 and under 1"),
        (OPTIMIZERS, "adamw", {"weight_decay": -1.0}, "weight_decay: expected a number of at least 0, found -1.0"),
        (OPTIMIZERS, "lbfgs", {"memory": 0}, "memory: expected a number of at least 1, found 0"),
        (SCHEDULES, "step", {"every": 0}, "every: expected a number of at least 1, found 0"),
        (SCHEDULES, "cosine", {"floor": 1.0}, "floor: expected a number of at least 0 and under 1, found 1.0"),
        (SCHEDULES, "plateau", {"factor": 1.5}, "factor: expected a number of at least 0 and under 1, found 1.5"),
        (SCHEDULES, "one_cycle", {"rise": 0.0}, "rise: expected a number above 0, found 0.0"),
    ],
)
def test_options_outside_their_range_are_refused(
    registry: dict[str, type], name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        registry[name](**options)


def test_lbfgs_refuses_what_changes_its_loss_between_evaluations() -> None:
    loss, lbfgs = LOSSES["mean_squared"](), OPTIMIZERS["lbfgs"]()
    with pytest.raises(ValueError, match="batch_size: lbfgs needs the full batch"):
        FitOptions(loss, lbfgs, batch_size=32)
    with pytest.raises(ValueError, match="clip_norm: lbfgs needs the whole gradient"):
        FitOptions(loss, lbfgs, clip_norm=1.0)
    network: MLP = mlp(Layer(3, dropout=0.5), Layer(3))
    with pytest.raises(ValueError, match="dropout: lbfgs needs a loss that is the same at every evaluation"):
        fit(network, *data("mean_squared"), FitOptions(loss, lbfgs), rng=np.random.default_rng(0))
