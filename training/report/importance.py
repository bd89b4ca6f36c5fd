"""How much a model leans on each feature: what it loses when the feature's values are shuffled."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from network import MLP
from predictor import Schema

__all__ = ["MOST_ROWS", "permutation_importance"]

REPEATS = 3
MOST_ROWS = 1000
MOST_FEATURES = 100


def permutation_importance(
    mlp: MLP, schema: Schema, X: NDArray[np.float32], loss: Callable[[NDArray[np.float32]], float]
) -> dict[str, float] | None:
    """Return by feature how much ``loss`` rises when its columns of X, (rows, width), are shuffled (Breiman, 2001).

    ``loss`` takes the outputs, (rows, outputs). The mean of three shuffles, largest first; None for more features than
    anybody reads.
    """
    if len(schema.features) > MOST_FEATURES or len(X) > MOST_ROWS:
        return None
    rng = np.random.default_rng(0)
    base = loss(mlp.infer(X))
    found: dict[str, float] = {}
    start = 0
    for feature in schema.features:
        columns = slice(start, start + feature.width)
        start += feature.width
        rises = []
        for _ in range(REPEATS):
            shuffled = X.copy()
            shuffled[:, columns] = X[rng.permutation(len(X)), columns]
            rises.append(loss(mlp.infer(shuffled)) - base)
        found[feature.name] = float(np.mean(rises))
    return dict(sorted(found.items(), key=lambda item: -item[1]))
