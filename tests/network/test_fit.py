"""What a fit does: epochs and batches, early stopping, what it says when something goes wrong."""

import itertools
from typing import Any

import numpy as np
import pytest

from network import (
    INITIALIZERS,
    LOSSES,
    MLP,
    OPTIMIZERS,
    SGD,
    Adam,
    Architecture,
    DivergenceError,
    EarlyStopping,
    EpochRecord,
    FitOptions,
    FitResult,
    Layer,
    ShapeError,
    fit,
    loss_and_gradients,
)
from tests.network.networks import data, mlp

SQUARED = LOSSES["mean_squared"]()


def fitted(*, seed: int = 0, network: MLP | None = None, **options: Any) -> FitResult:
    X, y = data("mean_squared", rows=50)
    chosen: dict[str, Any] = {"loss": SQUARED, "optimizer": Adam(0.01), "epochs": 5} | options
    return fit(
        network or mlp(Layer(8), Layer(3, "identity")), X, y, FitOptions(**chosen), rng=np.random.default_rng(seed)
    )


@pytest.mark.parametrize("batch", [None, 1, 7, 25, 50, 1000])
def test_batches_of_any_size_learn(batch: int | None) -> None:
    result = fitted(batch_size=batch, epochs=20)
    assert result.history[-1].loss < 0.95 * result.history[0].loss
    assert [record.epoch for record in result.history] == list(range(1, 21))
    assert result.stopped == "all 20 epochs are done"
    assert result.best_epoch == 20


@pytest.mark.parametrize("batch", [None, 1, 16])
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "lbfgs"])
def test_the_same_seed_gives_the_same_bits(optimizer: str, batch: int | None) -> None:
    if optimizer == "lbfgs":
        batch = None
    network = mlp(Layer(8, dropout=0.0 if optimizer == "lbfgs" else 0.5), Layer(3, "identity"))
    options: dict[str, Any] = {"network": network, "optimizer": OPTIMIZERS[optimizer](), "batch_size": batch}
    first, second = (fitted(**options).mlp.parameters.flat.tobytes() for _ in range(2))
    assert first == second
    assert optimizer == "lbfgs" or batch is None or first != fitted(seed=1, **options).mlp.parameters.flat.tobytes()


def test_one_full_batch_step_is_one_step_down_the_gradient() -> None:
    network = mlp(Layer(8), Layer(3, "identity"))
    X, y = data("mean_squared", rows=50)
    loss, gradients = loss_and_gradients(network, SQUARED, X, y)
    result = fitted(network=network, optimizer=SGD(0.1), epochs=1)
    assert result.history[0].loss == pytest.approx(loss, rel=1e-12)
    for name, array in result.mlp.parameters.items():
        np.testing.assert_allclose(array, network.parameters[name] - 0.1 * gradients[name], rtol=1e-12)


def test_every_row_is_seen_once_an_epoch_the_last_batch_being_smaller() -> None:
    X, y = np.eye(10), np.arange(10.0)
    network = MLP.initialized(
        Architecture(10, (Layer(1, "identity"),)), INITIALIZERS["zeros"](), rng=np.random.default_rng()
    )
    options = FitOptions(LOSSES["half_squared"](), SGD(1.0), epochs=1, batch_size=1)
    answers = fit(network, X, y, options, rng=np.random.default_rng(0)).mlp
    assert not network.parameters.flat.any()
    options = FitOptions(LOSSES["half_squared"](), SGD(1e-9), epochs=1, batch_size=4)
    result = fit(network, X, y, options, rng=np.random.default_rng(0))
    assert result.history[0].loss == pytest.approx(np.mean(y**2) / 2, rel=1e-5)
    assert answers.parameters["layers.0.W"].any(axis=1).sum() >= 9


def test_a_fit_leaves_the_given_network_as_it_was() -> None:
    network = mlp(Layer(8), Layer(3, "identity"))
    before = network.parameters.flat.tobytes()
    assert fitted(network=network).mlp is not network
    assert network.parameters.flat.tobytes() == before


def test_rows_in_order_when_not_shuffled() -> None:
    network = mlp(Layer(8), Layer(3, "identity"))
    results = [fitted(seed=seed, network=network, batch_size=7, shuffle=False) for seed in (0, 1)]
    assert results[0].mlp.parameters.flat.tobytes() == results[1].mlp.parameters.flat.tobytes()


def test_a_penalty_on_squared_weights_is_part_of_the_loss_and_its_gradient() -> None:
    network = mlp(Layer(8), Layer(3, "identity"))
    X, y = data("mean_squared", rows=50)
    loss, gradients = loss_and_gradients(network, SQUARED, X, y)
    squares = sum(float(np.sum(W**2)) for W in network.parameters.weights())
    result = fitted(network=network, optimizer=SGD(0.1), epochs=1, l2=0.3)
    assert result.history[0].loss == pytest.approx(loss + 0.15 * squares)
    W, b = network.parameters["layers.0.W"], network.parameters["layers.0.b"]
    moved = result.mlp.parameters
    np.testing.assert_allclose(moved["layers.0.W"], W - 0.1 * (gradients["layers.0.W"] + 0.3 * W))
    np.testing.assert_allclose(moved["layers.0.b"], b - 0.1 * gradients["layers.0.b"])


