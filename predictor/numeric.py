"""The numeric features of a schema as vectors, so that encoding any number of rows is a few operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.features import NumericFeature
from predictor.issues import Issues

__all__ = ["Numeric"]

Matrix = NDArray[np.float32]

BLOCK = 2**15
"""Cells that are worked on at a time: they stay in the cache from the first operation to the last."""


@dataclass(frozen=True)
class Numeric:
    """Scaling and imputation, (numeric features,) each, and what the scaled values are spread into, if anything."""

    indices: list[int]  # positions among the features
    columns: list[int]  # positions of the scaled values in X
    offset: NDArray[np.float64]
    inverse: NDArray[np.float64]
    missing: NDArray[np.float64]  # NaN where a missing cell is refused
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    spread: "_Spread | None"  # None when every feature is one column: its scaled value

    @classmethod
    def of(cls, features: Sequence[tuple[int, NumericFeature]], starts: Sequence[int]) -> "Numeric":
        """Collect features with their positions in the schema; their columns of X begin at `starts`."""
        numeric = [feature for _, feature in features]
        return cls(
            indices=[i for i, _ in features],
            columns=[starts[i] for i, _ in features],
            offset=np.array([feature.offset for feature in numeric]),
            inverse=np.array([1 / feature.scale for feature in numeric]),
            missing=np.array([np.nan if feature.missing is None else feature.missing for feature in numeric]),
            low=np.array([feature.low for feature in numeric]),
            high=np.array([feature.high for feature in numeric]),
            spread=None if all(feature.is_plain for feature in numeric) else _Spread.of(features, starts),
        )

    @np.errstate(over="ignore", invalid="ignore")
    def scaled(self, values: NDArray[Any]) -> Matrix:
        """Scale (rows, numeric features) values to float32; what float32 cannot hold becomes an infinity."""
        if values.size <= BLOCK:
            between = values - self.offset
            return np.multiply(between, self.inverse, out=between).astype(np.float32)
        return self._scaled_in_blocks(values)

    def _scaled_in_blocks(self, values: NDArray[Any]) -> Matrix:
        """Do the same arithmetic in blocks of rows, each as one vector: a loop over each row would cost more."""
        count, width = values.shape
        rows = max(1, min(count, BLOCK // width))
        offset, inverse = _repeated(self.offset, rows), _repeated(self.inverse, rows)
        S = np.empty(values.shape, dtype=np.float32)
        between = np.empty(rows * width)
        for start in range(0, count, rows):
            block = values[start : start + rows]
            cells = between[: block.size]
            np.copyto(cells.reshape(block.shape), block)  # to convert on the way costs more
            np.subtract(cells, offset[: block.size], out=cells)
            np.multiply(cells, inverse[: block.size], out=cells)
            S[start : start + rows] = cells.reshape(block.shape)
        return S

    def encode(self, values: NDArray[np.float64], issues: Issues, width: int) -> Matrix:
        """Impute NaN where the feature says with what, scale and spread into X, (rows, width), zero elsewhere.

        Each cell that is refused is noted; X then means nothing.
        """
        is_missing = np.isnan(values)
        if is_missing.any():
            issues.add_mask(is_missing & np.isnan(self.missing), self.indices, "missing")
            values = np.where(is_missing, self.missing, values)
        S = self.scaled(values)
        is_finite = np.isfinite(S)
        if not is_finite.all():
            issues.add_mask(~is_finite & ~np.isnan(values), self.indices, "range")
        if issues.total:
            return np.zeros((len(S), width), dtype=np.float32)
        return self.placed(S, width, is_missing)

    def placed(self, S: Matrix, width: int, is_missing: NDArray[np.bool_] | None = None) -> Matrix:
        """Return X, (rows, width), from finite scaled values: S itself where each feature is one column of its own."""
        if self.spread is None:
            if width == len(self.columns):
                return S
            X = np.zeros((len(S), width), dtype=np.float32)
            X[:, self.columns] = S
            return X
        return self.spread.fill(S, width, is_missing)

    def bounds(self, width: int) -> tuple[Matrix, Matrix]:
        """Return the training range in encoded units, (numeric features,) each: of the scaled values' columns."""
        return self._bound(self.low, width), self._bound(self.high, width)

    def _bound(self, values: NDArray[np.float64], width: int) -> Matrix:
        with np.errstate(invalid="ignore"):  # the range itself may lie outside float32: such a bound is no bound
            return self.placed(self.scaled(values[np.newaxis]), width)[0, self.columns]


