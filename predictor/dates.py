"""Dates and times of day: how a cell is read, and which parts of the calendar the network sees."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DAY_S",
    "EPOCH",
    "FORMS",
    "LIMITS",
    "PARTS",
    "THURSDAY",
    "Form",
    "checked_parts",
    "encoded",
    "iso",
    "moment",
]

Form = Literal["ymd", "dmy", "mdy", "clock"]

FORMS: tuple[Form, ...] = ("ymd", "dmy", "mdy", "clock")
PARTS = {"trend": 1, "year": 4, "month": 2, "week": 7, "day": 4}
"""The parts of the calendar, in their order, and how many columns of X each takes."""

CELL_LIMIT = 64
DAY_S = 86_400.0
DAY_LETTERS, SECOND_LETTERS = 10, 19
MIDNIGHT = datetime(1970, 1, 1)  # noqa: DTZ001 - a cell without a zone is taken as it stands
EPOCH = MIDNIGHT.toordinal()
THURSDAY = 3  # 1970-01-01, counted from Monday
PIVOT = 69  # two digits of a year mean 1969 to 2068, as in POSIX
LIMITS = (-30_610_224_000.0, 253_402_300_799.0)  # the years 1000 to 9999, whose four digits ISO 8601 takes as they are
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_MONTH = "(?P<name>jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec|january|february|march|april|august|september"
_MONTH += "|october|november|december)"
_TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?(?: ?(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2}))?"
)
_CLOCK = rf"(?:(?:t|,? +){_TIME}|t(?P<hh>\d{{2}})(?P<mm>\d{{2}})(?P<ss>\d{{2}})?(?P<offset>z)?)?"
_YEAR = r"(?P<year>\d{4}|\d{2})"


def _compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.ASCII | re.IGNORECASE) for pattern in patterns)


_ANY = _compiled(
    rf"(?P<year>\d{{4}})(?P<by>[-/.])(?P<month>\d{{1,2}})(?P=by)(?P<day>\d{{1,2}}){_CLOCK}",
    rf"(?P<year>\d{{4}})(?P<month>\d{{2}})(?P<day>\d{{2}}){_CLOCK}",
    r"(?P<year>\d{4})-(?P<month>\d{2})",
    rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[- ./]*{_MONTH}[- .,/]*{_YEAR}{_CLOCK}",
    rf"{_MONTH}\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}}){_CLOCK}",
)
_PATTERNS: dict[Form, tuple[re.Pattern[str], ...]] = {
    "ymd": _ANY,
    "dmy": _compiled(rf"(?P<day>\d{{1,2}})(?P<by>[-/. ])(?P<month>\d{{1,2}})(?P=by){_YEAR}{_CLOCK}") + _ANY,
    "mdy": _compiled(rf"(?P<month>\d{{1,2}})(?P<by>[-/. ])(?P<day>\d{{1,2}})(?P=by){_YEAR}{_CLOCK}") + _ANY,
    "clock": _compiled(_TIME),
}


def moment(cell: str, form: Form) -> float | None:
    """Return the seconds from 1970-01-01 to the date that `cell` spells, in the years 1000 to 9999, or None.

    "ymd" reads ISO 8601 (2024-05-01, 20240501T1330, 2024-05) and months by name (1 May 2024, May 1, 2024); "dmy" and
    "mdy" read these and the day first, or the month first (1/5/24, 01.05.2024 13:30); "clock" reads times alone, as
    of 1970-01-01. A time without a zone is taken as it stands, one with a zone in UTC; fractions of a second are
    dropped.
    """
    text = cell.strip()
    if len(text) > CELL_LIMIT:
        return None
    if form != "clock" and (seconds := _plain(text)) is not None:
        return seconds
    for pattern in _PATTERNS[form]:
        if found := pattern.fullmatch(text):
            return _seconds(found.groupdict())
    return None


def _plain(text: str) -> float | None:
    """Read the commonest spelling, 2024-05-01 or 2024-05-01T13:30:00, the fast way; None leaves it to the patterns."""
    try:
        if len(text) == DAY_LETTERS and text[4] == text[7] == "-":
            seconds = (date.fromisoformat(text).toordinal() - EPOCH) * DAY_S
        elif len(text) == SECOND_LETTERS and text[4] == text[7] == "-" and text[10] in "T " and text[11:13] != "24":
            seconds = (datetime.fromisoformat(text) - MIDNIGHT).total_seconds()
        else:
            return None
    except ValueError:
        return None
    return seconds if LIMITS[0] <= seconds <= LIMITS[1] else None


def _seconds(found: dict[str, str | None]) -> float | None:
    name = found.get("name")
    month = MONTHS.index(name[:3].lower()) + 1 if name else int(found.get("month") or 1)
    year = found.get("year") or "1970"
    try:
        day = date(_full_year(year), month, int(found.get("day") or 1)).toordinal() - EPOCH
    except ValueError:
        return None
    hour = int(found.get("hour") or found.get("hh") or 0)
    minute = int(found.get("minute") or found.get("mm") or 0)
    second = int(found.get("second") or found.get("ss") or 0)
    if half := found.get("half"):
        if not 1 <= hour <= 12:  # noqa: PLR2004 - the hours of half a day
            return None
        hour = hour % 12 + (12 if half in "pP" else 0)
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - the last ones of a day
        return None
    ahead = _ahead(found.get("zone"))
    if ahead is None:
        return None
    seconds = day * DAY_S + hour * 3600 + minute * 60 + second - ahead
    return seconds if LIMITS[0] <= seconds <= LIMITS[1] else None


def _full_year(digits: str) -> int:
    year = int(digits)
    return year if len(digits) > 2 else year + (1900 if year >= PIVOT else 2000)  # noqa: PLR2004 - two digits


def _ahead(zone: str | None) -> float | None:
    """Return the seconds that a zone such as +05:30 is ahead of UTC."""
    if zone is None or zone[0] not in "+-":
        return 0.0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - the last ones of a day
        return None
    return (hours * 3600.0 + minutes * 60.0) * (-1 if zone[0] == "-" else 1)


def iso(seconds: float, form: Form) -> str:
    """Write seconds from 1970-01-01 as ISO 8601, which every date feature reads; a "clock" as hh:mm:ss."""
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    if form == "clock":
        return when.strftime("%H:%M:%S")
    return f"{when:%Y-%m-%d}" if seconds % DAY_S == 0 else f"{when:%Y-%m-%dT%H:%M:%S}"


def encoded(seconds: NDArray[np.float64], parts: Iterable[str], *, offset: float, scale: float) -> NDArray[np.float64]:
    """Return the parts of the calendar, (rows, columns), of moments, (rows,); the trend is (days - offset) / scale."""
    return np.concatenate([_part(part, seconds, offset, scale) for part in parts], axis=1)


def _part(part: str, seconds: NDArray[np.float64], offset: float, scale: float) -> NDArray[np.float64]:
    days = seconds / DAY_S
    if part == "trend":
        trend: NDArray[np.float64] = (days - offset) / scale
        return trend[:, None]
    if part == "week":
        weekdays = (np.floor(days) + THURSDAY) % 7
        return np.asarray(weekdays[:, None] == np.arange(7), dtype=np.float64)
    if part == "day":
        return _waves(np.asarray(days - np.floor(days)), 2)
    return _waves(_elapsed(seconds, "Y"), 2) if part == "year" else _waves(_elapsed(seconds, "M"), 1)


def _elapsed(seconds: NDArray[np.float64], unit: str) -> NDArray[np.float64]:
    """Return which part of its year, or month, has passed at each moment."""
    when = seconds.astype("datetime64[s]")
    start = when.astype(f"datetime64[{unit}]")
    first, after = (edge.astype("datetime64[s]").astype(np.float64) for edge in (start, start + 1))
    return np.asarray((seconds - first) / (after - first), dtype=np.float64)


def _waves(turns: NDArray[np.float64], harmonics: int) -> NDArray[np.float64]:
    """Return sine and cosine of one, two ... turns: (rows, 2 * harmonics)."""
    angles = 2 * np.pi * turns[:, None] * np.arange(1, harmonics + 1)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def checked_parts(value: object) -> tuple[str, ...]:
    """Return `value` if it names parts of the calendar in their order, each once; else raise ValueError."""
    if not isinstance(value, (list, tuple)) or not value or list(value) != [part for part in PARTS if part in value]:
        raise ValueError(f"parts: expected one or more of {', '.join(PARTS)}, in this order")
    return tuple(value)
