"""Architectures and parameters as values."""

from typing import Any

import numpy as np
import pytest

from network import INITIALIZERS, MLP, Architecture, Layer, Parameters, ShapeError

NETWORK = Architecture(4, (Layer(3, "tanh", dropout=0.5), Layer(2, "softmax", bias=False)))


def test_an_architecture_survives_the_way_through_json() -> None:
    assert Architecture.from_dict(NETWORK.to_dict()) == NETWORK


def test_parameters_are_named_by_layer_and_shaped_by_units() -> None:
    assert NETWORK.shapes() == {"layers.0.W": (4, 3), "layers.0.b": (3,), "layers.1.W": (3, 2)}
    assert NETWORK.outputs == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": 0}, "architecture.inputs: expected a whole number from 1 to 1048576, found 0"),
        ({"inputs": True}, "architecture.inputs: expected a whole number from 1 to 1048576, found True"),
        ({"layers": []}, "architecture.layers: expected at least one"),
        ({"layers": {}}, "architecture.layers: expected a list"),
        ({"more": 1}, "architecture: expected an object with the keys inputs, layers"),
    ],
)
def test_an_architecture_that_is_none_is_refused_by_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Architecture.from_dict(NETWORK.to_dict() | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": 1.5}, "layers.0.units: expected a whole number from 1 to 1048576, found 1.5"),
        ({"activation": "rely"}, "layers.0.activation: expected one of relu, leaky_relu, .*, found 'rely'"),
        ({"activation": ["relu"]}, "layers.0.activation: expected a name"),
        ({"bias": 1}, "layers.0.bias: expected true or false, found 1"),
        ({"dropout": 1.0}, "layers.0.dropout: expected a fraction of at least 0 and under 1, found 1.0"),
        ({"extra": 1}, "layers.0: expected an object with the keys activation, bias, dropout, units"),
    ],
)
def test_a_layer_that_is_none_is_refused_by_place(change: dict[str, Any], message: str) -> None:
    mapping = NETWORK.to_dict()
    mapping["layers"][0] |= change
    with pytest.raises(ValueError, match=f"architecture.{message}"):
        Architecture.from_dict(mapping)


def test_the_last_layer_drops_nothing() -> None:
    with pytest.raises(ValueError, match=r"layers.0.dropout: expected 0 for the last layer"):
        Architecture(2, (Layer(2, dropout=0.1),))


def test_named_parameters_are_views_on_one_vector() -> None:
    parameters = Parameters.zeros(NETWORK)
    parameters.flat[:] = np.arange(21)
    assert parameters["layers.0.b"].tolist() == [12, 13, 14]
    parameters["layers.1.W"][:] = 0
    assert parameters.flat[15:].tolist() == [0] * 6


def test_parameters_from_arrays_are_copies() -> None:
    arrays = {name: np.ones(shape, np.float32) for name, shape in NETWORK.shapes().items()}
    parameters = Parameters.from_arrays(NETWORK, arrays)
    arrays["layers.0.W"][:] = 7
    assert parameters.flat.tolist() == [1] * 21


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers.0.W": np.ones((3, 4))}, r"layers.0.W: expected shape \(4, 3\), found \(3, 4\)"),
        ({"layers.1.b": np.ones(2)}, r"layers.1.b: expected shape no such array, found \(2,\)"),
    ],
)
def test_arrays_of_another_architecture_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    arrays = {name: np.ones(shape) for name, shape in NETWORK.shapes().items()}
    with pytest.raises(ShapeError, match=message):
        Parameters.from_arrays(NETWORK, arrays | change)


def test_a_missing_array_is_named() -> None:
    with pytest.raises(ShapeError, match=r"layers.0.W: expected shape \(4, 3\), found None"):
        Parameters.from_arrays(NETWORK, {})


SPREADS = {
    "normal": ({"sigma": 0.2}, 0.2),
    "uniform": ({"low": -0.6, "high": 0.6}, 0.6 / 3**0.5),
    "he_normal": ({}, (2 / 300) ** 0.5),
    "he_uniform": ({}, (2 / 300) ** 0.5),
    "glorot_normal": ({}, (2 / 500) ** 0.5),
    "glorot_uniform": ({}, (2 / 500) ** 0.5),
    "zeros": ({}, 0.0),
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_an_initializer_draws_the_spread_that_it_promises(name: str) -> None:
    options, spread = SPREADS[name]
    architecture = Architecture(300, (Layer(200), Layer(1)))
    network = MLP.initialized(architecture, INITIALIZERS[name](**options), rng=np.random.default_rng(0))
    W = network.parameters["layers.0.W"]
    assert W.std() == pytest.approx(spread, rel=0.02)
    assert abs(W.mean()) <= 0.01 * max(spread, 1e-9) + 0.001
    assert not network.parameters["layers.0.b"].any()


def test_the_same_generator_gives_the_same_weights() -> None:
    def drawn() -> bytes:
        return MLP.initialized(
            NETWORK, INITIALIZERS["he_normal"](), rng=np.random.default_rng(3)
        ).parameters.flat.tobytes()

    assert drawn() == drawn()
