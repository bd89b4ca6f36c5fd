"""What a fit does to a gradient before it moves by it: the penalty on squared weights, and clipping."""

import math

import numpy as np
from numpy.typing import NDArray

from network.optimizers import Evaluate
from network.parameters import Parameters

__all__ = ["penalised"]

Vector = NDArray[np.floating]


def penalised(
    evaluate: Evaluate, parameters: Parameters, gradients: Parameters, *, l2: float, clip_norm: float | None
) -> Evaluate:
    """Return the evaluation with l2 / 2 times the sum of squared weights, then each member's gradient clipped."""
    if l2:
        evaluate = _Decay(evaluate, parameters, gradients, l2)
    if clip_norm is not None:
        evaluate = _Clip(evaluate, gradients, clip_norm)
    return evaluate


class _Decay:
    """Evaluates with the penalty; biases, whose share of ``decay`` is zero, are left out."""

    def __init__(self, evaluate: Evaluate, parameters: Parameters, gradients: Parameters, l2: float) -> None:
        self._evaluate = evaluate
        self._theta, self._g = parameters.flat, gradients.flat
        self._share = 0.5 / parameters.members
        decay = parameters.like()
        for W in decay.weights():
            W[:] = l2
        self._decay, self._pull = decay.flat, np.empty_like(decay.flat)

    def __call__(self) -> float:
        loss = self._evaluate()
        np.multiply(self._theta, self._decay, out=self._pull)
        np.add(self._g, self._pull, out=self._g)
        return loss + self._share * float(self._theta.dot(self._pull))


class _Clip:
    """Evaluates and scales each member's gradient down to a norm."""

    def __init__(self, evaluate: Evaluate, gradients: Parameters, limit: float) -> None:
        self._evaluate = evaluate
        self._limit = limit
        self._factor = np.ones((), gradients.dtype)
        self._members: list[list[Vector]] = [[gradients.flat]]
        if gradients.members > 1:
            self._members = [[dense[k].reshape(-1) for dense in gradients.dense] for k in range(gradients.members)]

    def __call__(self) -> float:
        loss = self._evaluate()
        for parts in self._members:
            norm = math.sqrt(sum(float(part.dot(part)) for part in parts))
            if norm > self._limit:
                self._factor[()] = self._limit / norm
                for part in parts:
                    np.multiply(part, self._factor, out=part)
        return loss
