"""What a network answers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network import ACTIVATIONS, LOSSES, MLP, Architecture, Layer, Parameters, ShapeError, loss_and_gradients
from tests.network.networks import Matrix, data, mlp, plain_infer

UNITS = st.sampled_from([1, 2, 3, 5, 8, 16, 17, 50, 64, 100, 400])


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
    rows=st.integers(1, 150),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    kind=st.tuples(st.sampled_from([name for name in ACTIVATIONS if name != "exp"]), st.sampled_from([1, 1, 2, 9])),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=150, deadline=None)
def test_a_row_has_the_same_bits_in_every_batch(
    sizes: list[int], rows: int, cut: tuple[float, float], kind: tuple[str, int], dtype: type
) -> None:
    hidden, members = kind
    layers = [Layer(units, hidden) for units in sizes[1:]]
    network = mlp(*layers, inputs=sizes[0], members=members, dtype=dtype)
    X: Matrix = np.random.default_rng(rows).normal(size=(rows, sizes[0])).astype(dtype)
    start, stop = sorted(int(part * rows) for part in cut)
    stop = max(stop, start + 1)
    part = X[start:stop]
    assert network.infer(part).tobytes() == network.infer(X)[start:stop].tobytes()
    assert network.infer(X[::-1])[::-1].tobytes() == network.infer(X).tobytes()


def test_a_row_has_the_same_bits_in_a_batch_of_many_thousands() -> None:
    network = mlp(Layer(512), Layer(512), Layer(10, "softmax"), inputs=784, dtype=np.float32)
    X = np.random.default_rng(0).normal(size=(4200, 784)).astype(np.float32)
    whole = network.infer(X)
    for rows in (slice(0, 1), slice(4095, 4097), slice(4199, 4200), slice(10, 700)):
        assert network.infer(X[rows]).tobytes() == whole[rows].tobytes()


def test_a_row_of_an_ensemble_has_the_same_bits_in_a_batch_of_many_thousands() -> None:
    network = mlp(Layer(40, "silu"), Layer(1, "sigmoid"), members=20, dtype=np.float32)
    X = np.random.default_rng(0).normal(size=(1000, 4)).astype(np.float32)
    whole = network.infer(X), network.logits(X)
    for rows in (slice(0, 1), slice(191, 193), slice(999, 1000), slice(10, 700)):
        assert network.infer(X[rows]).tobytes() == whole[0][rows].tobytes()
        assert network.logits(X[rows]).tobytes() == whole[1][rows].tobytes()


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
