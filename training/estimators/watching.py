"""Rows that watch a fit: how they are chosen, and what they say of the weights of the moment."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import accuracy_score, get_scorer, get_scorer_names, r2_score
from sklearn.model_selection import train_test_split

from network import MLP, Trainer, training_rows
from predictor.wording import hint, shown

__all__ = ["Given", "Held", "check_scoring", "given_rows", "held_out", "validation_loss", "watching_score"]

Matrix = NDArray[Any]
LOSS = "loss"
FEWEST_HELD = 2
TOO_FEW_HELD = "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."


@dataclass(frozen=True)
class Given:
    """Rows that the caller lets watch, as they were given."""

    X: Any
    y: Any
    weight: Any


@dataclass(frozen=True)
class Held:
    """Rows that watch: inputs, encoded targets, weights or none."""

    X: Matrix
    Y: Matrix
    weight: Matrix | None


def given_rows(X: Any, y: Any, weight: Any) -> Given | None:
    """Return the rows that the caller lets watch, or None; ValueError when only half of them is there."""
    if X is None and y is None and weight is None:
        return None
    if X is None or y is None:
        raise ValueError("X_val, y_val: expected both or neither")
    return Given(X, y, weight)


def held_out(
    estimator: Any, X: Matrix, Y: Matrix, weight: Matrix | None, random: np.random.RandomState
) -> tuple[Matrix, Matrix, Matrix | None, Held]:
    """Hold out rows that watch; binary classes keep their proportion."""
    parts = [X, Y] if weight is None else [X, Y, weight]
    strata = Y.astype(bool) if is_classifier(estimator) and Y.shape[1] == 1 else None
    split = train_test_split(*parts, random_state=random, test_size=estimator.validation_fraction, stratify=strata)
    held = Held(split[1], split[3], None if weight is None else split[5])
    if len(held.X) < FEWEST_HELD:
        raise ValueError(TOO_FEW_HELD)
    return split[0], split[2], None if weight is None else split[4], held


def validation_loss(trainer: Trainer, held: Held) -> float:
    """Return the mean loss of the rows that watch."""
    loss = trainer.options.loss
    watching = training_rows(trainer.mlp, loss, held.X, held.Y)
    P = trainer.mlp.infer(watching.X) if loss.link is None else trainer.mlp.logits(watching.X)
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.average(loss.rows(P, watching.Y, np.empty_like(P)), weights=held.weight))


def check_scoring(scoring: Any) -> None:
    """Raise ValueError unless `scoring` is None, "loss", the name of a scorer or a callable."""
    if scoring is None or scoring == LOSS or callable(scoring):
        return
    known = [LOSS, *get_scorer_names()]
    if scoring not in known:
        near = hint(str(scoring), known) or "; sklearn.metrics.get_scorer_names() lists the scorers"
        raise ValueError(f"scoring: expected 'loss', a scorer or its name, found {shown(str(scoring))}{near}")


def watching_score(estimator: Any, mlp: MLP, held: Held) -> float:
    """Score the weights of the moment on the rows that watch; higher is better, not a number for overflown weights.

    Without ``scoring`` it is the accuracy or R2, as in scikit-learn.
    """
    A = mlp.infer(held.X)
    if not np.isfinite(A).all():
        return float("nan")
    if estimator.scoring == LOSS:
        return -float(estimator.validation_loss_curve_[-1])
    known = estimator._answers(held.Y)  # noqa: SLF001 - a part of the estimators
    if estimator.scoring is None:
        score = accuracy_score if is_classifier(estimator) else r2_score
        return float(score(known, estimator._answers(A), sample_weight=held.weight))  # noqa: SLF001
    scorer: Callable[..., float] = get_scorer(estimator.scoring)
    weights = {} if held.weight is None else {"sample_weight": held.weight}
    return float(scorer(_viewer(estimator, mlp), held.X, known, **weights))


def _viewer(estimator: Any, mlp: MLP) -> Any:
    """Return the estimator with the weights of the moment, which takes inputs that are encoded already."""
    viewer = copy.copy(estimator)
    viewer._take(mlp.parameters)  # noqa: SLF001
    viewer.__dict__.pop("feature_names_in_", None)
    viewer._encoder, viewer.n_features_in_ = None, mlp.architecture.inputs  # noqa: SLF001
    return viewer
