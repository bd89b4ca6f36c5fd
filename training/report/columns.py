"""What the columns of the data hold, for the report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import CategoricalFeature, DateFeature
from predictor.features import Feature
from training.problem import Problem
from training.report.moments import moments, spelled_moment
from training.table import Column

__all__ = ["MOST_COLUMNS", "column_facts", "histogram", "target_facts"]

MOST_COLUMNS = 100  # more than this nobody reads, and images have them by the hundred
MOST_LEVELS = 8
MOST_LETTERS = 200  # of a cell; a whole page of text says no more about a column
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
NAMES = ("lowest", "lower_quarter", "median", "upper_quarter", "highest")
BINS = 10


def column_facts(problem: Problem, features: Sequence[Feature]) -> list[dict[str, Any]]:
    """Return for each column of the table, the target aside, what it holds and what was made of it."""
    used = {feature.name: feature for feature in features}
    return [_column(column, used.get(column.name)) for column in problem.features[:MOST_COLUMNS]]


def target_facts(problem: Problem) -> dict[str, Any]:
    """Return what the target is, and how its values are spread."""
    target = problem.target
    facts: dict[str, Any] = {"name": target.name, "task": target.task}
    if target.labels:
        counts = np.bincount(target.values, minlength=len(target.labels)).tolist()
        return facts | {"labels": list(target.labels), "counts": counts}
    return facts | _numbers(target.values)


def _column(column: Column, feature: Feature | None) -> dict[str, Any]:
    missing = int(column.is_missing.sum())
    facts: dict[str, Any] = {
        "name": column.name,
        "kind": "number" if column.is_numeric else "text",
        "used": feature is not None,
        "missing": missing,
    }
    if missing < len(column.values):
        known = column.values[~column.is_missing]
        facts |= _dates(column) or (_numbers(known) if column.is_numeric else _levels(known.tolist()))
    return facts if feature is None else facts | {"feature": _use(feature)}


def _numbers(values: Any) -> dict[str, Any]:
    """Summarise finite numbers, (rows,), of at least one row."""
    numbers = np.asarray(values, dtype=np.float64)
    spread = dict(zip(NAMES, np.quantile(numbers, QUARTERS).tolist(), strict=True))
    counts = histogram(numbers, BINS)[0].tolist()
    return {"distinct": len(np.unique(numbers)), "mean": float(numbers.mean()), **spread, "histogram": counts}


def histogram(numbers: NDArray[np.float64], bins: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return counts and edges of equal bins over finite numbers; one bin where they are too near for more."""
    low, high = float(numbers.min()), float(numbers.max())
    edges = np.linspace(low, high, bins + 1)
    if (edges[1:] > edges[:-1]).all():
        return np.histogram(numbers, edges)[0], edges
    reach = max(abs(low), abs(high), 1.0) / 2
    return np.array([len(numbers)]), np.array([low - reach, high + reach])


def _dates(column: Column) -> dict[str, Any]:
    """Summarise a column of dates; nothing for any other."""
    seconds = moments(column)
    if seconds is None or np.isnan(seconds).all():
        return {}
    found = _numbers(seconds[~np.isnan(seconds)])
    ends = {name: spelled_moment(column, found[key]) for name, key in (("earliest", "lowest"), ("latest", "highest"))}
    return {"distinct": found["distinct"], **ends, "histogram": found["histogram"]}


def _levels(texts: Sequence[str]) -> dict[str, Any]:
    counts = Counter(texts)
    most: Counter[str] = Counter()
    for text, rows in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_LEVELS]:
        most[text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS] + "..."] += rows
    return {"distinct": len(counts), "most": dict(most)}


def _use(feature: Feature) -> Mapping[str, Any]:
    """Return what serving does with the column: its range or categories, and what stands in for a missing cell."""
    if isinstance(feature, CategoricalFeature):
        known = {"categories": len(feature.categories), "unknown": feature.unknown}
        return {"kind": "category", **known, "missing": feature.missing}
    kind = "date" if isinstance(feature, DateFeature) else "number"
    return {"kind": kind, "low": feature.low, "high": feature.high, "missing": feature.missing}
