"""Where a model is weak: parts of the judged rows in which it errs more than noise explains."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.report.moments import moments, spelled_moment
from training.scoring import Answers
from training.table import Column, told_apart

__all__ = ["Slice", "find_changes", "find_slices", "target_column", "wilson"]

Mask = NDArray[np.bool_]
Vector = NDArray[np.float64]

FEWEST_ROWS = 20  # fewer say nothing about a part
LEVEL = 0.95
BINS = 4
FEW_VALUES = 6  # a number with so few different values is taken value by value


@dataclass(frozen=True)
class Slice:
    """The rows where a column has one value, or lies in one range, or is missing.

    ``error`` is the share of wrong answers, or the mean absolute error in the target's units. ``low`` and ``high``
    bound its true value; the bounds of all slices of a model hold together 19 times in 20. The slice is weak when
    all of its bounds lie above the error over all rows.
    """

    column: str
    part: str
    rows: int
    error: float
    low: float
    high: float
    is_weak: bool


def find_slices(columns: Sequence[Column], answers: Answers) -> list[Slice]:
    """Return every slice of at least twenty rows, the surest to be weak first.

    ``columns`` hold the raw cells of the rows that were answered. Bounds are Wilson's (1927) for shares and Student's
    for means, at a level divided by the number of slices (Bonferroni), so that a model without weak places is accused
    of one at most once in twenty reports.
    """
    found = _large_parts(columns)
    tail = (1 - LEVEL) / 2 / max(1, len(found))
    overall = float(answers.errors.mean())
    slices = []
    for name, part, mask in found:
        errors = answers.errors[mask]
        error = float(errors.mean())
        low, high = wilson(error, len(errors), tail) if answers.classes else _student(errors, tail)
        slices.append(Slice(name, part, len(errors), error, low, high, is_weak=low > overall))
    return sorted(slices, key=lambda one: (-one.low, one.column, one.part))


def find_changes(columns: Sequence[Column], change: Vector) -> tuple[list[Slice], int]:
    """Return the slices in which errors changed for sure, the most for the worse first, and how many were looked at.

    ``change`` (rows,) is how much larger the error of each row became; a slice's ``error`` is its mean, with Student's
    bounds at a level divided by the number of slices.
    """
    found = _large_parts(columns)
    tail = (1 - LEVEL) / 2 / max(1, len(found))
    sure = []
    for name, part, mask in found:
        low, high = _student(change[mask], tail, least=-np.inf)
        if low > 0 or high < 0:
            sure.append(Slice(name, part, int(mask.sum()), float(change[mask].mean()), low, high, is_weak=low > 0))
    return sorted(sure, key=lambda one: (-one.error, one.column, one.part)), len(found)


def target_column(name: str, labels: Sequence[str | int], truth: NDArray[Any]) -> Column:
    """Return the truth of the judged rows as a column, so that its classes or ranges are slices, too."""
    return Column(name, np.array([str(labels[code]) for code in truth], dtype=object) if labels else truth)


def wilson(share: float, rows: int, tail: float) -> tuple[float, float]:
    """Return the bounds of a share seen among so many rows, `tail` the probability beyond each (Wilson, 1927)."""
    from scipy.special import ndtri  # noqa: PLC0415 - slow to import, and a wrong command should be told at once

    z = -float(ndtri(tail))
    middle = share + z * z / (2 * rows)
    reach = z * float(np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)))
    below = 1 + z * z / rows
    # The share lies between its bounds, but rounding may leave it just outside: no wrong answer would then be too many.
    return min(share, max(0.0, (middle - reach) / below)), max(share, min(1.0, (middle + reach) / below))


def _student(errors: Vector, tail: float, least: float = 0.0) -> tuple[float, float]:
    from scipy.special import stdtrit  # noqa: PLC0415 - as above

    rows = len(errors)
    reach = -float(stdtrit(rows - 1, tail)) * float(errors.std(ddof=1)) / float(np.sqrt(rows))
    return max(least, float(errors.mean()) - reach), float(errors.mean()) + reach


def _large_parts(columns: Sequence[Column]) -> list[tuple[str, str, Mask]]:
    """Return column, name and rows of every part that is large enough to say anything, and is not all there is."""
    return [
        (column.name, part, mask)
        for column in columns
        for part, mask in _parts(column)
        if FEWEST_ROWS <= mask.sum() < len(mask)
    ]


def _parts(column: Column) -> Iterator[tuple[str, Mask]]:
    """Yield what to call each part of a column's rows, and which rows those are, (rows,)."""
    is_missing = column.is_missing
    yield "missing", is_missing
    if column.is_numeric:
        yield from _ranges(column.values, ~is_missing, "{:g}".format)
        return
    seconds = moments(column)
    if seconds is not None:
        yield from _ranges(seconds, np.isfinite(seconds), partial(spelled_moment, column))
        return
    levels, codes = told_apart(np.where(is_missing, "", column.values))
    counts = np.bincount(codes[~is_missing], minlength=len(levels))
    for code in np.flatnonzero(counts >= FEWEST_ROWS):
        yield str(levels[code]), (codes == code) & ~is_missing
    yield "rarer ones", (counts < FEWEST_ROWS)[codes] & ~is_missing


def _ranges(values: NDArray[Any], is_known: Mask, spelled: Callable[[float], str]) -> Iterator[tuple[str, Mask]]:
    known = values[is_known].astype(np.float64)
    if not len(known):
        return
    distinct = np.unique(known)
    if len(distinct) <= FEW_VALUES:
        for value in distinct.tolist():
            yield spelled(value), is_known & (values == value)
        return
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    for place, (left, right) in enumerate(pairwise(edges.tolist())):
        above = values >= left if place == 0 else values > left
        said = f"{'' if place == 0 else 'above '}{spelled(left)} to {spelled(right)}"
        yield said, is_known & above & (values <= right)
