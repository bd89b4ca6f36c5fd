"""The training rows as a whole, for the model file: what live rows are compared with."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from predictor import ClassOutputs, Predictor, Reference
from training.encoding import histogram_of

__all__ = ["reference_of"]

MOST_ROWS = 50_000  # enough to know a distribution by


def reference_of(predictor: Predictor, X: NDArray[np.float32], missing: Sequence[int], rows: int) -> Reference:
    """Describe training rows, encoded as X (rows, width), `missing` cells of each feature, and their predictions."""
    A = predictor.network.infer(X[:MOST_ROWS])
    outputs = predictor.outputs
    if not isinstance(outputs, ClassOutputs):
        values = outputs.decode(A).astype(np.float64)
        return Reference(rows, missing, values=[histogram_of(column) for column in values.T])
    codes = A[:, 0] > 0.5 if A.shape[1] == 1 else A.argmax(axis=1)  # noqa: PLR2004 - even odds, as they are decoded
    return Reference(rows, missing, labels=np.bincount(codes, minlength=len(outputs.labels)).tolist())
