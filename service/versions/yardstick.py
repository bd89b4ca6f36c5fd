"""How two versions of a model are compared by what they predict of the same rows."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor import ClassOutputs, NumberOutputs, Predictor
from predictor.drift import MOST_LABELS, stability_index
from service.versions.catalog import Served

__all__ = ["IncomparableError", "Shift", "Yardstick", "distances", "yardstick_of"]

Matrix = NDArray[Any]
Counts = NDArray[np.int64]

NEAR = 0.05  # of the target's scale, its standard deviation in most recipes
FARTHEST = 5.0  # scales that a row may add: one odd row is not to speak for all
DECILES = (-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816)
"""Of the normal distribution: bins for a target whose predictions of the training rows are not known."""


class IncomparableError(ValueError):
    """Two versions that predict different things."""


class Shift(NamedTuple):
    """How far the predictions of two versions for the same rows are apart, as stability indices of their shares.

    `psi` is that between them, `chance` what nineteen of twenty samples stay under, `own` how far the version is from
    its predictions of the training rows. None with too few rows, and where training is not known.
    """

    psi: float | None = None
    chance: float | None = None
    own: float | None = None


def distances(one: Predictor, two: Predictor, A: Matrix, B: Matrix) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return of each row whether two versions agree, (rows,), and how far apart they are, (rows, targets).

    A and B are what their networks gave, (rows, outputs). They agree on the same class, or on numbers within a
    twentieth of the target's scale. The distance is the part of the probability that lies elsewhere (total variation),
    or the distance in the target's units. IncomparableError when they do not speak of the same.
    """
    ours, theirs = one.outputs, two.outputs
    if isinstance(ours, ClassOutputs) and isinstance(theirs, ClassOutputs):
        (labels, P), (others, Q) = ours.decode(A), theirs.decode(B)
        is_same = np.array([a == b for a, b in zip(labels, others, strict=True)], dtype=np.bool_)
        if P is not None and Q is not None and ours.labels == theirs.labels:
            return is_same, np.abs(P.astype(np.float64) - Q).sum(axis=1, keepdims=True) / 2
        return is_same, np.where(is_same, 0.0, 1.0)[:, np.newaxis]
    if isinstance(ours, ClassOutputs) or isinstance(theirs, ClassOutputs) or ours.targets != theirs.targets:
        raise IncomparableError("the versions predict different things")
    distance = np.abs(ours.decode(A).astype(np.float64) - theirs.decode(B))
    return np.all(distance <= NEAR * np.abs(ours.scale), axis=1), distance


class Yardstick:
    """Counts what a version and the one beside it predict in bins that both share.

    Bins are the classes of either, or those of what the version predicted of its training rows, with one below and
    one above; `size` is how many cells the counts of both have.
    """

    def __init__(self, predictor: Predictor, beside: Predictor) -> None:
        self._predictor, self._beside = predictor, beside
        outputs, other = predictor.outputs, beside.outputs
        self._labels: dict[Any, int] = {}
        self._edges: list[NDArray[np.float64]] = []
        if isinstance(outputs, ClassOutputs):
            known = [*outputs.labels, *(other.labels if isinstance(other, ClassOutputs) else ())]
            self._labels = {label: min(i, MOST_LABELS - 1) for i, label in enumerate(dict.fromkeys(known))}
            self._widths = [max(self._labels.values()) + 1]
        else:
            self._edges = [_edges(predictor, i) for i in range(len(outputs.targets))]
            self._widths = [len(edges) + 1 for edges in self._edges]
        self.size = 2 * sum(self._widths)

    def count(self, A: Matrix, B: Matrix) -> tuple[float, Counts]:
        """Return how far apart the versions are in all rows together, and the counts, (size,), of both.

        A is what the version gave, B what the one beside it did, both (rows, outputs). A row is at most 1 apart where
        classes are told, and by how many scales of the target, 5 at most, where numbers are. IncomparableError.
        """
        _, distance = distances(self._beside, self._predictor, B, A)
        outputs = self._beside.outputs
        scale = 1.0 if isinstance(outputs, ClassOutputs) else np.abs(outputs.scale)
        codes = np.concatenate([self._counted(self._predictor, A), self._counted(self._beside, B)])
        apart = np.minimum((distance / scale).mean(axis=1), FARTHEST)
        return float(apart.sum()), codes

    def shift(self, counts: Counts) -> Shift:
        """Return the largest shift of any target by counts, (size,)."""
        half = self.size // 2
        shifts, start = [], 0
        for place, width in enumerate(self._widths):
            ours, theirs = counts[start : start + width], counts[half + start : half + start + width]
            start += width
            expected = self._expected(place)
            own = None if expected is None else stability_index(ours, expected)[0]
            shifts.append(Shift(*stability_index(ours, theirs), own))
        return max(shifts, key=lambda shift: shift.psi or 0.0)

    def _expected(self, place: int) -> Counts | None:
        """Return what the version predicted of its training rows, in the same bins, None where that is not known."""
        reference, outputs = self._predictor.reference, self._predictor.outputs
        if reference is None:
            return None
        if isinstance(outputs, ClassOutputs):
            expected = np.zeros(self._widths[0], dtype=np.int64)
            np.add.at(expected, [self._labels[label] for label in outputs.labels], reference.labels)
            return expected
        histogram = reference.values[place]
        return None if histogram is None else np.array([0, *histogram.counts, 0], dtype=np.int64)

    def _counted(self, predictor: Predictor, A: Matrix) -> Counts:
        outputs = predictor.outputs
        if isinstance(outputs, ClassOutputs):
            codes = [self._labels[label] for label in outputs.decode(A)[0]]
            return np.bincount(codes, minlength=self._widths[0]).astype(np.int64)
        values = outputs.decode(A)
        columns = zip(values.T, self._edges, strict=True)
        found = [np.bincount(np.searchsorted(e, v, side="right"), minlength=len(e) + 1) for v, e in columns]
        return np.concatenate(found).astype(np.int64)


def _edges(predictor: Predictor, place: int) -> NDArray[np.float64]:
    outputs, reference = predictor.outputs, predictor.reference
    histogram = reference.values[place] if reference is not None and reference.values else None
    if histogram is not None:
        edges = np.array(histogram.edges, dtype=np.float64)
        edges[-1] = np.nextafter(edges[-1], np.inf)  # the last bin holds its right edge
        return edges
    if not isinstance(outputs, NumberOutputs):
        raise TypeError("only numbers have edges")
    return np.array(DECILES) * abs(outputs.scale[place]) + outputs.offset[place]


@lru_cache(maxsize=16)
def yardstick_of(served: Served, beside: Served) -> Yardstick:
    """Return the yardstick of two loaded versions, made once."""
    return Yardstick(served.predictor, beside.predictor)
