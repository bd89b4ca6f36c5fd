"""Columns of dates as features: which parts of the calendar can tell their rows apart."""

import numpy as np
from numpy.typing import NDArray

from predictor import DateFeature
from predictor.dates import DAY_S, PARTS, Form, encoded, iso, moment
from training.table import Column

__all__ = ["date_feature", "seconds_of"]

LEAST_DAYS = {"trend": 1, "year": 366, "month": 31, "week": 7, "day": 0}
"""A part is used when the dates span more days than this: in a shorter time it is the trend again."""


def seconds_of(column: Column, form: Form) -> NDArray[np.float64]:
    """Return a column of dates as seconds from 1970-01-01, (rows,), NaN where missing."""
    read: dict[str | None, float | None] = {cell: cell and moment(cell, form) for cell in set(column.values.tolist())}
    return np.array([read[cell] for cell in column.values.tolist()], dtype=np.float64)


def date_feature(part: Column, form: Form, *, may_miss: bool) -> DateFeature:
    """Return the feature of a column's training rows, of which at least one has a date."""
    seconds = seconds_of(part, form)
    seconds = seconds[~np.isnan(seconds)]
    low, high = float(seconds.min()), float(seconds.max())
    days = seconds / DAY_S
    parts = tuple(part for part in PARTS if _tells_apart(part, seconds, (high - low) / DAY_S))
    if form == "clock":
        parts = ("day",)
    return DateFeature(
        part.name,
        form=form,
        parts=parts or ("trend",),
        offset=float(days.mean()),
        scale=float(days.std()) or 1.0,
        missing="zeros" if may_miss else None,
        low=iso(low, form),
        high=iso(high, form),
    )


def _tells_apart(part: str, seconds: NDArray[np.float64], days: float) -> bool:
    if days < LEAST_DAYS[part]:
        return False
    X = encoded(seconds, (part,), offset=0.0, scale=1.0)
    return bool((X[0] != X).any())
