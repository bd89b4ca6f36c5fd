"""Metrics of more rows than memory holds, from those of one piece after the other."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network import MLP
from predictor import ClassOutputs, Outputs
from training.evaluation import Evaluator, class_codes

__all__ = ["evaluate_pieces"]

Piece = tuple[NDArray[np.float32], NDArray[Any]]


def evaluate_pieces(mlp: MLP, pieces: Iterable[Piece], evaluate: Evaluator, outputs: Outputs) -> dict[str, float]:
    """Return the metrics of all rows, X (rows, width) and values (rows,) of one piece after the other.

    Means of pieces, weighted by their rows, are the means of all; R2 and F1 are none, and are made of what they are
    made of. The calibration error is the mean of the pieces' own.
    """
    rows = 0
    sums: dict[str, float] = {}
    classes = len(outputs.labels) if isinstance(outputs, ClassOutputs) else 0
    counts = np.zeros((classes, classes), np.int64)
    spread = _Spread()
    for X, values in pieces:
        rows += len(X)
        for name, value in evaluate(mlp, X, values).items():
            sums[name] = sums.get(name, 0.0) + value * len(X)
        if classes:
            np.add.at(counts, (values, class_codes(mlp.infer(X))), 1)
        else:
            spread.add(values)
    found = {name: value / rows for name, value in sums.items()}
    return found | ({"macro_f1": _macro_f1(counts)} if classes else _r2(found, spread.variance))


class _Spread:
    """The variance of values that come in pieces (Chan et al., 1979, eq. 2.1)."""

    def __init__(self) -> None:
        self._rows = 0
        self._mean = self._squares = 0.0

    @property
    def variance(self) -> float:
        return self._squares / self._rows if self._rows else 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        rows, mean = len(values), float(values.mean())
        apart, total = mean - self._mean, self._rows + rows
        self._squares += float(np.square(values - mean).sum()) + apart**2 * self._rows * rows / total
        self._mean += apart * rows / total
        self._rows = total


def _macro_f1(counts: NDArray[np.int64]) -> float:
    """Return the mean F1 of all classes; one that neither occurs nor is predicted counts as 0."""
    hits, seen = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    return float(np.mean(2 * hits / np.where(seen > 0, seen, 1)))


def _r2(found: Mapping[str, float], variance: float) -> dict[str, float]:
    return {"r2": 1 - found["mse"] / variance} if variance > 0 else {}
