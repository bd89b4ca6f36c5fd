"""How good a model is: the metrics of scikit-learn where it has them."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from network import MLP
from training.problem import Task

__all__ = [
    "CLASS_METRICS",
    "NUMBER_METRICS",
    "Evaluator",
    "class_codes",
    "class_probabilities",
    "evaluator",
]

CLASS_METRICS = ("accuracy", "log_loss", "macro_f1")
NUMBER_METRICS = ("mse_standardised", "mse", "mae", "r2")
HALF = 0.5


class Evaluator(Protocol):
    """Metrics by name for encoded inputs and what is true of them."""

    def __call__(self, mlp: MLP, X: NDArray[np.float32], values: NDArray[Any]) -> dict[str, float]:
        """Evaluate on X (rows, width) with the true values (rows,): class codes, or numbers in their own units."""


def evaluator(task: Task, *, classes: int, offset: float, scale: float) -> Evaluator:
    """Return the evaluator of a task; `offset` and `scale` bring a number's output back to its own units."""

    def of_classes(mlp: MLP, X: NDArray[np.float32], values: NDArray[Any]) -> dict[str, float]:
        return _class_metrics(mlp, mlp.infer(X), values, classes)

    def of_numbers(mlp: MLP, X: NDArray[np.float32], values: NDArray[Any]) -> dict[str, float]:
        return _number_metrics(mlp.infer(X)[:, 0], values, offset, scale)

    return of_classes if task == "classes" else of_numbers


def class_probabilities(mlp: MLP, A: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return (rows, classes) probabilities, or None when the last activation gives none."""
    activation = mlp.architecture.layers[-1].activation
    if activation == "softmax":
        P = A.astype(np.float64)
        return np.asarray(P / P.sum(axis=1, keepdims=True))
    if activation == "sigmoid" and A.shape[1] == 1:
        second = A[:, 0].astype(np.float64)
        return np.column_stack([1 - second, second])
    return None


def class_codes(A: NDArray[Any]) -> NDArray[np.int64]:
    """Return the position of the class that each row of outputs means: argmax, or one unit above a half."""
    if A.shape[1] == 1:
        return (A[:, 0] > HALF).astype(np.int64)
    return np.asarray(A.argmax(axis=1), dtype=np.int64)


def _class_metrics(mlp: MLP, A: NDArray[Any], codes: NDArray[Any], classes: int) -> dict[str, float]:
    from sklearn import metrics  # noqa: PLC0415 - slow to import, and a wrong command line should be told at once

    guesses = class_codes(A)
    labels: Sequence[int] = range(classes)
    found = {"accuracy": float(metrics.accuracy_score(codes, guesses))}
    P = class_probabilities(mlp, A)
    if P is not None:
        found["log_loss"] = float(metrics.log_loss(codes, P, labels=labels))
    found["macro_f1"] = float(metrics.f1_score(codes, guesses, labels=labels, average="macro", zero_division=0))
    return found


def _number_metrics(outputs: NDArray[Any], values: NDArray[Any], offset: float, scale: float) -> dict[str, float]:
    from sklearn import metrics  # noqa: PLC0415 - as above

    guesses = outputs.astype(np.float64) * scale + offset
    squared = float(metrics.mean_squared_error(values, guesses))
    found = {
        "mse_standardised": squared / scale**2,
        "mse": squared,
        "mae": float(metrics.mean_absolute_error(values, guesses)),
    }
    if len(values) > 1:
        found["r2"] = float(metrics.r2_score(values, guesses))
    return found