def _repeated(row: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """Return a row as often as it is wanted, one after the other, (times * len(row),)."""
    found = np.empty(times * len(row))
    found[: len(row)] = row
    done = len(row)
    while done < len(found):
        more = min(done, len(found) - done)
        found[done : done + more] = found[:more]
        done += more
    return found


@dataclass(frozen=True)
class _Spread:
    """Columns of the numeric features beside one another, all made by one clip((S - left) * slope)."""

    widths: NDArray[np.intp]  # (numeric features,): spread columns of each
    left: Matrix  # (spread columns,), as are the next three
    slope: Matrix
    least: Matrix
    most: Matrix
    clipped: list[int]  # spread columns that are clipped smoothly
    clip: NDArray[np.float64]  # their limits
    flags: list[int]  # spread columns that say whether the cell was missing
    flagged: list[int]  # the numeric features they speak of
    runs: list[tuple[slice, slice]]  # columns of X beside the spread columns that belong there

    @classmethod
    def of(cls, features: Sequence[tuple[int, NumericFeature]], starts: Sequence[int]) -> "_Spread":
        """Lay out scaled value, bins and flag of each feature, in this order."""
        numeric = [feature for _, feature in features]
        places = list(accumulate((feature.width for feature in numeric), initial=0))
        left, slope, least, most = np.zeros((4, places[-1]), dtype=np.float32)
        for feature, place in zip(numeric, places, strict=False):
            edges = feature.edges
            bins = slice(place + 1, place + 1 + max(len(edges) - 1, 0))
            slope[place], least[place], most[place] = 1, -np.inf, np.inf
            left[bins], slope[bins], most[bins] = edges[:-1], 1 / np.diff(edges), 1
        clipped = [(place, feature.clip) for feature, place in zip(numeric, places, strict=False) if feature.clip]
        flagged = [position for position, feature in enumerate(numeric) if feature.flags_missing]
        return cls(
            widths=np.array([feature.width for feature in numeric]),
            left=left,
            slope=slope,
            least=least,
            most=most,
            clipped=[place for place, _ in clipped],
            clip=np.array([limit for _, limit in clipped]),
            flags=[places[position + 1] - 1 for position in flagged],
            flagged=flagged,
            runs=_runs([starts[i] for i, _ in features], places),
        )

    def fill(self, S: Matrix, width: int, is_missing: NDArray[np.bool_] | None) -> Matrix:
        """Return X, (rows, width), zero where no numeric feature is, from finite S, (rows, numeric features)."""
        E = np.empty((len(S), len(self.left)), dtype=np.float32)
        step = max(1, BLOCK // len(self.left))
        with np.errstate(over="ignore"):  # far outside the bins an infinity is clipped to 1 like any large value
            for start in range(0, len(S), step):
                self._fill_block(S[start : start + step], E[start : start + step])
        if self.flags:
            E[:, self.flags] = 0 if is_missing is None else is_missing[:, self.flagged]
        if width == E.shape[1]:
            return E
        X = np.zeros((len(S), width), dtype=np.float32)
        for there, here in self.runs:
            X[:, there] = E[:, here]
        return X

    def _fill_block(self, S: Matrix, E: Matrix) -> None:
        np.subtract(S.repeat(self.widths, axis=1), self.left, out=E)
        E *= self.slope
        np.maximum(E, self.least, out=E)
        np.minimum(E, self.most, out=E)
        if self.clipped:
            E[:, self.clipped] = _smoothly_clipped(E[:, self.clipped], self.clip)


def _smoothly_clipped(S: Matrix, limit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return s / sqrt(1 + (s / limit)^2), inside (-limit, limit) (Holzmueller et al., 2024, section 3)."""
    return S / np.sqrt(1 + (S / limit) ** 2)


def _runs(starts: Sequence[int], places: Sequence[int]) -> list[tuple[slice, slice]]:
    """Join neighbours that are neighbours in X as well: fewer and longer copies."""
    runs: list[tuple[slice, slice]] = []
    for start, place, end in zip(starts, places, places[1:], strict=False):
        there, here = slice(start, start + end - place), slice(place, end)
        if runs and runs[-1][0].stop == start:
            there, here = slice(runs[-1][0].start, there.stop), slice(runs.pop()[1].start, end)
        runs.append((there, here))
    return runs
