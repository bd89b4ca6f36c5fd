"""What each feature contributed to a prediction: each in turn is replaced by its usual value (occlusion)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import CategoricalFeature, ClassOutputs, DateFeature, Feature, Predictor

__all__ = ["Explainer", "baseline"]

Matrix = NDArray[Any]


class Explainer:
    """Makes the rows to infer, and reads contributions from their outputs.

    For `given` rows and F features there are given * (1 + F) rows: the given ones, then for each feature all of
    them with that feature at its baseline. A contribution is the output as given minus the output without the
    feature: the probability of the predicted class, or each number in the target's own units.
    """

    def __init__(self, predictor: Predictor, given: int) -> None:
        self._predictor = predictor
        self.given = given
        self.rows = given * (1 + len(predictor.schema.names))

    def occluded(self, X: Matrix) -> Matrix:
        """Return the rows to infer, (self.rows, width)."""
        usual = self._predictor.schema.encode_rows([baseline(self._predictor)]).X[0]
        stacked = np.tile(X, (1 + len(self._predictor.schema.names), 1))
        start = 0
        for index, feature in enumerate(self._predictor.schema.features, start=1):
            columns = slice(start, start + feature.width)
            stacked[index * self.given : (index + 1) * self.given, columns] = usual[columns]
            start += feature.width
        return stacked

    def contributions(self, A: Matrix) -> list[dict[str, Any]]:
        """Return, for each given row, the contribution of each feature by name."""
        names = self._predictor.schema.names
        scores = self._scores(A).reshape(len(names) + 1, self.given, -1)
        differences = scores[0] - scores[1:]  # (features, given, targets)
        single = differences.shape[2] == 1
        values = differences[:, :, 0] if single else differences
        return [dict(zip(names, values[:, row], strict=True)) for row in range(self.given)]

    def _scores(self, A: Matrix) -> Matrix:
        """Return what is explained, (self.rows, 1) or (self.rows, targets)."""
        outputs = self._predictor.outputs
        if not isinstance(outputs, ClassOutputs):
            return np.asarray(outputs.decode(A), dtype=np.float32).reshape(len(A), -1)
        if A.shape[1] == 1:
            chosen = np.tile(A[: self.given, 0] >= 0.5, self.rows // self.given)  # noqa: PLR2004 - even odds
            return np.where(chosen, A[:, 0], 1 - A[:, 0])[:, np.newaxis]
        labels = np.tile(A[: self.given].argmax(axis=1), self.rows // self.given)
        return np.take_along_axis(A, labels[:, np.newaxis], axis=1)


def baseline(predictor: Predictor) -> list[float | str]:
    """Return the usual value of each feature: its training mean by its histogram, commonest category or middle date."""
    return [_usual(feature) for feature in predictor.schema.features]


def _usual(feature: Feature) -> float | str:
    if isinstance(feature, DateFeature):
        return feature.middle
    if isinstance(feature, CategoricalFeature):
        return str(feature.categories[int(np.argmax(feature.counts))])
    histogram = feature.histogram
    if histogram is None or not sum(histogram.counts):
        return float(feature.low + feature.high) / 2
    edges = np.array(histogram.edges)
    return float(np.average((edges[:-1] + edges[1:]) / 2, weights=histogram.counts))
