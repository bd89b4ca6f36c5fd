"""A step allocates nothing: what a fit needs is there after its first epoch."""

import tracemalloc
from typing import Any

import numpy as np
import pytest

from network import ACTIVATIONS, LOSSES, MLP, OPTIMIZERS, SCHEDULES, Adam, FitOptions, Layer, Trainer, training_rows
from tests.network.networks import LINKED, data, last_activation, made_loss, mlp

pytestmark = pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.3.0", reason="NumPy before 2.3 reduces through buffers that it allocates"
)

FEW_BYTES = 4096
"""Views of a batch's rows, floats and the like; one column of a batch takes more."""

ROWS, BATCH, UNITS = 5000, 2048, 64
FIRST_ORDER = [name for name in OPTIMIZERS if name != "lbfgs"]


def peak_after_the_first_epoch(network: MLP, loss: str = "half_squared", weights: Any = None, **options: Any) -> int:
    """The most bytes that two epochs after the first held at a time; other threads of the process may allocate, too."""
    X, y = data(loss, rows=ROWS)
    y = y[:, : network.architecture.outputs]
    defaults: dict[str, Any] = {"loss": made_loss(loss), "optimizer": Adam(), "batch_size": BATCH}
    chosen = FitOptions(**defaults | options)
    trainer = Trainer(network, chosen, np.random.default_rng(0))
    rows = training_rows(trainer.mlp, chosen.loss, X, y, **(weights or {}))
    trainer.epoch(rows)
    peaks = [peak_of_two_epochs(trainer, rows)]
    while peaks[-1] >= FEW_BYTES and len(peaks) < 3:
        peaks.append(peak_of_two_epochs(trainer, rows))
    return min(peaks)


def peak_of_two_epochs(trainer: Trainer, rows: Any) -> int:
    tracemalloc.start()
    try:
        losses = [trainer.epoch(rows) for _ in range(2)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(losses).all()
    return peak


def network(hidden: str = "relu", last: str = "identity", **options: Any) -> MLP:
    """A network whose every matrix is larger than what is allowed."""
    return mlp(Layer(UNITS, hidden, **options), Layer(UNITS, hidden, **options), Layer(3, last), dtype=np.float32)


@pytest.mark.parametrize("hidden", [name for name in ACTIVATIONS if name != "exp"])
def test_no_activation_allocates(hidden: str) -> None:
    assert peak_after_the_first_epoch(network(hidden)) < FEW_BYTES


@pytest.mark.parametrize("last", ACTIVATIONS)
def test_no_activation_of_the_last_layer_allocates(last: str) -> None:
    assert peak_after_the_first_epoch(network(last=last)) < FEW_BYTES


@pytest.mark.parametrize("loss", LOSSES)
def test_no_loss_allocates(loss: str) -> None:
    assert peak_after_the_first_epoch(network(last=last_activation(loss)), loss) < FEW_BYTES


@pytest.mark.parametrize("loss", [name for name in LOSSES if name != "categorical_cross_entropy"])
def test_no_loss_of_one_output_allocates(loss: str) -> None:
    single = mlp(Layer(UNITS), Layer(1, LINKED.get(loss, "identity")), dtype=np.float32)
    assert peak_after_the_first_epoch(single, loss) < FEW_BYTES


@pytest.mark.parametrize("optimizer", FIRST_ORDER)
def test_no_optimizer_allocates(optimizer: str) -> None:
    assert peak_after_the_first_epoch(network(), optimizer=OPTIMIZERS[optimizer]()) < FEW_BYTES


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_schedule_allocates(schedule: str) -> None:
    options = {"every": 1} if schedule == "step" else {}
    assert peak_after_the_first_epoch(network(), schedule=SCHEDULES[schedule](**options)) < FEW_BYTES


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": None},
        {"batch_size": 1000},
        {"batch_size": 1999},
        {"shuffle": False},
        {"l2": 0.01},
        {"clip_norm": 1e-3},
        {"weights": {"sample_weight": np.linspace(0, 1, ROWS)}},
        {"weights": {"class_weight": {0: 1.0, 1: 2.0, 2: 3.0}}},
    ],
    ids=str,
)
def test_no_option_allocates(options: dict[str, Any]) -> None:
    assert peak_after_the_first_epoch(network(), **options) < FEW_BYTES


def test_dropout_allocates_nothing() -> None:
    assert peak_after_the_first_epoch(network("gelu", dropout=0.5)) < FEW_BYTES


@pytest.mark.parametrize("loss", ["half_squared", "categorical_cross_entropy"])
def test_an_ensemble_allocates_nothing(loss: str) -> None:
    several = mlp(Layer(UNITS), Layer(UNITS, dropout=0.1), Layer(3, last_activation(loss)), members=3)
    weights = {"sample_weight": np.linspace(0, 1, ROWS)}
    assert peak_after_the_first_epoch(several, loss, weights, l2=0.1, clip_norm=1e-3) < FEW_BYTES


def test_the_measure_sees_an_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wasteful(type(ACTIVATIONS["relu"])):  # type: ignore[misc]
        def backward(self, dA: Any, Z: Any, A: Any, do: Any) -> None:
            do(lambda A, out: np.multiply(out, A > 0, out=out), A, out=dA)

    monkeypatch.setitem(ACTIVATIONS, "relu", Wasteful())
    assert peak_after_the_first_epoch(network()) > UNITS * 800
