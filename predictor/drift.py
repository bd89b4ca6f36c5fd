"""How far live rows have moved from the training rows: counts in the bins of training, and what they say.

The population stability index of shares a against expected shares e is the sum of (a - e) ln(a / e): 0 for equal
shares, and by custom a shift worth a look from 0.1 and a different population from 0.25 (Siddiqi, 2006, chapter 8).
Without any shift it is still above 0, as rows are drawn: about (1 / rows + 1 / training rows) times a chi-squared
variable of bins - 1 degrees of freedom (Yurdakul, 2018). What chance alone would give is told beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from predictor.cells import Cells
from predictor.features import CategoricalFeature, DateFeature, Histogram, NumericFeature
from predictor.outputs import ClassOutputs
from predictor.predictor import Predictor

__all__ = ["DRIFTED", "FEWEST_ROWS", "MOST_LABELS", "SHIFTED", "Bins", "Shift", "State", "stability_index"]

State = Literal["unknown", "steady", "shifted", "drifted"]
Counts = NDArray[np.int64]

FEWEST_ROWS = 50
MOST_LABELS = 64  # rarer categories or classes are counted as one
SHIFTED, DRIFTED = 0.1, 0.25
SMALLEST_SHARE = 1e-4  # an empty bin would make the index infinite
DRAWS = 2000
USUAL_Z = 1.645  # nineteen times in twenty
BESIDE_NUMBERS = 3  # missing, below, above
BESIDE_LABELS = 2  # missing, unknown


@dataclass(frozen=True)
class Shift:
    """What the counts of one feature or output say.

    Shares are parts of all rows, expected ones of the training rows, None where the model file does not tell.
    `outside` is the share out of the training range or of unknown categories, `outside_expected` that of the training
    rows: of categories too rare to be told apart, which look the same. `psi` is None with too few rows or
    bins, `psi_by_chance` what nineteen of twenty samples of this size stay under without any shift. `seen` and
    `expected` are the shares of the bins, which `bins` describes: edges of numbers, or labels.
    """

    name: str
    state: State
    psi: float | None
    psi_by_chance: float | None
    missing: float
    missing_expected: float | None
    outside: float
    outside_expected: float
    bins: tuple[Any, ...]
    seen: tuple[float, ...]
    expected: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class _Part:
    """The cells of one feature or output: those beside the bins first (the last bin's "above" at the end)."""

    name: str
    start: int
    bins: tuple[Any, ...]
    is_number: bool
    expected: NDArray[np.float64]  # counts in training, (bins,)
    missing: int | None  # training cells that were missing
    rows: int  # training rows
    others: int = 0  # training rows of categories too rare to be told apart, among which unknown ones are counted

    @property
    def size(self) -> int:
        """How many cells the part takes."""
        return len(self.expected) + (BESIDE_NUMBERS if self.is_number else BESIDE_LABELS)

    def shift(self, counts: Counts) -> Shift:
        """Compare counts, (cells of the predictor,), with training."""
        own = counts[self.start : self.start + self.size].astype(np.float64)
        missing, outside = own[0], own[1] + (own[-1] if self.is_number else 0.0)
        seen, live, known = self._bins(own)
        psi, chance = stability_index(live, known)
        whole = max(own.sum(), 1.0)
        return Shift(
            self.name,
            _state(psi, chance),
            psi,
            chance,
            missing=float(missing / whole),
            missing_expected=None if self.missing is None else self.missing / self.rows,
            outside=float(outside / whole),
            outside_expected=self._rare(),
            bins=self.bins,
            seen=tuple((seen / max(seen.sum(), 1.0)).tolist()),
            expected=tuple((self.expected / max(self.expected.sum(), 1.0)).tolist()),
        )

    def _rare(self) -> float:
        """Return the share of training cells in categories too rare to be told apart; numbers have none."""
        there = 1 - self.missing / self.rows if self.missing is not None else 1.0
        return float(there * self.others / max(self.others + self.expected.sum(), 1.0))

    def by_chance(self, counts: Counts, share: float, rng: np.random.Generator) -> float | None:
        """Return what the index stays under in a share of samples of this size, though both are of one population."""
        _, live, known = self._bins(counts[self.start : self.start + self.size].astype(np.float64))
        if stability_index(live, known)[0] is None:
            return None
        rows, training = int(live.sum()), int(known.sum())
        both = (live + known) / (rows + training)
        return float(
            np.quantile(_psi(rng.multinomial(rows, both, DRAWS), rng.multinomial(training, both, DRAWS)), share)
        )

    def _bins(self, own: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Return the counts of the bins, and what the index compares, live and of training: also what is beside."""
        seen = own[BESIDE_LABELS : BESIDE_LABELS + len(self.expected)].copy()
        if self.is_number:  # what is out of range belongs to the bin that is nearest
            seen[0] += own[1]
            seen[-1] += own[-1]
        live = np.concatenate([own[:1] if self.missing is not None else [], [] if self.is_number else own[1:2], seen])
        known = np.concatenate(
            [[self.missing] if self.missing is not None else [], [] if self.is_number else [self.others], self.expected]
        )
        return seen, live, known


class Bins:
    """Counts rows in the bins of a predictor's training; made once for a predictor, safe to share between threads.

    `size` is how many cells the counts have: for each feature and each output its bins and what is beside them.
    """

    def __init__(self, predictor: Predictor) -> None:
        reference = predictor.reference
        self._outputs = predictor.outputs
        self._features: list[_Part] = []
        self.size = 0
        rows = reference.rows if reference else 0
        for i, feature in enumerate(predictor.schema.features):
            missing = reference.missing[i] if reference else None
            if isinstance(feature, NumericFeature):
                part = self._number(feature.name, feature.histogram, missing, rows, (feature.low, feature.high))
            elif isinstance(feature, DateFeature):  # time goes on: only whether there is a date can drift
                part = self._labels(feature.name, ("a date",), (rows - (missing or 0),), missing, rows)
            else:
                part = self._labels(
                    feature.name, feature.categories, feature.counts, missing, rows, others=feature.others
                )
            self._features.append(part)
        self._numbers = _Edges([part for part in self._features if part.is_number])
        self._numeric = [i for i, part in enumerate(self._features) if part.is_number]
        self._codes = {i: self._coded(feature) for i, feature in enumerate(predictor.schema.features)
                       if isinstance(feature, CategoricalFeature)}  # fmt: skip
        self._dates = [i for i, feature in enumerate(predictor.schema.features) if isinstance(feature, DateFeature)]
        self._predictions = self._of_outputs(predictor)
        self._targets = _Edges([part for part in self._predictions if part.is_number])

    def count(self, cells: NDArray[Any] | Sequence[Cells], A: NDArray[Any]) -> Counts:
        """Return the counts, (size,), of rows as they were given and the outputs, (rows, outputs), for them.

        `cells` is a matrix of numbers, (rows, features), NaN for missing, or one sequence of cells a feature.
        """
        counts = np.zeros(self.size, dtype=np.int64)
        if isinstance(cells, np.ndarray):
            self._numbers.add(cells, counts)
        else:
            columns = [np.array(cells[i], dtype=np.float64) for i in self._numeric]
            if columns:
                self._numbers.add(np.stack(columns, axis=1), counts)
            for i, codes in self._codes.items():
                found = [codes.get(cell, 1) for cell in cells[i]]
                counts[: self.size] += np.bincount(np.array(found) + self._features[i].start, minlength=self.size)
            for i in self._dates:
                missing = sum(cell is None for cell in cells[i])
                start = self._features[i].start
                counts[start] += missing
                counts[start + BESIDE_LABELS] += len(cells[i]) - missing
        self._count_outputs(A, counts)
        return counts

    def features(self, counts: Counts) -> list[Shift]:
        """Say of each feature what the counts say."""
        return [part.shift(counts) for part in self._features]

    def predictions(self, counts: Counts) -> list[Shift]:
        """Say the same of each output; none where the model file does not tell what training predicted."""
        return [part.shift(counts) for part in self._predictions]

    def by_chance(self, counts: Counts, *, share: float, rng: np.random.Generator) -> list[float | None]:
        """Return for each feature what its index stays under in a `share` of samples that have not shifted.

        Drawn, so that it holds for few rows and for bins that were nearly empty in training, where the formula beside
        a shift's index does not; too slow for every request.
        """
        return [part.by_chance(counts, share, rng) for part in self._features]

    def rows(self, counts: Counts) -> int:
        """Return how many rows were counted."""
        first = self._features[0]
        return int(counts[first.start : first.start + first.size].sum())

    def _count_outputs(self, A: NDArray[Any], counts: Counts) -> None:
        if not self._predictions:
            return
        if not isinstance(self._outputs, ClassOutputs):
            self._targets.add(self._outputs.decode(A).astype(np.float64), counts)
            return
        codes = (A[:, 0] > 0.5).astype(np.int64) if A.shape[1] == 1 else A.argmax(axis=1)  # noqa: PLR2004 - even odds
        part = self._predictions[0]
        places = np.minimum(codes, len(part.expected) - 1) + part.start + BESIDE_LABELS
        counts += np.bincount(places, minlength=self.size)

    def _of_outputs(self, predictor: Predictor) -> list[_Part]:
        reference, outputs = predictor.reference, predictor.outputs
        if reference is None:
            return []
        if isinstance(outputs, ClassOutputs):
            labels = tuple(map(str, outputs.labels))
            return [self._labels(outputs.target, labels, reference.labels, None, reference.rows)]
        return [
            self._number(target, histogram, None, reference.rows, (0.0, 0.0))
            for target, histogram in zip(outputs.targets, reference.values, strict=True)
        ]

    def _number(
        self, name: str, histogram: Histogram | None, missing: int | None, rows: int, bounds: tuple[float, float]
    ) -> _Part:
        edges = bounds if histogram is None else histogram.edges
        expected = np.array((1,) if histogram is None else histogram.counts, dtype=np.float64)
        return self._placed(_Part(name, self.size, tuple(edges), True, expected, missing, rows))

    def _labels(
        self,
        name: str,
        labels: Sequence[str],
        counts: Sequence[int],
        missing: int | None,
        rows: int,
        *,
        others: int = 0,
    ) -> _Part:
        expected = np.array(counts, dtype=np.float64)
        if len(labels) > MOST_LABELS:
            labels = (*labels[: MOST_LABELS - 1], "all others")
            expected = np.append(expected[: MOST_LABELS - 1], expected[MOST_LABELS - 1 :].sum())
        return self._placed(_Part(name, self.size, tuple(labels), False, expected, missing, rows, others))

    def _placed(self, part: _Part) -> _Part:
        self.size += part.size
        return part

    @staticmethod
    def _coded(feature: CategoricalFeature) -> Mapping[Any, int]:
        """Return the cell of each category; None is missing."""
        last = min(len(feature.categories), MOST_LABELS) - 1
        codes: dict[Any, int] = {text: BESIDE_LABELS + min(i, last) for i, text in enumerate(feature.categories)}
        if feature.takes_numbers:
            codes |= {float(text): codes[text] for text in feature.categories if text}
        if feature.takes_booleans:
            codes |= {is_true: codes[feature.categories[feature.codes[is_true]]] for is_true in (False, True)}
        return codes | {None: 0}


class _Edges:
    """The edges of several parts as one matrix, (parts, most edges), so that all are counted in one comparison."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._starts = np.array([part.start for part in parts], dtype=np.int64)
        width = max((len(part.bins) for part in parts), default=0)
        self._edges = np.full((len(parts), width), np.inf)
        for row, part in zip(self._edges, parts, strict=True):
            row[: len(part.bins)] = part.bins
            row[len(part.bins) - 1] = np.nextafter(part.bins[-1], np.inf)  # the last bin holds its right edge

    def add(self, values: NDArray[Any], counts: Counts) -> None:
        """Count values, (rows, parts), NaN for missing: cell 0 is missing, 1 below, then the bins, then above."""
        codes = 1 + (values[:, :, np.newaxis] >= self._edges).sum(axis=2)
        codes[np.isnan(values)] = 0
        counts += np.bincount((codes + self._starts).ravel(), minlength=len(counts))


def stability_index(live: NDArray[Any], known: NDArray[Any]) -> tuple[float | None, float | None]:
    """Return the index of live counts, (bins,), against known ones, and what chance alone would give.

    Both are None with too few live rows, no known ones, or one bin.
    """
    rows, training = live.sum(), known.sum()
    if rows < FEWEST_ROWS or not training or len(known) < 2:  # noqa: PLR2004 - one bin cannot shift
        return None, None
    return float(_psi(live, known)), _chi_squared(len(known) - 1) * float(1 / rows + 1 / training)


def _psi(live: NDArray[Any], known: NDArray[Any]) -> NDArray[np.float64]:
    """Return the index of counts, (..., bins), over their last axis."""
    a = np.maximum(live / live.sum(axis=-1, keepdims=True), SMALLEST_SHARE)
    e = np.maximum(known / known.sum(axis=-1, keepdims=True), SMALLEST_SHARE)
    return np.asarray(np.sum((a - e) * np.log(a / e), axis=-1))


def _chi_squared(degrees: int) -> float:
    """Return the 95th percentile of a chi-squared variable (Wilson and Hilferty, 1931)."""
    part = 2 / (9 * degrees)
    return degrees * (1 - part + USUAL_Z * math.sqrt(part)) ** 3


def _state(psi: float | None, chance: float | None) -> State:
    if psi is None or chance is None:
        return "unknown"
    if psi < max(SHIFTED, chance):
        return "steady"
    return "shifted" if psi < max(DRIFTED, chance) else "drifted"
