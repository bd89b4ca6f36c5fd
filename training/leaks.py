"""Columns that alone give the target away: what is known only once the target is, more often than luck."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.calendars import seconds_of
from training.decisions import Decision
from training.problem import Target
from training.table import Column

__all__ = ["SUSPECT", "leaks"]

SUSPECT = "suspect"
FEWEST_ROWS = 50
MOST_ROWS = 20_000
MOST_COLUMNS = 500
ROWS_A_LEVEL = 40
HALVES = ((slice(0, None, 2), slice(1, None, 2)), (slice(1, None, 2), slice(0, None, 2)))
LEFT = 0.03  # of the error of the best guess without any column
LEFT_SQUARED = 0.005


def leaks(columns: Sequence[Column], target: Target, train: NDArray[np.int64]) -> tuple[Decision, ...]:
    """Warn of each column that predicts the target of training rows nearly perfectly, all by itself.

    Half of the rows teach and the other half are predicted, and the other way round: classes by the commonest one of
    a level or of the five nearest numbers, numbers by a straight line between neighbours or by the mean of a level.
    """
    rows = train[:: -(-len(train) // MOST_ROWS)]
    if not 1 < len(columns) <= MOST_COLUMNS or len(rows) < FEWEST_ROWS:
        return ()
    found = []
    for column in columns:
        left = _left(column.take(rows), target, target.values[rows])
        if left is not None:
            known = f"alone it tells {100 * (1 - left):.3g} % of what is to be told of the target"
            why = f"{known}: is it known before the target is?"
            found.append(Decision(column.name, SUSPECT, why, "drop"))
    return tuple(found)


def _left(part: Column, target: Target, values: NDArray[Any]) -> float | None:
    """Return which part of the error is left with a column that tells nearly everything; None for any other."""
    is_number = part.is_numeric or (part.meaning is not None and part.meaning.kind == "date")
    numbers = _numbers(part) if is_number else None
    if target.task == "classes":
        left = _wrong(part, numbers, values)
        return left if left <= LEFT else None
    left = _unexplained(_means(_levels(part), values) if numbers is None else _lines(numbers, values), values)
    return left if left <= LEFT_SQUARED else None


def _numbers(part: Column) -> NDArray[np.float64]:
    if part.is_numeric:
        return part.values.astype(np.float64)
    return seconds_of(part, part.meaning.form if part.meaning else "ymd")


def _levels(part: Column) -> NDArray[np.int64]:
    """Return the level of each cell; a missing one is a level of its own."""
    if part.is_numeric:
        return np.unique(part.values.astype(np.float64), return_inverse=True)[1]
    places: dict[str | None, int] = {}
    return np.array([places.setdefault(cell, len(places)) for cell in part.values.tolist()], dtype=np.int64)


def _wrong(part: Column, numbers: NDArray[np.float64] | None, codes: NDArray[np.int64]) -> float:
    """Return the wrong guesses as a part of those of somebody who always names the commonest class."""
    levels = _levels(part)
    by_level = numbers is None or int(levels.max()) < len(codes) / ROWS_A_LEVEL
    errors = 0
    for teach, judge in HALVES:
        if by_level or numbers is None:
            guesses = _commonest(levels[teach], codes[teach], levels[judge])
        else:
            guesses = _nearest(numbers[teach], codes[teach], numbers[judge])
        errors += int((guesses != codes[judge]).sum())
    by_chance = len(codes) - int(np.bincount(codes).max())
    return errors / by_chance if by_chance else 1.0


def _commonest(known: NDArray[np.int64], codes: NDArray[np.int64], asked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the commonest class of each level."""
    levels, classes = int(max(known.max(), asked.max())) + 1, int(codes.max()) + 1
    counts = np.bincount(known * classes + codes, minlength=levels * classes).reshape(levels, classes)
    found: NDArray[np.int64] = counts.argmax(axis=1)[asked]
    return found


def _nearest(known: NDArray[np.float64], codes: NDArray[np.int64], asked: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the commonest class of the five nearest numbers; missing ones are near each other."""
    order = np.argsort(known, kind="stable")  # which puts what is missing last
    places = np.searchsorted(known[order], asked)[:, None] + np.arange(-2, 3)
    near = codes[order][np.clip(places, 0, len(known) - 1)]
    counts = (near[:, :, None] == near[:, None, :]).sum(axis=2)
    return np.take_along_axis(near, counts.argmax(axis=1)[:, None], axis=1)[:, 0]


def _means(levels: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Guess the mean of the level."""
    guesses = np.empty(len(values))
    size = int(levels.max()) + 1
    for teach, judge in HALVES:
        counts = np.bincount(levels[teach], minlength=size)
        sums = np.bincount(levels[teach], weights=values[teach], minlength=size)
        means = np.where(counts, sums / np.maximum(counts, 1), values[teach].mean())
        guesses[judge] = means[levels[judge]]
    return guesses


def _lines(numbers: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Guess by a straight line between the neighbours; what is missing stands in the middle."""
    guesses = np.full(len(values), values.mean())
    for teach, judge in HALVES:
        x, y = numbers[teach], values[teach]
        known = ~np.isnan(x)
        if known.any():
            places, which = np.unique(x[known], return_inverse=True)
            means = np.bincount(which, weights=y[known]) / np.bincount(which)
            filled = np.where(np.isnan(numbers[judge]), np.median(x[known]), numbers[judge])
            guesses[judge] = np.interp(filled, places, means)
    return guesses


def _unexplained(guesses: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    with np.errstate(all="ignore"):
        left = float(((values - guesses) ** 2).sum() / ((values - values.mean()) ** 2).sum())
    return left if np.isfinite(left) else 1.0
