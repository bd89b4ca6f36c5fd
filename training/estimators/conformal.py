"""Intervals and sets that hold the truth as often as asked, learnt from rows that a fit did not use."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from predictor import Calibration
from training.calibrating import FEWEST_ROWS

__all__ = ["FEWEST_ROWS", "calibrated", "threshold"]

HOW = "fit with early_stopping=True or with X_val and y_val, or call calibrate(X, y) with rows that the fit did not use"


def calibrated(misses: NDArray[np.floating]) -> Calibration | None:
    """Return the calibration by how far held-out rows are off, (rows,); None for too few rows."""
    is_enough = len(misses) >= FEWEST_ROWS and bool(np.isfinite(misses).all())
    return Calibration.of(misses) if is_enough else None


def threshold(estimator: Any, coverage: float) -> float:
    """Return the distance within which so large a part of the truth lies. ValueError without rows to tell it by."""
    check_is_fitted(estimator)
    if not 0 < coverage < 1:
        raise ValueError(f"coverage: expected a number between 0 and 1, found {coverage!r}")
    if not estimator._has_one_answer():  # noqa: SLF001 - a part of the estimators
        raise ValueError("intervals and sets are of one target, and this estimator predicts several")
    calibration: Calibration | None = estimator.calibration_
    if calibration is None:
        raise ValueError(f"intervals need at least {FEWEST_ROWS} rows that the fit did not use: {HOW}")
    found = calibration.threshold(coverage)
    if found is None:
        rows = len(calibration.scores)
        raise ValueError(f"coverage: {coverage:g} needs more rows than the {rows} that calibrated this estimator")
    return found