@pytest.mark.parametrize("limit", [1e-3, 1e3])
def test_a_clipped_gradient_keeps_its_direction(limit: float) -> None:
    network = mlp(Layer(8), Layer(3, "identity"))
    whole = fitted(network=network, optimizer=SGD(1.0), epochs=1).mlp.parameters.flat - network.parameters.flat
    moved = fitted(network=network, optimizer=SGD(1.0), epochs=1, clip_norm=limit).mlp.parameters.flat
    size = float(np.linalg.norm(whole))
    np.testing.assert_allclose(moved - network.parameters.flat, whole * min(1, limit / size), atol=1e-12)


def test_metrics_are_computed_every_few_epochs_and_at_the_end() -> None:
    X, y = data("mean_squared", rows=50)
    seen: list[EpochRecord] = []
    result = fit(
        mlp(Layer(8), Layer(3, "identity")),
        X,
        y,
        FitOptions(SQUARED, Adam(), epochs=8),
        rng=np.random.default_rng(0),
        validation=(X[:10], y[:10]),
        metrics={"width": lambda mlp: float(mlp.infer(X).shape[1])},
        metrics_every=3,
        on_epoch=seen.append,
    )
    assert tuple(seen) == result.history
    assert [record.metrics.get("width") for record in seen] == [None, None, 3, None, None, 3, None, 3]
    value = np.mean((result.mlp.infer(X[:10]) - y[:10]) ** 2)
    assert seen[-1].metrics["validation_loss"] == pytest.approx(value)
    assert all(0 <= before.seconds <= after.seconds for before, after in itertools.pairwise(seen))


def test_a_fit_stops_below_a_loss() -> None:
    result = fitted(epochs=500, stopping=EarlyStopping(below=0.7))
    assert result.history[-1].loss < 0.7 <= result.history[-2].loss
    assert result.best_epoch == len(result.history)
    assert result.stopped == f"loss fell to {result.history[-1].loss:.6g}, under 0.7, in epoch {result.best_epoch}"


def _stopped_by(values: list[float], **stopping: Any) -> tuple[FitResult, dict[int, bytes]]:
    """Fit with a metric of prescribed values; return the weights after each epoch, too."""
    X, y = data("mean_squared", rows=50)
    weights: dict[int, bytes] = {}

    def metric(mlp: MLP) -> float:
        weights[len(weights) + 1] = mlp.parameters.flat.tobytes()
        return values[len(weights) - 1]

    options = FitOptions(SQUARED, Adam(0.01), epochs=len(values), stopping=EarlyStopping("score", **stopping))
    network = mlp(Layer(8), Layer(3, "identity"))
    return fit(network, X, y, options, rng=np.random.default_rng(0), metrics={"score": metric}), weights


@pytest.mark.parametrize(
    ("values", "stopping", "epochs", "best"),
    [
        ([5, 4, 3, 3.5, 4, 1], {"patience": 2}, 5, 3),
        ([5, 4, 3, 3.5, 4, 1], {"patience": 3}, 6, 6),
        ([1, 2, 9, 3, 4, 5], {"patience": 3, "mode": "max"}, 6, 3),
        ([5, 4.9, 4.8, 4.7], {"patience": 3, "min_delta": 0.5}, 4, 1),
        ([5, 4, 3, 2, 1], {"patience": 3}, 5, 5),
    ],
)
def test_patience_ends_a_fit_and_the_best_weights_are_restored(
    values: list[float], stopping: dict[str, Any], epochs: int, best: int
) -> None:
    result, weights = _stopped_by(values, **stopping)
    assert (len(result.history), result.best_epoch) == (epochs, best)
    assert result.mlp.parameters.flat.tobytes() == weights[best]


def test_the_last_weights_stay_when_the_best_are_not_asked_for() -> None:
    result, weights = _stopped_by([5, 4, 3, 3.5, 4, 1], patience=2, restore_best=False)
    assert result.mlp.parameters.flat.tobytes() == weights[5]
    assert result.stopped == "score has not come under the 3 of epoch 3 for 2 epochs"


def test_an_unknown_monitor_is_refused_before_the_fit() -> None:
    with pytest.raises(ValueError, match="monitor: expected one of loss, found 'validation_loss'"):
        fitted(stopping=EarlyStopping("validation_loss", patience=3))


def test_an_interrupt_passes_through() -> None:
    def interrupt(record: EpochRecord) -> None:
        if record.epoch == 3:
            raise KeyboardInterrupt

    options = FitOptions(SQUARED, Adam())
    with pytest.raises(KeyboardInterrupt):
        fit(mlp(Layer(3, "identity")), *data("mean_squared"), options, rng=np.random.default_rng(0), on_epoch=interrupt)


