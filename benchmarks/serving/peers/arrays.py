"""What the NumPy peers share: the networks as arrays, chosen by the number of features of a request."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np

FOLDER = Path(os.environ["BENCH_FOLDER"])
FEATURES = (8, 784)


def labels_of(outputs: int) -> np.ndarray:
    """Return the names of the classes."""
    return np.array([f"c{i}" for i in range(outputs)])


def layers_of(features: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights and biases of the network with so many features, scaling folded into the first layer."""
    with np.load(FOLDER / f"plain{features}.npz") as arrays:
        return list(pairwise([arrays[name] for name in sorted(arrays.files)]))[::2]


NETWORKS = {features: layers_of(features) for features in FEATURES}
LABELS = {features: labels_of(len(layers[-1][1])) for features, layers in NETWORKS.items()}


def answer(A: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return labels and probabilities for a batch (rows, features) of float32."""
    features = A.shape[1]
    *hidden, last = NETWORKS[features]
    for W, b in hidden:
        A = np.maximum(A @ W + b, 0)
    A = A @ last[0] + last[1]
    A = np.exp(A - A.max(axis=1, keepdims=True))
    A /= A.sum(axis=1, keepdims=True)
    return LABELS[features][A.argmax(axis=1)].tolist(), A
