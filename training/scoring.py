"""What a model answered for rows whose truth is known, and how sure the figures made of it are."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import ClassOutputs, Predictor
from training.evaluation import class_codes, class_probabilities

__all__ = [
    "HIGHER_IS_BETTER",
    "LOWER_IS_BETTER",
    "Answers",
    "answers_of",
    "draws",
    "intervals",
    "measures",
    "paired_intervals",
]

Vector = NDArray[np.float64]

HIGHER_IS_BETTER = frozenset({"accuracy", "macro_f1", "r2"})
LOWER_IS_BETTER = frozenset({"log_loss", "ece", "mse_standardised", "mse", "mae"})

LEVEL = 0.95
FEWEST_ROWS = 2
WORK = 2e7  # numbers drawn for a bootstrap: a second or so
FEWEST_DRAWS, MOST_DRAWS = 200, 1000


@dataclass(frozen=True, eq=False)
class Answers:
    """Truth and guesses, (rows,) each: class codes, or numbers in the target's own units.

    ``P`` (rows, classes) are the probabilities where the model gives any, ``classes`` is 0 for numbers, and ``scale``
    is the deviation that a number was standardised by. ``errors`` (rows,) is 1 for a wrong class and 0 for a right
    one, or |guess - truth|.
    """

    truth: NDArray[Any]
    guesses: NDArray[Any]
    P: Vector | None = None
    classes: int = 0
    scale: float = 1.0
    errors: Vector = field(init=False)
    _surprise: Vector | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        errors = (self.guesses != self.truth) if self.classes else np.abs(self.guesses - self.truth)
        object.__setattr__(self, "errors", errors.astype(np.float64))
        if self.P is not None:
            likely = np.clip(self.P[np.arange(len(self.P)), self.truth], np.finfo(np.float64).eps, 1.0)
            object.__setattr__(self, "_surprise", -np.log(likely))

    @property
    def surprise(self) -> Vector | None:
        """Minus the logarithm of the probability of what was true, (rows,), where there are probabilities."""
        return self._surprise

    def confusion(self) -> NDArray[np.int64]:
        """Count rows by true class (down) and predicted class (across), (classes, classes)."""
        cells = self.truth * self.classes + self.guesses
        return np.bincount(cells, minlength=self.classes**2).reshape(self.classes, self.classes)


def answers_of(predictor: Predictor, X: NDArray[np.float32], truth: NDArray[Any]) -> Answers:
    """Let a model answer encoded rows X (rows, width); ``truth`` (rows,) are class codes or numbers."""
    A = predictor.network.infer(X)
    outputs = predictor.outputs
    if isinstance(outputs, ClassOutputs):
        return Answers(truth, class_codes(A), class_probabilities(predictor.network, A), len(outputs.labels))
    return Answers(truth, outputs.values(A)[:, 0], scale=outputs.scale[0])


def measures(answers: Answers, weights: Vector | None = None) -> dict[str, float]:
    """Return the metrics of `training.evaluation` by name, each row counting by its weight, (rows,)."""
    w = np.ones(len(answers.truth)) if weights is None else weights
    return _of_classes(answers, w) if answers.classes else _of_numbers(answers, w)


def intervals(answers: Answers) -> dict[str, tuple[float, float]]:
    """Return by metric the bounds that hold its true value 19 times in 20: percentile bootstrap (Efron, 1979).

    Nothing for fewer than two rows.
    """
    rows = len(answers.truth)
    return _bounds([measures(answers, w) for w in draws(rows)]) if rows >= FEWEST_ROWS else {}


def paired_intervals(first: Answers, second: Answers) -> dict[str, tuple[float, float]]:
    """Return by metric the bounds of second - first; both answered the same rows and are drawn together."""
    rows = len(first.truth)
    if rows < FEWEST_ROWS:
        return {}
    pairs = ((measures(first, w), measures(second, w)) for w in draws(rows))
    return _bounds([{name: b[name] - a[name] for name in a if name in b} for a, b in pairs])


def draws(rows: int) -> Iterator[Vector]:
    """Yield how often each row is drawn, (rows,), when as many are drawn with replacement; always the same draws."""
    rng = np.random.default_rng(0)
    for _ in range(int(np.clip(WORK / rows, FEWEST_DRAWS, MOST_DRAWS))):
        yield np.bincount(rng.integers(rows, size=rows), minlength=rows).astype(np.float64)


def _bounds(found: list[dict[str, float]]) -> dict[str, tuple[float, float]]:
    ends = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    # A draw of equal numbers has no R2.
    names = [name for name in found[0] if all(name in values for values in found)]
    return {name: _pair(np.quantile([values[name] for values in found], ends)) for name in names}


def _pair(ends: Vector) -> tuple[float, float]:
    return float(ends[0]), float(ends[1])


def _of_classes(answers: Answers, w: Vector) -> dict[str, float]:
    total = float(w.sum())
    found = {"accuracy": 1 - float(w @ answers.errors) / total}
    if answers.surprise is not None:
        found["log_loss"] = float(w @ answers.surprise) / total
    hits = np.bincount(answers.truth, w * (1 - answers.errors), answers.classes)
    counted = np.bincount(answers.truth, w, answers.classes) + np.bincount(answers.guesses, w, answers.classes)
    # F1 of a class is 2 hits / (true + predicted); one that neither has is left out of the mean, as by scikit-learn.
    is_there = counted > 0
    found["macro_f1"] = float(np.mean(2 * hits[is_there] / counted[is_there]))
    return found


def _of_numbers(answers: Answers, w: Vector) -> dict[str, float]:
    total = float(w.sum())
    squared = float(w @ np.square(answers.errors)) / total
    found: dict[str, float] = {
        "mse_standardised": squared / answers.scale**2,
        "mse": squared,
        "mae": float(w @ answers.errors) / total,
    }
    spread = float(w @ np.square(answers.truth - float(w @ answers.truth) / total)) / total
    if spread > 0:
        found["r2"] = 1 - squared / spread
    return found
