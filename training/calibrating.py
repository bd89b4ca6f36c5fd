"""How far a fit was off on rows that it did not learn from: the calibration of its intervals."""

import numpy as np
from numpy.typing import NDArray

from network import MLP
from predictor import Calibration, NumberOutputs
from training.evaluation import class_probabilities
from training.prepared import Prepared, Side

__all__ = ["FEWEST_ROWS", "calibrate", "coverage"]

FEWEST_ROWS = 10
PART = 0.9


def calibrate(prepared: Prepared, mlp: MLP) -> Calibration | None:
    """Return the calibration by the rows that watched; None without enough of them, or without probabilities."""
    side = prepared.validation
    if side is None or len(side.rows) < FEWEST_ROWS:
        return None
    scores = _scores(prepared, mlp, side)
    return None if scores is None else Calibration.of(scores)


def coverage(calibration: Calibration, prepared: Prepared, mlp: MLP, side: Side) -> float | None:
    """Return the part of a side's rows that lies in intervals meant to hold nine in ten."""
    scores, margin = _scores(prepared, mlp, side), calibration.threshold(PART)
    return None if scores is None or margin is None else float(np.mean(scores <= margin))


def _scores(prepared: Prepared, mlp: MLP, side: Side) -> NDArray[np.float64] | None:
    A = mlp.infer(side.X)
    outputs = prepared.goal.outputs
    if isinstance(outputs, NumberOutputs):
        return np.abs(side.values - outputs.values(A)[:, 0])
    P = class_probabilities(mlp, A)
    return None if P is None else 1 - P[np.arange(len(P)), side.values]
