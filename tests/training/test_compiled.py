"""Adam compiled: the same bits, wherever it starts from and whoever goes on."""

import sys
from typing import Any

import numpy as np
import pytest

from network import (
    INITIALIZERS,
    LOSSES,
    MLP,
    SGD,
    Adam,
    AdamW,
    Architecture,
    FitOptions,
    Layer,
    Optimizer,
    Rows,
    Trainer,
    training_rows,
)
from training.compiled import CompiledAdam, compiled

LOSS = LOSSES["half_squared"]()
ROWS = 96


def network(dtype: Any = np.float32) -> MLP:
    units = 300  # more parameters than fit into one block
    architecture = Architecture(5, (Layer(units, "tanh"), Layer(units, "relu"), Layer(1, "identity")))
    return MLP.initialized(architecture, INITIALIZERS["he_normal"](), rng=np.random.default_rng(1), dtype=dtype)


def trainer(optimizer: Optimizer, dtype: Any = np.float32) -> Trainer:
    return Trainer(network(dtype), FitOptions(LOSS, optimizer, epochs=6, batch_size=32), np.random.default_rng(2))


def data(mlp: MLP) -> Rows:
    X = np.random.default_rng(3).normal(size=(ROWS, 5))
    return training_rows(mlp, LOSS, X, X[:, 0] * X[:, 1])


@pytest.mark.parametrize("options", [Adam(0.01), Adam(0.01, 0.5, 0.9, 0.1), AdamW(0.01, weight_decay=0.3)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_compiled_fit_ends_in_the_same_bits(options: Adam, dtype: Any) -> None:
    plain, fast = trainer(options, dtype), trainer(CompiledAdam(options), dtype)
    rows = data(plain.mlp)
    for _ in range(6):
        assert plain.epoch(rows) == fast.epoch(rows)
    assert plain.mlp.parameters.flat.tobytes() == fast.mlp.parameters.flat.tobytes()
    for name, value in plain.state().items():
        assert np.array_equal(value, fast.state()[name])


def test_either_goes_on_from_what_the_other_left() -> None:
    plain, fast = trainer(Adam()), trainer(CompiledAdam(Adam()))
    rows = data(plain.mlp)
    plain.epoch(rows)
    left = plain.checkpoint()
    fast.resume(left)
    assert plain.epoch(rows) == fast.epoch(rows)
    back = trainer(Adam())
    back.resume(fast.checkpoint())
    back.epoch(rows)
    plain.epoch(rows)
    assert back.mlp.parameters.flat.tobytes() == plain.mlp.parameters.flat.tobytes()


def settings(optimizer: Optimizer, epochs: int) -> FitOptions:
    return FitOptions(LOSS, optimizer, epochs=epochs, batch_size=10)


def test_only_a_long_fit_is_compiled() -> None:
    mlp = network()
    updates = mlp.parameters.flat.size * 10  # an epoch of 95 rows has ten batches
    few, many = settings(AdamW(), 1), settings(AdamW(), int(4e9 // updates) + 1)
    assert compiled(few, mlp, 95) is few
    assert compiled(many, mlp, 95).optimizer == CompiledAdam(AdamW())


def test_what_cannot_be_compiled_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    mlp = network()
    other = settings(SGD(), 10**6)
    assert compiled(other, mlp, 95) is other
    long = settings(Adam(), 10**6)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert compiled(long, mlp, 95) is long
