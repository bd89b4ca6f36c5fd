"""What a model leans on."""

import numpy as np
import pytest

from network import INITIALIZERS, MLP, Architecture, Layer
from predictor import CategoricalFeature, NumericFeature, Schema
from training.report.importance import permutation_importance


@pytest.mark.parametrize("rows", [50, 1001])
def test_importance_is_the_loss_that_shuffling_costs(rows: int) -> None:
    schema = Schema(
        (
            NumericFeature("idle", low=0.0, high=1.0),
            NumericFeature("used", low=0.0, high=1.0),
            CategoricalFeature("also", ("a", "b"), counts=(1, 1)),
        )
    )
    network = MLP.initialized(
        Architecture(4, (Layer(1, "identity"),)), INITIALIZERS["zeros"](), rng=np.random.default_rng()
    )
    network.parameters["layers.0.W"][:, 0] = [0, 3, 1, -1]
    X = np.random.default_rng(0).random((rows, 4), dtype=np.float32)
    truth = network.infer(X)
    found = permutation_importance(network, schema, X, lambda A: float(np.mean((A - truth) ** 2)))
    if rows > 1000:
        assert found is None
        return
    assert found is not None
    assert list(found) == ["used", "also", "idle"]
    assert found["idle"] == 0
    assert found["used"] > 0.5
