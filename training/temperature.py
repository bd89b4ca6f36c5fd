"""Probabilities that mean what they say: one number, learnt on rows that the fit did not use, divides the logits."""

import numpy as np
from numpy.typing import NDArray

from network import MLP

__all__ = ["tempered"]

FEWEST_ROWS = 10
FREEDOM = 0.5
STEPS = 40


def tempered(mlp: MLP, X: NDArray[np.float32], codes: NDArray[np.int64]) -> tuple[MLP, float] | None:
    """Return the network with its logits divided by a temperature, and the temperature (Guo et al., 2017, section 4.2).

    ``X`` (rows, width) and ``codes`` (rows,) of the true classes must be other rows than those of the fit. The
    temperature makes the mean negative log-likelihood small, under a normal prior on its logarithm of mean 0 and
    deviation 1/2, so that few rows move it little. It goes into the weights and the bias of the last layer: softmax
    (or a single sigmoid) of the divided logits, whoever computes it. None without enough rows, or where the outputs
    are no probabilities.
    """
    last = mlp.architecture.layers[-1]
    is_single = last.activation == "sigmoid" and last.units == 1
    if len(X) < FEWEST_ROWS or not (is_single or last.activation == "softmax"):
        return None
    members = (mlp.member(index) for index in range(mlp.architecture.members))
    Z = np.stack([member.logits(X).astype(np.float64) for member in members])
    if is_single:
        Z = np.concatenate([np.zeros_like(Z), Z], axis=2)
    temperature = _temperature(Z, codes)
    parameters = mlp.parameters.copy()
    place = len(mlp.architecture.layers) - 1
    for name in (f"layers.{place}.W", f"layers.{place}.b"):
        if name in parameters:
            parameters[name][...] /= temperature
    return MLP(mlp.architecture, parameters), temperature


def _temperature(Z: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """Minimise the negative log-posterior over the logarithm of the temperature by golden-section search.

    ``Z`` are the logits of the members of an ensemble, (members, rows, classes), whose mean probability counts.
    """
    Z = Z - Z.max(axis=2, keepdims=True)
    true = Z[:, np.arange(len(codes)), codes]

    def cost(log: float) -> float:
        scale = np.exp(-log)
        likelihoods = scale * true - np.log(np.exp(Z * scale).sum(axis=2))
        return float(log**2 / (2 * FREEDOM**2) - np.logaddexp.reduce(likelihoods, axis=0).sum())

    golden = (np.sqrt(5.0) - 1) / 2
    low, high = -6 * FREEDOM, 6 * FREEDOM
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = cost(left), cost(right)
    for _ in range(STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = cost(right)
    return float(np.exp((low + high) / 2))
