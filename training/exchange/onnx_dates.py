"""Dates in an ONNX graph: from seconds since 1970-01-01 to the parts of the calendar."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.dates import DAY_S, EPOCH, THURSDAY
from predictor.features import DateFeature
from training.exchange.onnx_graph import Graph

__all__ = ["date_columns"]

BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365], dtype=np.float64)
"""The days of a common year before each month, and before the next year."""
FROM_MARCH = 306
"""The days of a year that begins in March, up to January."""


@dataclass(frozen=True)
class _Value:
    """A column of float64, (rows, 1), in a graph, with arithmetic."""

    graph: Graph
    name: str

    def _made(self, operator: str, other: "_Value | float") -> "_Value":
        name = other.name if isinstance(other, _Value) else self.graph.constant(np.array([float(other)]))
        return _Value(self.graph, self.graph.add(operator, self.name, name))

    def __add__(self, other: "_Value | float") -> "_Value":
        return self._made("Add", other)

    def __sub__(self, other: "_Value | float") -> "_Value":
        return self._made("Sub", other)

    def __mul__(self, other: "_Value | float") -> "_Value":
        return self._made("Mul", other)

    def __truediv__(self, other: "_Value | float") -> "_Value":
        return self._made("Div", other)

    def __floordiv__(self, other: float) -> "_Value":
        return _Value(self.graph, self.graph.add("Floor", (self / other).name))

    def __mod__(self, other: float) -> "_Value":
        return self - (self // other) * other

    def at_least(self, bound: float, types: Any) -> "_Value":
        """Return 1 where the value is the bound or above it, else 0."""
        is_so = self._made("GreaterOrEqual", bound)
        return _Value(self.graph, self.graph.cast(is_so.name, types.DOUBLE))


def date_columns(graph: Graph, feature: DateFeature, types: Any) -> str:
    """Add the input, (rows, 1) float64 seconds with NaN for missing, and the feature's columns, float32."""
    seconds = _Value(graph, graph.input(feature.name, types.DOUBLE, 1))
    days = seconds / DAY_S
    parts: dict[str, Callable[[], str]] = {
        "trend": lambda: graph.cast(((days - feature.offset) / feature.scale).name, types.FLOAT),
        "year": lambda: _waves(_of_year(days, types), 2, types),
        "month": lambda: _waves(_of_month(days, types), 1, types),
        "week": lambda: _weekday(days, types),
        "day": lambda: _waves(days % 1, 2, types),
    }
    columns = graph.add("Concat", *(parts[part]() for part in feature.parts), axis=1)
    if feature.missing is None:
        return columns
    zero = graph.constant(np.zeros(1, np.float32))
    return graph.add("Where", graph.add("IsNaN", seconds.name), zero, columns)


def _weekday(days: _Value, types: Any) -> str:
    weekday = (days // 1 + THURSDAY) % 7
    known = weekday.graph.constant(np.arange(7, dtype=np.float64))
    return weekday.graph.cast(weekday.graph.add("Equal", weekday.name, known), types.FLOAT)


def _year(days: _Value, types: Any) -> tuple[_Value, _Value, _Value]:
    """Return the year, the days of it that are over, and 1 in a leap year.

    The Gregorian calendar repeats after 400 years; years are counted from March, after the leap day (Richards, 2013,
    section 15.11.3).
    """
    day = days // 1 + (EPOCH + FROM_MARCH - 1)  # from 0000-03-01
    era = day // 146_097
    of_era = day - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (year * 365 + year // 4 - year // 100)
    after = of_year.at_least(FROM_MARCH, types)  # January and February belong to the next year
    year = year + era * 400 + after
    leap = _divides(year, 4, types) - _divides(year, 100, types) + _divides(year, 400, types)
    over = of_year - after * FROM_MARCH + (leap + 59) * (after * -1 + 1)
    return year, over, leap


def _divides(year: _Value, by: float, types: Any) -> _Value:
    """Return 1 in the years that a number divides, else 0."""
    return (year % by).at_least(0.5, types) * -1 + 1


def _of_year(days: _Value, types: Any) -> _Value:
    _, over, leap = _year(days, types)
    return (over + days % 1) / (leap + 365)


def _of_month(days: _Value, types: Any) -> _Value:
    """Return which part of its month has passed: the starts of all months, and the last one that is not after it."""
    graph = days.graph
    _, over, leap = _year(days, types)
    in_leap = graph.constant((np.arange(13) > 1).astype(np.float64))
    starts = graph.add("Add", graph.add("Mul", leap.name, in_leap), graph.constant(BEFORE))  # (rows, 13)
    is_after = graph.add("Greater", starts, over.name)
    low, high = graph.constant(np.array([-1.0])), graph.constant(np.array([400.0]))
    axis = graph.constant(np.array([1]))
    first = graph.add("ReduceMax", graph.add("Where", is_after, low, starts), axis, keepdims=1)
    last = graph.add("ReduceMin", graph.add("Where", is_after, starts, high), axis, keepdims=1)
    start = _Value(graph, first)
    return (over + days % 1 - start) / (_Value(graph, last) - start)


def _waves(turns: _Value, harmonics: int, types: Any) -> str:
    """Return sine and cosine of one, two ... turns."""
    graph = turns.graph
    angles = graph.constant(2 * np.pi * np.arange(1, harmonics + 1))
    turned = graph.cast(graph.add("Mul", turns.name, angles), types.FLOAT)
    return graph.add("Concat", graph.add("Sin", turned), graph.add("Cos", turned), axis=1)
