"""From the parameters of an estimator to the options of a fit."""

from collections.abc import Sequence
from typing import Any

from network import (
    ACTIVATIONS,
    LBFGS,
    SGD,
    Adam,
    AdamW,
    Architecture,
    FitOptions,
    Layer,
    Loss,
    Momentum,
    Nesterov,
    Optimizer,
    RMSProp,
)
from predictor.wording import hint, shown
from training.estimators.watching import check_scoring

__all__ = ["OTHER_NAMES", "Pace", "architecture_of", "check_parameters", "hidden_sizes", "options_of"]

SOLVERS = ("lbfgs", "sgd", "adam", "adamw", "rmsprop")
RATES = ("constant", "invscaling", "adaptive")
OTHER_NAMES = {"logistic": "sigmoid"}
AUTO_BATCH = 200


class Pace:
    """A learning-rate schedule whose factor the estimator sets after each epoch."""

    def __init__(self) -> None:
        self.value = 1.0

    def start(self, epochs: int) -> "Pace":  # noqa: ARG002 - a schedule and its pace in one
        """Begin."""
        return self

    def factor(self, epoch: float) -> float:  # noqa: ARG002
        """Return what was set."""
        return self.value

    def observe(self, value: float) -> None:
        """Need nothing of it."""


def check_parameters(estimator: Any) -> None:
    """Raise ValueError for parameters that the options of a fit do not check themselves."""
    _check_choice("solver", estimator.solver, SOLVERS)
    _check_choice("learning_rate", estimator.learning_rate, RATES)
    check_scoring(estimator.scoring)
    for name in _activations(estimator):
        _check_choice("activation", name, (*OTHER_NAMES, *ACTIVATIONS))
    for name, lowest in (("alpha", 0), ("max_iter", 1), ("tol", 0), ("power_t", 0), ("n_iter_no_change", 1)):
        if not getattr(estimator, name) >= lowest:
            raise ValueError(f"{name}: expected at least {lowest}, found {getattr(estimator, name)!r}")
    if estimator.batch_size != "auto" and not estimator.batch_size >= 1:
        raise ValueError(f"batch_size: expected 'auto' or at least 1, found {estimator.batch_size!r}")
    if not 0 <= estimator.validation_fraction < 1:
        raise ValueError(f"validation_fraction: expected 0 to 1, found {estimator.validation_fraction!r}")
    if any(size <= 0 for size in hidden_sizes(estimator)):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden_sizes(estimator)}.")


def hidden_sizes(estimator: Any) -> list[int]:
    """Return the units of the hidden layers; a number means one layer."""
    sizes = estimator.hidden_layer_sizes
    return [int(size) for size in sizes] if hasattr(sizes, "__iter__") else [int(sizes)]


def architecture_of(estimator: Any, inputs: int, outputs: int, last: str) -> Architecture:
    """Return the layers that the parameters describe, the last one with the activation ``last``."""
    sizes = hidden_sizes(estimator)
    names = [OTHER_NAMES.get(name, name) for name in _activations(estimator)]
    dropouts = _spread("dropout", estimator.dropout, len(sizes))
    hidden = (
        Layer(units, name, dropout=float(dropout)) for units, name, dropout in zip(sizes, names, dropouts, strict=True)
    )
    layers = (*hidden, Layer(outputs, OTHER_NAMES.get(last, last)))
    return Architecture(inputs, layers, int(estimator.members))


def options_of(estimator: Any, loss: Loss, pace: Pace, *, rows: int, mean_weight: float) -> FitOptions:
    """Return the options of a fit over ``rows`` rows; alpha counts once a batch, divided by the batch's weight."""
    is_full = estimator.solver == "lbfgs"
    wanted = AUTO_BATCH if estimator.batch_size == "auto" else estimator.batch_size
    size = rows if is_full else min(wanted, rows)
    return FitOptions(
        loss,
        _optimizer(estimator),
        schedule=pace,
        epochs=estimator.max_iter,
        batch_size=None if is_full else size,
        shuffle=estimator.shuffle,
        l2=estimator.alpha / (size * mean_weight),
    )


def _optimizer(estimator: Any) -> Optimizer:
    rate = estimator.learning_rate_init
    moments = {"beta_1": estimator.beta_1, "beta_2": estimator.beta_2, "epsilon": estimator.epsilon}
    if estimator.solver == "lbfgs":
        return LBFGS(tolerance=estimator.tol, max_evaluations=estimator.max_fun)
    if estimator.solver == "adam":
        return Adam(rate, **moments)
    if estimator.solver == "adamw":
        return AdamW(rate, **moments)
    if estimator.solver == "rmsprop":
        return RMSProp(rate, epsilon=estimator.epsilon)
    if estimator.momentum == 0:
        return SGD(rate)
    return (Nesterov if estimator.nesterovs_momentum else Momentum)(rate, estimator.momentum)


def _activations(estimator: Any) -> list[str]:
    return _spread("activation", estimator.activation, len(hidden_sizes(estimator)))


def _spread(name: str, value: Any, layers: int) -> list[Any]:
    """Return one value for each hidden layer, from one for all or a sequence."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value] * layers
    if len(value) != layers:
        raise ValueError(f"{name}: expected one value, or one for each of {layers} hidden layers, found {len(value)}")
    return list(value)


def _check_choice(name: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        near = hint(str(value), known)
        raise ValueError(f"{name}: expected one of {', '.join(known)}, found {shown(str(value))}{near}")
