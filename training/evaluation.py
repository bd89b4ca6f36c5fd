"""How good a model is: the metrics of scikit-learn where it has them."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from network import MLP, DivergenceError
from predictor import ClassOutputs, Outputs

__all__ = [
    "CLASS_METRICS",
    "NUMBER_METRICS",
    "Evaluator",
    "calibration_error",
    "class_codes",
    "class_probabilities",
    "evaluator",
]

CLASS_METRICS = ("accuracy", "log_loss", "ece", "macro_f1")
NUMBER_METRICS = ("mse_standardised", "mse", "mae", "r2")
HALF = 0.5
ECE_BINS = 15


class Evaluator(Protocol):
    """Metrics by name for encoded inputs and what is true of them."""

    def __call__(self, mlp: MLP, X: NDArray[np.float32], values: NDArray[Any]) -> dict[str, float]:
        """Evaluate on X (rows, width) with the true values (rows,): class codes, or numbers in their own units.

        Raises DivergenceError for outputs that are not finite.
        """


def evaluator(outputs: Outputs) -> Evaluator:
    """Return the evaluator of what the outputs mean; a number is brought back to its own units."""

    def of_classes(mlp: MLP, X: NDArray[np.float32], values: NDArray[Any]) -> dict[str, float]:
        return _class_metrics(mlp, _outputs(mlp, X), values, len(outputs.labels))  # type: ignore[union-attr]

    def of_numbers(mlp: MLP, X: NDArray[np.float32], values: NDArray[Any]) -> dict[str, float]:
        return _number_metrics(outputs.values(_outputs(mlp, X))[:, 0], values, outputs.scale[0])  # type: ignore[union-attr]

    return of_classes if isinstance(outputs, ClassOutputs) else of_numbers


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


def calibration_error(P: NDArray[np.float64], codes: NDArray[Any]) -> float:
    """Return the expected calibration error of probabilities (rows, classes), between 0 and 1.

    The mean over the rows of |accuracy - confidence| of their bin, confidence being the probability of the predicted
    class, in 15 equal bins (Guo et al., 2017, equation 3).
    """
    confidence = P.max(axis=1)
    is_right = P.argmax(axis=1) == codes
    bins = np.minimum((confidence * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gaps = np.bincount(bins, weights=is_right - confidence, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(P))


def _outputs(mlp: MLP, X: NDArray[np.float32]) -> NDArray[Any]:
    A = mlp.infer(X)
    if not np.isfinite(A).all():
        raise DivergenceError(
            "the network's outputs are no finite numbers any more: lower the learning rate, clip the gradients "
            "(clip_norm) or standardise the inputs"
        )
    return A


def _class_metrics(mlp: MLP, A: NDArray[Any], codes: NDArray[Any], classes: int) -> dict[str, float]:
    from sklearn import metrics  # noqa: PLC0415 - slow to import, and a wrong command line should be told at once

    guesses = class_codes(A)
    labels: Sequence[int] = range(classes)
    found = {"accuracy": float(metrics.accuracy_score(codes, guesses))}
    P = class_probabilities(mlp, A)
    if P is not None:
        found["log_loss"] = float(metrics.log_loss(codes, P, labels=labels))
        found["ece"] = calibration_error(P, codes)
    # Over the classes that these rows have or were taken for: a class of one row, which trains, cannot be told here.
    found["macro_f1"] = float(metrics.f1_score(codes, guesses, average="macro", zero_division=0))
    return found


def _number_metrics(guesses: NDArray[np.float64], values: NDArray[Any], scale: float) -> dict[str, float]:
    from sklearn import metrics  # noqa: PLC0415 - as above

    squared = float(metrics.mean_squared_error(values, guesses))
    found = {
        "mse_standardised": squared / scale**2,
        "mse": squared,
        "mae": float(metrics.mean_absolute_error(values, guesses)),
    }
    if len(values) > 1:
        found["r2"] = float(metrics.r2_score(values, guesses))
    return found
