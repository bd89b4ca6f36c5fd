"""How far a model was off on rows that its fit did not use, and what that says of its next answers."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.features import finite

__all__ = ["LARGEST", "ROUNDING", "Calibration", "likely"]

LARGEST = 2000
"""Scores that are worth keeping: a level is then met to about half a point."""
ROUNDING = 1e-6
"""A class whose probability lies at the bound belongs to the set, whichever way float32 rounded it."""


@dataclass(frozen=True)
class Calibration:
    """Nonconformity scores of held-out rows, rising: split-conformal prediction (Lei et al., 2018, algorithm 2).

    For a number the score of a row is |truth - prediction| in the target's units; for classes it is 1 minus the
    probability of the true class.
    """

    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        scores = tuple(finite(score, f"scores[{i}]") for i, score in enumerate(self.scores))
        if not 1 <= len(scores) <= LARGEST:
            raise ValueError(f"scores: expected 1 to {LARGEST}, found {len(scores)}")
        if scores[0] < 0 or any(after < before for before, after in itertools.pairwise(scores)):
            raise ValueError("scores: expected rising numbers of at least 0")
        object.__setattr__(self, "scores", scores)

    @classmethod
    def of(cls, scores: NDArray[np.floating]) -> "Calibration":
        """Return the calibration of scores in any order, (rows,); of very many the first ones are kept."""
        return cls(tuple(np.sort(scores[:LARGEST].astype(np.float64)).tolist()))

    def threshold(self, part: float) -> float | None:
        """Return the score that a new row stays at or under with probability ``part`` or more.

        It is the ceil((rows + 1) part)-th smallest, None where there are too few rows for that part.
        """
        rank = math.ceil((len(self.scores) + 1) * part)
        return self.scores[rank - 1] if rank <= len(self.scores) else None


def likely(probabilities: NDArray[np.floating], threshold: float) -> NDArray[np.bool_]:
    """Return which classes each row may well belong to, (rows, classes): those whose score is within the threshold.

    The set of a row holds its class with the probability that the threshold was asked for (Sadinle et al., 2019).
    """
    found: NDArray[np.bool_] = probabilities >= 1 - threshold - ROUNDING
    return found
