"""What one input column is: its kind, its scaling or categories, its missing-value policy, its training range."""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from predictor.dates import DAY_S, FORMS, LIMITS, PARTS, Form, checked_parts, encoded, iso, moment
from predictor.wording import shown

__all__ = [
    "COUNT_LIMIT",
    "CategoricalFeature",
    "DateFeature",
    "Feature",
    "Histogram",
    "NumericFeature",
    "checked_name",
    "checked_text",
    "counted",
    "finite",
    "spelled",
    "whole",
]

NAME_LIMIT = 256
COUNT_LIMIT = 2**53
WHOLE_LIMIT = 10**16  # beyond, floats leave out whole numbers, and their shortest spelling has an exponent
SMALLEST_CLIP, LARGEST_CLIP = 1e-3, 1e6


def finite(value: object, what: str) -> float:
    """Return `value` as a Python float; ValueError names `what` unless it is a finite number (a bool is none)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ValueError(f"{what}: expected a number, found {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{what}: expected a finite number")
    return number


def whole(value: object, what: str, *, low: int, high: int) -> int:
    """Return `value` as a Python int; ValueError names `what` unless it is a whole number in low..high."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{what}: expected a whole number, found {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{what}: expected a whole number from {low} to {high}")
    return int(value)


def checked_text(value: object, what: str) -> str:
    """Return `value` if it is a string that UTF-8 can carry, else raise ValueError naming `what`."""
    if not isinstance(value, str):
        raise ValueError(f"{what}: expected a string, found {type(value).__name__}")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{what}: {shown(value)} holds a lone surrogate, which UTF-8 cannot carry")
    return str(value)


def checked_name(value: object, what: str) -> str:
    """Return `value` if it can name a column: 1 to 256 characters, none of them a control character."""
    name = checked_text(value, what)
    if not 1 <= len(name) <= NAME_LIMIT:
        raise ValueError(f"{what}: expected 1 to {NAME_LIMIT} characters, found {len(name)}")
    if not name.isprintable() and any(unicodedata.category(letter) == "Cc" for letter in name):
        raise ValueError(f"{what}: {shown(name)} holds a control character")
    return name


def counted(values: Iterable[object], what: str) -> tuple[int, ...]:
    """Return `values` as numbers of rows; ValueError names the place in `what` of one that is none."""
    return tuple(whole(value, f"{what}[{i}]", low=0, high=COUNT_LIMIT) for i, value in enumerate(values))


