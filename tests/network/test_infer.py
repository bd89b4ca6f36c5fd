"""What a network answers."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network import ACTIVATIONS, LOSSES, MLP, Architecture, Layer, Parameters, ShapeError, loss_and_gradients
from tests.network.invariance import HIDDEN, is_invariant, network_of, rows_for
from tests.network.networks import data, mlp, plain_infer

UNITS = st.sampled_from([1, 2, 3, 5, 7, 8, 10, 16, 17, 50, 64, 100, 300, 333, 400, 512])
CPU = Path("/proc/cpuinfo")
HAS_AVX2 = CPU.is_file() and "avx2" in CPU.read_text("utf-8")
MULTIPLICATIONS = 2**26
"""Of one answer, so that the test ends soon: many rows of narrow networks, fewer of wide ones."""


@pytest.mark.parametrize("hidden", [name for name in ACTIVATIONS if name != "exp"])
@pytest.mark.parametrize("last", ["softmax", "identity", "sigmoid", "exp"])
def test_answers_are_those_of_the_formulas(hidden: str, last: str) -> None:
    network = mlp(Layer(6, hidden), Layer(5, hidden, bias=False), Layer(3, last))
    X, _ = data("mean_squared")
    np.testing.assert_allclose(network.infer(X), plain_infer(network, X), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_answers_are_those_that_training_sees(name: str) -> None:
    network = mlp(Layer(40, name if name != "exp" else "relu", dropout=0.5), Layer(3, name), dtype=np.float64)
    X, y = data("half_squared", rows=70)
    loss, _ = loss_and_gradients(network, LOSSES["half_squared"](), X, y)
    assert loss == pytest.approx(0.5 * np.mean(np.sum((network.infer(X) - y) ** 2, axis=1)))


@given(
    sizes=st.lists(UNITS, min_size=2, max_size=4),
    batch=st.tuples(st.integers(1, 2000), st.floats(0, 1), st.floats(0, 1)),
    kinds=st.tuples(st.sampled_from(HIDDEN), st.sampled_from(["softmax", "identity", "sigmoid", "exp"])),
    rest=st.tuples(st.sampled_from([1, 1, 1, 2, 9]), st.sampled_from([np.float32, np.float64]), st.booleans()),
)
@settings(max_examples=120, deadline=None)
def test_a_row_has_the_same_bits_in_every_batch(
    sizes: list[int],
    batch: tuple[int, float, float],
    kinds: tuple[str, str],
    rest: tuple[int, type, bool],
) -> None:
    (rows, *cut), (members, dtype, is_loaded) = batch, rest
    network = network_of(sizes, kinds, members, dtype, is_loaded=is_loaded)
    rows = max(1, min(rows, MULTIPLICATIONS // network.parameters.flat.size))
    start, stop = sorted(int(part * (rows - 1)) for part in cut)
    assert is_invariant(network, rows, start, stop + 1)


@pytest.mark.parametrize("rows", [2, 31, 999, 2000, 4200])
@pytest.mark.parametrize("sizes", [[8, 64, 64, 3], [784, 512, 512, 10]])
def test_a_row_has_the_same_bits_in_large_batches_of_the_networks_that_are_measured(
    sizes: list[int], rows: int
) -> None:
    network = network_of(sizes, ("relu", "softmax"), 1, np.float32)
    X = rows_for(network, rows)
    whole = network.infer(X)
    for start, stop in ((0, 1), (rows // 2, rows // 2 + 1), (rows - 1, rows), (rows // 3, min(rows, rows // 3 + 700))):
        assert network.infer(X[start:stop]).tobytes() == whole[start:stop].tobytes()


def test_a_row_of_an_ensemble_has_the_same_bits_in_a_batch_of_many_thousands() -> None:
    network = network_of([4, 40, 1], ("silu", "sigmoid"), 20, np.float32)
    assert is_invariant(network, 1000, 191, 700)


def test_a_row_has_the_same_bits_where_layers_are_too_large_to_be_tried() -> None:
    assert is_invariant(network_of([1, 140_000, 2], ("relu", "identity"), 1, np.float32), 40, 7, 9)


@pytest.mark.parametrize(
    "environment",
    [
        pytest.param({"OPENBLAS_CORETYPE": "Haswell"}, marks=pytest.mark.skipif(not HAS_AVX2, reason="needs AVX2")),
        pytest.param({"OPENBLAS_CORETYPE": "Nehalem"}, marks=pytest.mark.skipif(not HAS_AVX2, reason="needs SSE 4.2")),
        {"OPENBLAS_NUM_THREADS": "2"},
    ],
    ids=str,
)
def test_a_row_has_the_same_bits_with_the_kernels_of_other_processors_and_threads(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "tests.network.invariance"]
    given = {"OPENBLAS_NUM_THREADS": "1"} | dict(os.environ) | environment
    done = subprocess.run(command, env=given, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_without_the_promise_answers_are_the_same_numbers() -> None:
    network = network_of([20, 50, 17], ("relu", "softmax"), 1, np.float64)
    plain = replace(network, batch_invariant=False)
    for rows in (1, 7, 1500):
        X = rows_for(network, rows)
        np.testing.assert_allclose(plain.infer(X), network.infer(X), rtol=1e-12)


def test_parameters_that_change_are_answered_with_as_they_are() -> None:
    network = network_of([20, 50, 17], ("relu", "identity"), 1, np.float32, is_loaded=False)
    X = rows_for(network, 5)
    before = network.infer(X)
    network.parameters.flat *= 2
    loaded = MLP(network.architecture, network.parameters.copy().read_only())
    assert np.array_equal(network.infer(X), loaded.infer(X))
    assert not np.array_equal(network.infer(X), before)


def test_a_network_that_has_answered_can_be_pickled() -> None:
    network = network_of([8, 17, 3], ("relu", "softmax"), 1, np.float32)
    X = rows_for(network, 9)
    expected = network.infer(X)
    again = pickle.loads(pickle.dumps(network))  # noqa: S301 - its own
    assert np.array_equal(again.infer(X), expected)


def test_threads_share_a_network() -> None:
    network = mlp(Layer(64), Layer(3, "softmax"), inputs=8, dtype=np.float32)
    batches = [np.random.default_rng(seed).normal(size=(seed % 50 + 1, 8)) for seed in range(200)]
    alone = [network.infer(X).tobytes() for X in batches]
    with ThreadPoolExecutor(8) as pool:
        assert [A.tobytes() for A in pool.map(network.infer, batches)] == alone


def test_answers_go_into_a_given_array() -> None:
    network = mlp(Layer(5), Layer(3, "softmax"))
    X, _ = data("mean_squared", rows=40)
    out = np.empty((40, 3))
    assert network.infer(X, out) is out
    assert np.array_equal(out, network.infer(X))


def test_logits_come_before_the_last_activation() -> None:
    network = mlp(Layer(5), Layer(3, "softmax"))
    X, _ = data("mean_squared")
    E = np.exp(network.logits(X))
    np.testing.assert_allclose(network.infer(X), E / E.sum(axis=1, keepdims=True))


def test_no_rows_get_no_answers() -> None:
    assert mlp(Layer(3)).infer(np.empty((0, 4))).shape == (0, 3)


def test_values_beyond_the_type_warn_of_nothing_and_are_not_finite() -> None:
    network = mlp(Layer(5, "gelu"), Layer(3, "softmax"), dtype=np.float32)
    assert not np.isfinite(network.infer(np.full((1, 4), 3e38))).any()


@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 2, 4)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"X: expected shape \(rows, 4\), found \("):
        mlp(Layer(3)).infer(np.zeros(shape))


def test_parameters_of_another_architecture_are_refused() -> None:
    parameters = Parameters.zeros(Architecture(4, (Layer(3),)))
    with pytest.raises(ShapeError, match=r"layers.0.W: expected shape \(4, 2\), found \(4, 3\)"):
        MLP(Architecture(4, (Layer(2),)), parameters)
