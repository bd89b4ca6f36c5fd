"""A fit that goes on from a state of an earlier one ends with the bits of the fit that was never interrupted."""

from typing import Any

import numpy as np
import pytest

from network import (
    INITIALIZERS,
    LOSSES,
    MLP,
    OPTIMIZERS,
    SCHEDULES,
    Adam,
    Architecture,
    EarlyStopping,
    EpochRecord,
    FitOptions,
    FitResult,
    Layer,
    State,
    fit,
)
from network.schedules import Plateau
from tests.network.networks import data, mlp

EPOCHS = 12


def fitted(options: FitOptions, *, dropout: float, states: dict[int, State], resume: State | None = None) -> FitResult:
    """Fit with a generator that only a state can set right, and keep the state of every epoch."""

    def keep(record: EpochRecord, state: Any, *, is_last: bool) -> None:
        assert is_last == (record.epoch == EPOCHS) or options.stopping is not None
        states[record.epoch] = state()

    X, y = data("mean_squared", rows=50)
    rng = np.random.default_rng(0 if resume is None else 99)
    network = mlp(Layer(8, dropout=dropout), Layer(3, "identity"), dtype=np.float32)
    held = data("mean_squared", rows=20, seed=5)
    return fit(network, X, y, options, rng=rng, validation=held, metrics_every=5, keep=keep, resume=resume)


def told(result: FitResult) -> tuple[Any, ...]:
    """Everything that a result says but the seconds."""
    records = [(record.epoch, record.loss, record.learning_rate, dict(record.metrics)) for record in result.history]
    return result.mlp.parameters.flat.tobytes(), records, result.best_epoch, result.stopped, result.warnings


@pytest.mark.parametrize("schedule", ["constant", "one_cycle", "plateau"])
@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_a_fit_goes_on_from_any_epoch_to_the_same_bits(optimizer: str, schedule: str) -> None:
    is_lbfgs = optimizer == "lbfgs"
    options = FitOptions(
        loss=LOSSES["mean_squared"](),
        optimizer=OPTIMIZERS[optimizer](),
        schedule=Plateau(patience=2) if schedule == "plateau" else SCHEDULES[schedule](),
        epochs=EPOCHS,
        batch_size=None if is_lbfgs else 7,
    )
    dropout = 0.0 if is_lbfgs else 0.3
    states: dict[int, State] = {}
    whole = told(fitted(options, dropout=dropout, states=states))
    for epoch, state in list(states.items()):
        assert told(fitted(options, dropout=dropout, states={}, resume=state)) == whole, epoch


@pytest.mark.parametrize("restore_best", [True, False])
def test_what_stopping_has_seen_is_part_of_the_state(restore_best: bool) -> None:
    stopping = EarlyStopping("validation_loss", patience=2, restore_best=restore_best)
    options = FitOptions(
        loss=LOSSES["mean_squared"](),
        optimizer=Adam(0.2),
        epochs=100,
        batch_size=7,
        stopping=stopping,
    )
    states: dict[int, State] = {}
    result = fitted(options, dropout=0.0, states=states)
    assert "has not come under" in result.stopped
    for state in list(states.values()):
        assert told(fitted(options, dropout=0.0, states={}, resume=state)) == told(result)


def test_a_state_is_a_copy() -> None:
    options = FitOptions(loss=LOSSES["mean_squared"](), optimizer=OPTIMIZERS["adam"](), epochs=EPOCHS)
    states: dict[int, State] = {}
    fitted(options, dropout=0.0, states=states)
    assert not np.array_equal(states[1]["trainer"]["parameters"], states[2]["trainer"]["parameters"])
    assert len(states[1]["history"]["epochs"]) == 1


def test_an_ensemble_goes_on_to_the_same_bits() -> None:
    X, y = data("mean_squared", rows=50)
    options = FitOptions(loss=LOSSES["mean_squared"](), optimizer=Adam(), epochs=4, batch_size=7)
    architecture = Architecture(4, (Layer(8, dropout=0.3), Layer(3, "identity")), members=2)
    states: dict[int, State] = {}

    def result(seed: int, resume: State | None = None) -> bytes:
        def keep(record: EpochRecord, state: Any, *, is_last: bool) -> None:
            states.setdefault(record.epoch, state())

        network = MLP.initialized(architecture, INITIALIZERS["he_normal"](), rng=np.random.default_rng(0))
        rng = np.random.default_rng(seed)
        return fit(network, X, y, options, rng=rng, keep=keep, resume=resume).mlp.parameters.flat.tobytes()

    whole = result(seed=1)
    assert [result(seed=2, resume=states[epoch]) for epoch in (1, 2, 3, 4)] == [whole] * 4
