"""An ensemble is as many networks as it has members, each trained as it would be alone, answering with their mean."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from network import (
    ACTIVATIONS,
    INITIALIZERS,
    LOSSES,
    MLP,
    OPTIMIZERS,
    Architecture,
    EarlyStopping,
    FitOptions,
    Layer,
    Parameters,
    ShapeError,
    Trainer,
    fit,
    loss_and_gradients,
    training_rows,
)
from tests.network.networks import LINKED, data, last_activation, made_loss, mlp

MEMBERS = 3


def several(loss: str = "mean_squared", hidden: str = "tanh", **options: Any) -> MLP:
    """Three members of two layers, one of them without a bias."""
    layers = Layer(6, hidden), Layer(5, hidden, bias=False), Layer(3, last_activation(loss))
    return mlp(*layers, **{"members": MEMBERS} | options)


def members_of(network: MLP) -> list[MLP]:
    return [network.member(index) for index in range(network.architecture.members)]


def test_parameters_have_the_members_before_their_other_axes() -> None:
    network = several()
    assert network.architecture.shapes() == {
        "layers.0.W": (3, 4, 6),
        "layers.0.b": (3, 6),
        "layers.1.W": (3, 6, 5),
        "layers.2.W": (3, 5, 3),
        "layers.2.b": (3, 3),
    }
    assert Parameters.from_arrays(network.architecture, network.parameters).flat.tolist() == (
        network.parameters.flat.tolist()
    )
    with pytest.raises(ShapeError, match=r"layers.0.W: expected shape \(4, 4, 6\), found \(3, 4, 6\)"):
        MLP(replace(network.architecture, members=4), network.parameters)


def test_every_member_begins_with_weights_of_its_own() -> None:
    architecture = Architecture(4, (Layer(6), Layer(3)), MEMBERS)
    network = MLP.initialized(architecture, INITIALIZERS["he_normal"](), rng=np.random.default_rng(0))
    first, second, third = (member.parameters.flat for member in members_of(network))
    assert not np.isclose(first, second)[first != 0].any()
    assert not np.isclose(second, third)[second != 0].any()


def test_the_only_member_of_a_network_is_a_copy_of_it() -> None:
    network = several(members=1)
    alone = network.member(0)
    assert alone.parameters.flat.tolist() == network.parameters.flat.tolist()
    assert alone.parameters.flat is not network.parameters.flat


@pytest.mark.parametrize("rows", [1, 33, 5000])
@pytest.mark.parametrize("last", ACTIVATIONS)
def test_an_ensemble_answers_with_the_mean_of_its_members(last: str, rows: int) -> None:
    network = mlp(Layer(6, "gelu"), Layer(3, last), members=MEMBERS)
    X, _ = data("mean_squared", rows=rows)
    A = network.infer(X)
    np.testing.assert_allclose(A, np.mean([member.infer(X) for member in members_of(network)], axis=0), rtol=1e-12)
    out = np.empty_like(A)
    assert network.infer(X, out) is out
    assert np.array_equal(out, A)


@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize("last", LINKED.values())
def test_the_last_activation_of_the_logits_is_the_answer(last: str, scale: float) -> None:
    network = mlp(Layer(6, "tanh"), Layer(3, last), members=MEMBERS)
    network.parameters["layers.1.W"][:] *= scale
    X, _ = data("mean_squared", rows=40)
    P = network.logits(X)
    assert np.isfinite(P).all()
    ACTIVATIONS[last].apply(P, P)
    np.testing.assert_allclose(P, network.infer(X), rtol=1e-9, atol=1e-14)


def test_without_a_link_the_logits_are_the_mean_before_the_last_activation() -> None:
    network = several(hidden="relu")
    X, _ = data("mean_squared")
    np.testing.assert_allclose(network.logits(X), np.mean([member.logits(X) for member in members_of(network)], axis=0))


@pytest.mark.parametrize("loss", LOSSES)
def test_each_member_has_the_gradient_that_it_has_alone(loss: str) -> None:
    network = several(loss, "relu")
    X, y = data(loss)
    weight = np.linspace(0, 2, len(X))
    value, gradients = loss_and_gradients(network, made_loss(loss), X, y, sample_weight=weight)
    alone = [loss_and_gradients(member, made_loss(loss), X, y, sample_weight=weight) for member in members_of(network)]
    assert value == pytest.approx(np.mean([loss for loss, _ in alone]), rel=1e-12)
    for name, array in gradients.items():
        for k, (_, own) in enumerate(alone):
            np.testing.assert_allclose(array[k], own[name], rtol=1e-10, atol=1e-14)


FITS: list[dict[str, Any]] = [
    {"batch_size": None},
    {"l2": 0.1},
    {"clip_norm": 0.05},
    {"l2": 0.1, "clip_norm": 0.3, "shuffle": False},
    *({"optimizer": OPTIMIZERS[name]()} for name in OPTIMIZERS if name != "lbfgs"),
]


@pytest.mark.parametrize("options", FITS, ids=str)
def test_each_member_is_fitted_as_it_would_be_alone(options: dict[str, Any]) -> None:
    network = several()
    X, y = data("mean_squared", rows=50)
    defaults: dict[str, Any] = {"optimizer": OPTIMIZERS["adam"](), "epochs": 5, "batch_size": 16}
    chosen = FitOptions(LOSSES["mean_squared"](), **defaults | options)
    together = fit(network, X, y, chosen, rng=np.random.default_rng(0))
    alone = [fit(member, X, y, chosen, rng=np.random.default_rng(0)) for member in members_of(network)]
    for member, own in zip(members_of(together.mlp), alone, strict=True):
        np.testing.assert_allclose(member.parameters.flat, own.mlp.parameters.flat, rtol=1e-7, atol=1e-9)
    losses = np.mean([[record.loss for record in own.history] for own in alone], axis=0)
    assert [record.loss for record in together.history] == pytest.approx(losses.tolist(), rel=1e-7)


def test_members_drop_other_outputs() -> None:
    network = mlp(Layer(32, "tanh", dropout=0.5), Layer(1, "identity"), members=2)
    for array in network.parameters.values():
        array[1] = array[0]
    X, y = data("mean_squared", outputs=1)
    _, gradients = loss_and_gradients(network, LOSSES["mean_squared"](), X, y, rng=np.random.default_rng(0))
    assert not np.allclose(gradients["layers.1.W"][0], gradients["layers.1.W"][1])


def test_the_validation_loss_is_that_of_the_mean() -> None:
    X, y = data("categorical_cross_entropy", rows=80)
    codes = y.argmax(axis=1)
    stopping = EarlyStopping("validation_loss", patience=5)
    options = FitOptions(LOSSES["categorical_cross_entropy"](), OPTIMIZERS["adam"](0.05), epochs=300, stopping=stopping)  # type: ignore[call-arg]
    network = several("categorical_cross_entropy")
    validation = X[50:], codes[50:]
    result = fit(network, X[:50], codes[:50], options, rng=np.random.default_rng(0), validation=validation)
    A = result.mlp.infer(X[50:])
    losses = [record.metrics["validation_loss"] for record in result.history]
    assert len(losses) == result.best_epoch + 5
    assert -np.mean(np.log(A[np.arange(30), codes[50:]])) == pytest.approx(min(losses))


def test_the_same_seed_gives_the_same_bits() -> None:
    X, y = data("mean_squared", rows=50)
    network = mlp(Layer(8, dropout=0.3), Layer(3, "identity"), members=MEMBERS, dtype=np.float32)
    options = FitOptions(LOSSES["mean_squared"](), OPTIMIZERS["adam"](), epochs=3, batch_size=16)
    first, second = (
        fit(network, X, y, options, rng=np.random.default_rng(1)).mlp.parameters.flat.tobytes() for _ in range(2)
    )
    assert first == second


def test_an_ensemble_goes_on_from_a_checkpoint_to_the_same_bits() -> None:
    X, y = data("mean_squared", rows=50)
    network = mlp(Layer(8, dropout=0.3), Layer(3, "identity"), members=MEMBERS, dtype=np.float32)
    options = FitOptions(LOSSES["mean_squared"](), OPTIMIZERS["adamw"](), epochs=6, batch_size=16)
    whole, first, second = (Trainer(network, options, np.random.default_rng(seed)) for seed in (1, 1, 2))
    rows = training_rows(network, options.loss, X, y)
    for _ in range(6):
        whole.epoch(rows)
    for _ in range(3):
        first.epoch(rows)
    second.resume(first.checkpoint())
    for _ in range(3):
        second.epoch(rows)
    assert second.mlp.parameters.flat.tobytes() == whole.mlp.parameters.flat.tobytes()


def test_dead_units_of_every_member_are_counted() -> None:
    network = mlp(Layer(10), Layer(3, "identity"), members=MEMBERS)
    network.parameters["layers.0.b"][1:] = -100
    X, y = data("mean_squared", rows=50)
    options = FitOptions(LOSSES["mean_squared"](), OPTIMIZERS["sgd"](), epochs=2)
    assert not fit(network, X, y, options, rng=np.random.default_rng(0)).warnings
    network.parameters["layers.0.b"][0, 1:] = -100
    (warning,) = fit(network, X, y, options, rng=np.random.default_rng(0)).warnings
    assert warning.startswith("29 of 30 units of layer 0 are inactive")


def test_lbfgs_fits_one_network_at_a_time() -> None:
    options = FitOptions(LOSSES["mean_squared"](), OPTIMIZERS["lbfgs"]())
    with pytest.raises(ValueError, match="members: lbfgs searches along one line for all parameters; use adam"):
        fit(several(), *data("mean_squared"), options, rng=np.random.default_rng(0))


@pytest.mark.parametrize("members", [0, 257, 2.0, True, "3", None])
def test_a_number_of_members_that_cannot_be_is_refused(members: Any) -> None:
    mapping = several().architecture.to_dict() | {"members": members}
    with pytest.raises(ValueError, match=r"architecture.members: expected a whole number from 1 to 256, found"):
        Architecture.from_dict(mapping)


def test_the_members_survive_the_way_through_json() -> None:
    architecture = several().architecture
    assert architecture.to_dict()["members"] == MEMBERS
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    assert "members" not in replace(architecture, members=1).to_dict()


def test_what_lies_between_the_layers_does_not_grow_with_the_members() -> None:
    X, _ = data("mean_squared", rows=4096)
    peaks = []
    for members in (1, 64):
        network = mlp(Layer(200), Layer(3, "identity"), members=members)
        tracemalloc.start()
        try:
            network.infer(X)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
