"""How right the answers were, once it is known: counts of the last hour and day, by version, of all workers."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from feedback import Shape
from predictor.calibration import ROUNDING
from service.observer import Judged
from service.sharing.windows import SLOTS, SharedWindows

__all__ = ["LEVEL", "LiveFigures", "judged"]

LEVEL = 0.9
"""The part of outcomes that the intervals hold which live coverage is told of."""
VERSIONS = 64


def judged(shape: Shape, outputs: Mapping[str, Any], truths: Sequence[Any]) -> Judged:
    """Compare what was answered, as `feedback.Asked.outputs` has it, with truths, (rows,); null truths do not count."""
    predictions, probabilities = outputs["predictions"], outputs.get("probabilities")
    known = [i for i, truth in enumerate(truths) if truth is not None]
    if shape.labels is None:
        errors = [np.abs(np.subtract(predictions[i], truths[i], dtype=np.float64)) for i in known]
        found = Judged(rows=len(known), error=float(sum(error.mean() for error in errors)))
        scores = [float(error.max()) for error in errors]
    else:
        found = Judged(rows=len(known), correct=sum(predictions[i] == truths[i] for i in known))
        places = {label: place for place, label in enumerate(shape.labels)}
        # A class that this version does not know is in none of its sets.
        scores = [] if probabilities is None else [_score(probabilities[i], places.get(truths[i])) for i in known]
    if shape.margin is None:
        return found
    margin = shape.margin if shape.labels is None else shape.margin + ROUNDING
    return found._replace(bounded=len(scores), covered=sum(score <= margin for score in scores))


def _score(probabilities: Sequence[float], place: int | None) -> float:
    return np.inf if place is None else 1 - probabilities[place]


class LiveFigures:
    """What was judged of each version lately, by all processes of one fork; made before it."""

    def __init__(self) -> None:
        width = len(Judged._fields)
        self._windows = SharedWindows(VERSIONS * width * SLOTS, np.float64)

    def add(self, model: str, version: int, found: Judged) -> None:
        """Count rows that were judged now."""
        self._windows.add(model, version, np.array(found, dtype=np.float64), time.monotonic())

    def of(self, model: str, version: int, window: str) -> Judged:
        """Return what was judged of a version during a window, one of `service.sharing.windows.WINDOWS`."""
        sums = self._windows.sums(model, version, len(Judged._fields), window, time.monotonic())
        return Judged(*sums.tolist())
