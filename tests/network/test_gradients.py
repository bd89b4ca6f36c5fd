"""One contract for every activation, layer and loss: the derivative is the derivative."""

import numpy as np
import pytest

from network import ACTIVATIONS, LOSSES, MLP, Layer, Loss, Parameters, loss_and_gradients
from network.activations import ReLU
from network.tape import Do, now
from tests.network.networks import Matrix, data, last_activation, made_loss, mlp

STEP = 1e-6


def disagreement(
    network: MLP, loss: Loss, X: Matrix, y: Matrix, *, weight: Matrix | None = None, drop: bool = False
) -> float:
    """The largest difference, along random directions v, of J v by central differences and <gradient, v>."""

    def evaluated(flat: Matrix) -> tuple[float, Matrix]:
        at = MLP(network.architecture, Parameters(network.architecture.shapes(), flat))
        rng = np.random.default_rng(5) if drop else None
        value, gradients = loss_and_gradients(at, loss, X, y, sample_weight=weight, rng=rng)
        return value, np.concatenate([array.ravel() for array in gradients.values()])

    theta = network.parameters.flat
    worst = 0.0
    for seed in range(4):
        v = np.random.default_rng(seed).normal(size=theta.shape)
        v /= np.linalg.norm(v)
        numeric = (evaluated(theta + STEP * v)[0] - evaluated(theta - STEP * v)[0]) / (2 * STEP)
        worst = max(worst, abs(numeric - float(evaluated(theta)[1] @ v)))
    return worst


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_maps_gradients_back_as_its_derivative_says(name: str) -> None:
    activation = ACTIVATIONS[name]
    rng = np.random.default_rng(0)
    Z, v, w = rng.normal(0, 2, (3, 7, 5))

    def forward(values: Matrix) -> Matrix:
        out = np.empty_like(values)
        activation.forward(values.copy(), out, now)
        return out

    along = (forward(Z + STEP * v) - forward(Z - STEP * v)) / (2 * STEP)
    back = w.copy()
    activation.backward(back, Z.copy(), forward(Z), now)
    assert np.sum(w * along) == pytest.approx(np.sum(back * v), abs=1e-7)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_may_work_in_place_unless_it_keeps_its_input(name: str) -> None:
    activation = ACTIVATIONS[name]
    Z = np.random.default_rng(0).normal(0, 2, (7, 5))
    apart = np.empty_like(Z)
    activation.apply(Z.copy(), apart)
    if not activation.keeps_input:
        activation.forward(Z, Z, now)
        assert np.array_equal(Z, apart)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("hidden", [name for name in ACTIVATIONS if name != "exp"])
def test_every_layer_passes_gradients_through_a_deep_network(hidden: str, bias: bool) -> None:
    network = mlp(Layer(6, hidden, bias=bias), Layer(5, hidden, bias=bias), Layer(3, "identity", bias=bias))
    X, y = data("mean_squared")
    assert disagreement(network, LOSSES["mean_squared"](), X, y) < 1e-8


@pytest.mark.parametrize("last", ACTIVATIONS)
def test_a_loss_of_activations_takes_any_last_layer(last: str) -> None:
    network = mlp(Layer(6, "tanh"), Layer(3, last))
    X, y = data("half_squared")
    assert disagreement(network, LOSSES["half_squared"](), X, y) < 1e-8


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_the_gradient_of_its_value(name: str, weighted: bool) -> None:
    network = mlp(Layer(6, "tanh"), Layer(3, last_activation(name)))
    X, y = data(name)
    weight = np.random.default_rng(2).random(len(X)) if weighted else None
    assert disagreement(network, made_loss(name), X, y, weight=weight) < 1e-8


def test_dropout_scales_what_it_keeps_and_its_gradient_alike() -> None:
    network = mlp(Layer(16, "tanh", dropout=0.5), Layer(16, "relu", dropout=0.25), Layer(3, "softmax"))
    X, y = data("categorical_cross_entropy")
    assert disagreement(network, LOSSES["categorical_cross_entropy"](), X, y, drop=True) < 1e-8


def test_the_contract_catches_a_relu_derivative_that_looks_at_the_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    class TutorialReLU(ReLU):
        """The activation is never negative, so that `A >= 0` is true everywhere."""

        def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
            do(lambda A, out: np.multiply(out, A >= 0, out=out), A, out=dA)

    network = mlp(Layer(6, "relu"), Layer(3, "identity"))
    X, y = data("half_squared")
    assert disagreement(network, LOSSES["half_squared"](), X, y) < 1e-8
    monkeypatch.setitem(ACTIVATIONS, "relu", TutorialReLU())
    assert disagreement(network, LOSSES["half_squared"](), X, y) > 1e-3


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradients_do_not_depend_on_the_order_of_the_rows(name: str) -> None:
    network = mlp(Layer(6, "tanh"), Layer(3, last_activation(name)))
    X, y = data(name)
    order = np.random.default_rng(3).permutation(len(X))
    loss, gradients = loss_and_gradients(network, made_loss(name), X, y)
    shuffled, others = loss_and_gradients(network, made_loss(name), X[order], y[order])
    assert shuffled == pytest.approx(loss)
    for array in gradients:
        np.testing.assert_allclose(others[array], gradients[array], atol=1e-12)