@dataclass(frozen=True)
class Histogram:
    """How often the training values fell between neighbouring edges.

    `edges` rise strictly; `counts[i]` belongs to edges[i] <= value < edges[i + 1] (the last bin holds its right edge).
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        edges = tuple(finite(edge, f"edges[{i}]") for i, edge in enumerate(self.edges))
        counts = counted(self.counts, "counts")
        if not counts or len(edges) != len(counts) + 1:
            raise ValueError(f"counts: {len(edges)} edges need {max(len(edges) - 1, 1)} counts, found {len(counts)}")
        if any(right <= left for left, right in pairwise(edges)):
            raise ValueError("edges: expected rising values")
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "counts", counts)


@dataclass(frozen=True)
class NumericFeature:
    """A column of numbers, encoded as s = (value - offset) / scale, and perhaps as more columns after it.

    `clip` bends s smoothly into (-clip, clip): s / sqrt(1 + (s / clip)^2). `knots` k, in the column's units and rising,
    add a column for each two neighbours: 0 up to k[i], 1 from k[i + 1] on, a straight line between (piecewise-linear
    encoding; Gorishniy et al., 2022, equation 1, but flat outside the knots). `flags_missing` adds a last column that
    is 1 where the cell was missing; `missing` is the value that stands in for such a cell, None refuses it. `low` and
    `high` are the training range; a value outside it is answered with a warning. `histogram` is what drift is
    measured against. `edges` are the knots after scaling, float32.
    """

    name: str
    _: KW_ONLY
    offset: float = 0.0
    scale: float = 1.0
    missing: float | None = None
    low: float
    high: float
    histogram: Histogram | None = None
    clip: float | None = None
    knots: tuple[float, ...] = ()
    flags_missing: bool = False
    edges: NDArray[np.float32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked_name(self.name, "name")
        for key in ("offset", "scale", "low", "high"):
            object.__setattr__(self, key, finite(getattr(self, key), key))
        if self.missing is not None:
            object.__setattr__(self, "missing", finite(self.missing, "missing"))
        if self.scale <= 0 or not math.isfinite(1 / self.scale):
            raise ValueError(f"scale: expected a number above 0 with a finite inverse, found {self.scale}")
        if self.low > self.high:
            raise ValueError(f"low: {self.low} is above high, {self.high}")
        if self.clip is not None:
            object.__setattr__(self, "clip", _limit(self.clip))
        if not isinstance(self.flags_missing, bool):
            raise ValueError("flags_missing: expected true or false")
        if self.flags_missing and self.missing is None:
            raise ValueError("flags_missing: needs a value for missing cells")
        knots = tuple(finite(knot, f"knots[{i}]") for i, knot in enumerate(self.knots))
        object.__setattr__(self, "knots", knots)
        object.__setattr__(self, "edges", _edges(knots, self.offset, self.scale))

    @property
    def is_plain(self) -> bool:
        """Whether the scaled value is all there is."""
        return self.clip is None and not self.knots and not self.flags_missing

    @property
    def width(self) -> int:
        """How many columns of X the feature takes: the scaled value, one between each two knots, perhaps a flag."""
        return 1 + max(len(self.knots) - 1, 0) + self.flags_missing


def _limit(value: object) -> float:
    clip = finite(value, "clip")
    if not SMALLEST_CLIP <= clip <= LARGEST_CLIP:
        raise ValueError(f"clip: expected a number from {SMALLEST_CLIP:g} to {LARGEST_CLIP:g}, found {clip:g}")
    return clip


def _edges(knots: Sequence[float], offset: float, scale: float) -> NDArray[np.float32]:
    """Scale the knots, which must stay apart in float32."""
    if len(knots) == 1:
        raise ValueError("knots: expected none, or two or more")
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        edges = ((np.array(knots) - offset) * (1 / scale)).astype(np.float32)
        slopes = 1 / np.diff(edges)
        if not (np.isfinite(slopes) & (slopes > 0)).all():
            raise ValueError("knots: expected rising values that 32-bit floats tell apart after scaling")
    return edges


@dataclass(frozen=True)
class CategoricalFeature:
    """A column of text with known categories, encoded one-hot in their order.

    `missing` is the category that stands in for a missing cell, None refuses such a cell. `unknown` says what a
    category never seen in training gets: "refuse", or "bucket", which encodes as all zeros with a warning.
    `counts` are the training rows of each category, and `others` those of rarer ones, which encode as all zeros too:
    such a bucket is trained. `codes` gives the position of each category; true and false stand there too where the
    categories spell them. `takes_numbers` says whether all of them spell numbers, which clients may then send as such.
    """

    name: str
    categories: tuple[str, ...]
    _: KW_ONLY
    missing: str | None = None
    unknown: Literal["refuse", "bucket"] = "refuse"
    counts: tuple[int, ...]
    others: int = 0
    codes: Mapping[str | bool, int] = field(init=False, repr=False, compare=False)
    takes_numbers: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked_name(self.name, "name")
        categories = tuple(checked_text(value, f"categories[{i}]") for i, value in enumerate(self.categories))
        counts = counted(self.counts, "counts")
        if not categories or len(set(categories)) != len(categories):
            raise ValueError("categories: expected at least one, and no duplicates")
        if len(counts) != len(categories):
            raise ValueError(f"counts: expected one for each of {len(categories)} categories, found {len(counts)}")
        if self.missing is not None and checked_text(self.missing, "missing") not in categories:
            raise ValueError(f"missing: {shown(self.missing)} is not one of the categories")
        if self.unknown not in ("refuse", "bucket"):
            raise ValueError("unknown: expected 'refuse' or 'bucket'")
        if whole(self.others, "others", low=0, high=COUNT_LIMIT) and self.unknown == "refuse":
            raise ValueError("others: expected 0 where unknown categories are refused")
        object.__setattr__(self, "categories", categories)
        object.__setattr__(self, "counts", counts)
        codes: dict[str | bool, int] = {category: code for code, category in enumerate(categories)}
        named = {category.lower(): code for code, category in enumerate(categories)}
        if named.keys() - {""} == {"false", "true"} and len(named) == len(categories):
            codes |= {False: named["false"], True: named["true"]}
        object.__setattr__(self, "codes", codes)
        object.__setattr__(self, "takes_numbers", _spell_numbers(categories))

    @property
    def takes_booleans(self) -> bool:
        """Whether the categories spell true and false, which clients may then send as such."""
        return True in self.codes

    @property
    def width(self) -> int:
        """How many columns of X the feature takes: one for each category."""
        return len(self.categories)


def spelled(value: float) -> str:
    """Return how a category spells a finite number: whole ones without a point, others in the shortest way."""
    return str(int(value)) if value == int(value) and abs(value) < WHOLE_LIMIT else repr(float(value))


def _spell_numbers(categories: Iterable[str]) -> bool:
    known = [category for category in categories if category]
    try:
        return bool(known) and all(spelled(float(category)) == category for category in known)
    except (ValueError, OverflowError):
        return False


@dataclass(frozen=True)
class DateFeature:
    """A column of dates, encoded as the `parts` of the calendar that it names.

    `form` says how a cell is read: see `predictor.dates.moment`. The parts, always in this order: "trend", the days
    from 1970-01-01 as (days - offset) / scale; "year", sine and cosine of the time of the year and of twice it;
    "month", sine and cosine of the day of the month; "week", one column for each day of the week, Monday first;
    "day", sine and cosine of the time of day and of twice it. `missing` "zeros" encodes a missing cell as zeros, None
    refuses it. `low` and `high` are the training range in ISO 8601; a date outside it is answered with a warning.
    """

    name: str
    _: KW_ONLY
    form: Form = "ymd"
    parts: tuple[str, ...]
    offset: float = 0.0
    scale: float = 1.0
    missing: Literal["zeros"] | None = None
    low: str
    high: str

    def __post_init__(self) -> None:
        checked_name(self.name, "name")
        if self.form not in FORMS:
            raise ValueError(f"form: expected one of {', '.join(FORMS)}")
        object.__setattr__(self, "parts", checked_parts(self.parts))
        for key in ("offset", "scale"):
            object.__setattr__(self, key, finite(getattr(self, key), key))
        if self.scale <= 0 or not math.isfinite(1 / self.scale):
            raise ValueError(f"scale: expected a number above 0 with a finite inverse, found {self.scale}")
        if self.missing not in (None, "zeros"):
            raise ValueError("missing: expected 'zeros' or null")
        if self._bound("low") > self._bound("high"):
            raise ValueError(f"low: {self.low} is after high, {self.high}")
        if not np.isfinite(self.encode(np.array(LIMITS))).all():
            raise ValueError("offset, scale: put dates outside what a 32-bit float can hold")

    def _bound(self, key: str) -> float:
        text = checked_text(getattr(self, key), key)
        seconds = moment(text, self.form)
        if seconds is None or iso(seconds, self.form) != text:
            raise ValueError(f"{key}: expected a moment in ISO 8601, found {shown(text)}")
        return seconds

    @property
    def width(self) -> int:
        """How many columns of X the feature takes."""
        return sum(PARTS[part] for part in self.parts)

    @property
    def middle(self) -> str:
        """The middle of the training range, in ISO 8601: a day unless the range is within one."""
        low, high = self._bound("low"), self._bound("high")
        middle = (low + high) // 2
        return iso(max(low, middle - middle % DAY_S) if high - low > DAY_S else middle, self.form)

    @property
    def expected(self) -> str:
        """What a cell should look like, for messages."""
        if self.form == "clock":
            return f"a time such as '{self.high}'"
        year, month, day = self.high[:10].split("-")
        other = {"dmy": f" or '{day}/{month}/{year}'", "mdy": f" or '{month}/{day}/{year}'"}
        return f"a date such as '{self.high}'{other.get(self.form, '')}"

    def encode(self, seconds: NDArray[np.float64]) -> NDArray[np.float32]:
        """Encode moments, (rows,) seconds from 1970-01-01 with NaN for missing: (rows, width), zeros where missing."""
        X = np.zeros((len(seconds), self.width), dtype=np.float32)
        is_there = ~np.isnan(seconds)
        with np.errstate(over="ignore"):
            X[is_there] = encoded(seconds[is_there], self.parts, offset=self.offset, scale=self.scale)
        return X

    def bounds(self) -> tuple[float, float] | None:
        """Return the training range of the first column, the trend; None without a trend."""
        if self.parts[0] != "trend":
            return None
        low, high = self.encode(np.array([self._bound("low"), self._bound("high")]))[:, 0].tolist()
        return low, high


Feature = NumericFeature | CategoricalFeature | DateFeature
