"""Fits to rows that come in parts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from network import (
    LOSSES,
    SCHEDULES,
    Adam,
    DivergenceError,
    EpochRecord,
    FitOptions,
    Layer,
    Rows,
    State,
    fit,
    fit_parts,
)
from tests.network.networks import Matrix, data, mlp

SQUARED = LOSSES["mean_squared"]()


@dataclass
class Halves:
    """Two parts in the same arrays, the larger one first in even epochs."""

    X: Matrix
    Y: Matrix
    seen: list[int]

    count = 2

    @property
    def sample(self) -> Matrix:
        return self.X[:5]

    def of_epoch(self, epoch: int) -> Iterator[Rows]:
        self.seen.append(epoch)
        for rows in (slice(0, 30), slice(30, 50))[:: 1 - 2 * (epoch % 2)]:
            yield Rows(self.X[rows], self.Y[rows], None)

    def __len__(self) -> int:
        return len(self.X)


def halves(scale: float = 1.0) -> Halves:
    X, y = data("mean_squared", rows=50)
    return Halves(X.astype(np.float32) * np.float32(scale), y.astype(np.float32), [])


def options(epochs: int = 6, rate: float = 0.01) -> FitOptions:
    return FitOptions(SQUARED, Adam(rate), SCHEDULES["one_cycle"](), epochs=epochs, batch_size=10)


def test_an_epoch_is_all_its_parts() -> None:
    parts = halves()
    result = fit_parts(
        mlp(Layer(8), Layer(3, "identity"), dtype=np.float32), parts, options(), rng=np.random.default_rng(0)
    )
    assert parts.seen == [0, 1, 2, 3, 4, 5]
    assert [record.epoch for record in result.history] == [1, 2, 3, 4, 5, 6]
    assert result.history[-1].loss < result.history[0].loss


def test_the_schedule_runs_through_the_parts_as_through_the_whole() -> None:
    parts = halves()
    net = mlp(Layer(8), Layer(3, "identity"), dtype=np.float32)
    in_parts = fit_parts(net, parts, options(), rng=np.random.default_rng(0))
    whole = fit(net, parts.X, parts.Y, options(), rng=np.random.default_rng(0))
    for one, other in zip(in_parts.history, whole.history, strict=True):
        assert one.learning_rate == pytest.approx(other.learning_rate, rel=0.5)
        assert one.loss == pytest.approx(other.loss, rel=0.2)


def test_a_fit_in_parts_goes_on_to_the_same_bits() -> None:
    states: dict[int, State] = {}

    def keep(record: EpochRecord, state: object, *, is_last: bool) -> None:
        states[record.epoch] = state()  # type: ignore[operator]

    net = mlp(Layer(8, dropout=0.2), Layer(3, "identity"), dtype=np.float32)
    whole = fit_parts(net, halves(), options(), rng=np.random.default_rng(0), keep=keep)
    for state in list(states.values()):
        again = fit_parts(net, halves(), options(), rng=np.random.default_rng(7), resume=state)
        assert again.mlp.parameters.flat.tobytes() == whole.mlp.parameters.flat.tobytes()


def test_a_part_that_diverges_ends_the_epoch() -> None:
    with pytest.raises(DivergenceError, match="in epoch 1: lower the learning rate"):
        fit_parts(
            mlp(Layer(8), Layer(3, "identity"), dtype=np.float32),
            halves(1e30),
            options(),
            rng=np.random.default_rng(0),
        )