@pytest.mark.parametrize("batch", [None, 8])
def test_divergence_is_said_with_the_remedy(batch: int | None) -> None:
    message = (
        r"the loss became (inf|nan) in epoch \d+: lower the learning rate \(it was 1000\), "
        r"clip the gradients \(clip_norm\) or standardise the inputs"
    )
    with pytest.raises(DivergenceError, match=message):
        fitted(optimizer=SGD(1000.0), epochs=500, batch_size=batch)


def test_dead_units_are_counted_and_dated() -> None:
    X = np.abs(data("mean_squared", rows=50)[0])
    y = -np.ones((50, 1))
    network = mlp(Layer(50), Layer(1, "identity"))
    options = FitOptions(SQUARED, SGD(30.0), epochs=20)
    result = fit(network, X, y, options, rng=np.random.default_rng(0))
    (warning,) = result.warnings
    assert warning.startswith("all 50 units of layer 0 are inactive since epoch ")
    assert warning.endswith(": lower the learning rate or use he_normal")
    dated = int(warning.split("since epoch ")[1].split(":")[0])
    # They died by the last step before that epoch: without it, they live.
    alive = fit(network, X, y, FitOptions(SQUARED, SGD(30.0), epochs=dated - 2), rng=np.random.default_rng(0))
    assert not any("all 50" in sentence for sentence in alive.warnings)


def test_a_healthy_fit_warns_of_nothing() -> None:
    assert fitted().warnings == ()


def test_most_units_inactive_is_said_too() -> None:
    network = mlp(Layer(10), Layer(3, "identity"))
    network.parameters["layers.0.b"][1:] = -100
    sentence = "9 of 10 units of layer 0 are inactive: lower the learning rate or use he_normal"
    assert fitted(network=network).warnings == (sentence,)


def _one(**changes: Any) -> dict[str, Any]:
    X, y = data("mean_squared")
    return {"X": X, "y": y} | changes


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (_one(X=np.zeros((12, 3))), ShapeError, r"X: expected shape \(at least 1 row, 4\), found \(12, 3\)"),
        (_one(X=np.zeros((0, 4))), ShapeError, r"X: expected shape \(at least 1 row, 4\), found \(0, 4\)"),
        (_one(X=np.full((12, 4), np.inf)), ValueError, "X: expected finite numbers, found inf in row 0, column 0"),
        (_one(y=np.zeros((11, 3))), ShapeError, r"y: expected shape \(12, 3\), found \(11, 3\)"),
        (_one(sample_weight=np.ones(3)), ShapeError, r"sample_weight: expected shape \(12,\), found \(3,\)"),
        (_one(sample_weight=-np.ones(12)), ValueError, "weights: expected finite numbers of at least 0"),
        (_one(sample_weight=np.zeros(12)), ValueError, "weights: .*, not all of them 0"),
        (_one(class_weight={0: 1.0}), ValueError, "class_weight: no weight for class 1"),
        (_one(validation=(np.zeros((2, 3)), np.zeros((2, 3)))), ShapeError, "X: expected shape"),
    ],
)
def test_data_that_does_not_fit_is_refused_in_words(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    X, y = change.pop("X"), change.pop("y")
    with pytest.raises(error, match=message):
        fit(mlp(Layer(3, "identity")), X, y, FitOptions(SQUARED, Adam()), rng=np.random.default_rng(0), **change)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs: expected a number of at least 1, found 0"),
        ({"batch_size": 0}, "batch_size: expected a number of at least 1, found 0"),
        ({"l2": -1.0}, "l2: expected a number of at least 0, found -1.0"),
        ({"clip_norm": 0.0}, "clip_norm: expected a number above 0, found 0.0"),
    ],
)
def test_options_outside_their_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FitOptions(SQUARED, Adam(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restore_best": False}, "stopping: expected `below`, `patience` or `restore_best`"),
        ({"patience": 0}, "patience: expected a number of at least 1, found 0"),
        ({"below": 1.0, "mode": "least"}, "mode: expected min or max, found 'least'"),
    ],
)
def test_stopping_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**options)


def test_the_monitored_loss_may_be_that_of_other_rows() -> None:
    X, y = data("categorical_cross_entropy", rows=60)
    codes = y.argmax(axis=1)
    options = FitOptions(
        LOSSES["categorical_cross_entropy"](),
        Adam(0.05),
        epochs=300,
        stopping=EarlyStopping("validation_loss", patience=5),
    )
    network = mlp(Layer(16), Layer(3, "softmax"))
    rng = np.random.default_rng(0)
    result = fit(network, X[:40], codes[:40], options, rng=rng, validation=(X[40:], codes[40:]))
    losses = [record.metrics["validation_loss"] for record in result.history]
    assert result.best_epoch == 1 + int(np.argmin(losses)) == len(losses) - 5
    A = result.mlp.infer(X[40:])
    assert -np.mean(np.log(A[np.arange(20), codes[40:]])) == pytest.approx(min(losses))


def test_one_epoch_is_told_in_the_singular() -> None:
    assert fitted(epochs=1).stopped == "the one epoch is done"
