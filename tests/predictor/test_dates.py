"""Dates as features: what is read as one, which columns it becomes, and what a wrong one is told."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor import DateFeature, Fault, InputError, Schema
from predictor.dates import PARTS, Form, iso, moment

RANGE: dict[str, Any] = {"low": "2020-01-01", "high": "2023-12-31"}
ALL = tuple(PARTS)
moments = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda when: when.replace(microsecond=0))  # noqa: DTZ001 - as dates stand in cells


def seconds(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("cell", "form", "expected"),
    [
        ("2024-05-01", "ymd", (2024, 5, 1)),
        (" 2024/5/1 ", "dmy", (2024, 5, 1)),
        ("2024.05.01 13:30", "mdy", (2024, 5, 1, 13, 30)),
        ("20141013T000000", "ymd", (2014, 10, 13)),
        ("20240501", "ymd", (2024, 5, 1)),
        ("2024-05", "ymd", (2024, 5, 1)),
        ("2024-05-01T13:30:59.999Z", "ymd", (2024, 5, 1, 13, 30, 59)),
        ("2024-05-01 13:30:00+05:30", "ymd", (2024, 5, 1, 8)),
        ("2024-05-01T13:30-0800", "ymd", (2024, 5, 1, 21, 30)),
        ("1 May 2024", "ymd", (2024, 5, 1)),
        ("01-May-24", "ymd", (2024, 5, 1)),
        ("3rd of May 2024", "ymd", None),
        ("Sept. 3rd, 2024 3:05 pm", "ymd", (2024, 9, 3, 15, 5)),
        ("1/5/2024", "dmy", (2024, 5, 1)),
        ("1/5/2024", "mdy", (2024, 1, 5)),
        ("1/5/2024", "ymd", None),
        ("31.12.68 12:00 am", "dmy", (2068, 12, 31)),
        ("31.12.69", "dmy", (1969, 12, 31)),
        ("9:15", "clock", (1970, 1, 1, 9, 15)),
        ("9:15 PM", "clock", (1970, 1, 1, 21, 15)),
        ("2024-05-01", "clock", None),
        ("9:15", "ymd", None),
        ("2024-02-30", "ymd", None),
        ("2024-13-01", "ymd", None),
        ("13/13/2024", "dmy", None),
        ("2024-05-01 24:00", "ymd", None),
        ("2024-05-01 13:30 pm", "ymd", None),
        ("2024-05-01 10:30+24:00", "ymd", None),
        ("0999-12-31", "ymd", None),
        ("\u0662\u0660\u0662\u0664-05-01", "ymd", None),
        ("2024", "ymd", None),
        ("1.5", "dmy", None),
        ("", "ymd", None),
        ("2024-W18-3", "ymd", None),
        ("2024-W18-3T13:30:00", "ymd", None),
        ("2024-05-01" + " 00:00" * 20, "ymd", None),
    ],
)
def test_a_cell_is_read_by_the_form_of_its_column(cell: str, form: Form, expected: tuple[int, ...] | None) -> None:
    assert moment(cell, form) == (None if expected is None else seconds(*expected))


@given(moments, st.sampled_from(["ymd", "dmy", "mdy"]))
@settings(max_examples=100, deadline=None)
def test_iso_8601_is_read_in_every_form_and_written_back(when: datetime, form: Form) -> None:
    found = moment(when.isoformat(), form)
    assert found == (when - datetime(1970, 1, 1)) / timedelta(seconds=1)  # noqa: DTZ001 - as above
    assert moment(iso(found, form), form) == found
    assert moment(f"{when:%d/%m/%Y %H:%M:%S}".replace("/", "."), "dmy") == found
    assert moment(f"{when:%m/%d/%Y, %I:%M:%S %p}", "mdy") == found


@given(st.lists(moments, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_the_parts_are_those_of_the_calendar(given_moments: list[datetime]) -> None:
    feature = DateFeature("on", parts=ALL, offset=100.0, scale=50.0, **RANGE)
    X = Schema((feature,)).encode_rows([[when.isoformat()] for when in given_moments]).X
    assert X.shape == (len(given_moments), 18)
    for row, when in zip(X, given_moments, strict=True):
        midnight = when.replace(hour=0, minute=0, second=0)
        first = midnight.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1) if first.month < 12 or first.year < 9999 else None
        days = (when - datetime(1970, 1, 1)) / timedelta(days=1)  # noqa: DTZ001 - as above
        np.testing.assert_allclose(row[0], (days - 100) / 50, rtol=1e-6)
        year = (when - first.replace(month=1)) / timedelta(days=366 if _leaps(when.year) else 365)
        np.testing.assert_allclose(row[1:5], _waves(year, 1, 2), atol=1e-5)
        if after:
            np.testing.assert_allclose(row[5:7], _waves((when - first) / (after - first), 1), atol=1e-5)
        assert row[7:14].tolist() == [float(day == when.weekday()) for day in range(7)]
        np.testing.assert_allclose(row[14:], _waves((when - midnight) / timedelta(days=1), 1, 2), atol=1e-5)


def _leaps(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _waves(turn: float, *harmonics: int) -> list[float]:
    angles = [2 * math.pi * turn * harmonic for harmonic in harmonics]
    return [*map(math.sin, angles), *map(math.cos, angles)]


SCHEMA = Schema(
    (
        DateFeature("on", form="dmy", parts=("trend", "week"), missing="zeros", **RANGE),
        DateFeature("at", form="clock", parts=("day",), low="08:00:00", high="17:30:00"),
    )
)


def test_dates_get_the_same_columns_whichever_way_they_arrive() -> None:
    rows: list[list[str | None]] = [["31/12/2022", "9:15"], ["2022-12-31", "09:15:00"], [None, "17:30"]]
    X = SCHEMA.encode_rows(rows).X
    assert X[0].tolist() == X[1].tolist()
    assert X[2, :8].tolist() == [0.0] * 8
    columns: list[list[str | None]] = [list(column) for column in zip(*rows, strict=True)]
    by_name = SCHEMA.encode_records([dict(zip(SCHEMA.names, row, strict=True)) for row in rows])
    by_column = SCHEMA.encode_named_columns(dict(zip(SCHEMA.names, columns, strict=True)))
    arrays = [np.array(column, dtype=object) for column in columns]
    for other in (by_name.X, by_column.X, SCHEMA.encode_columns(arrays)):
        assert other.tobytes() == X.tobytes()
    assert (SCHEMA.is_numeric, SCHEMA.width) == (False, 12)


def test_what_is_no_date_is_refused_by_place_with_what_one_looks_like() -> None:
    with pytest.raises(InputError) as caught:
        SCHEMA.encode_rows([["12/31/2022", "9:15"], [20221231, None], ["soon", True]])
    date = "a date such as '2023-12-31' or '31/12/2023'"
    assert caught.value.faults == (
        Fault("/0/0", "date", f"'on': expected {date}, found '12/31/2022'"),
        Fault("/1/0", "type", f"'on': expected a string with {date}, found a number"),
        Fault("/1/1", "missing", "'at' has no value, and the model has no rule for a missing one"),
        Fault("/2/0", "date", f"'on': expected {date}, found 'soon'"),
        Fault("/2/1", "type", "'at': expected a string with a time such as '17:30:00', found a boolean"),
    )


def test_a_date_outside_the_training_range_is_answered_with_a_warning() -> None:
    X = SCHEMA.encode_rows([["2024-01-01", "23:00"], ["2023-12-31", "09:15"], [None, "9:15"]]).X
    detail = "'on' is outside the training range, 2020-01-01 to 2023-12-31"
    assert SCHEMA.out_of_range(X)[0] == Fault("/0/0", "out_of_range", detail)
    assert [fault.pointer for fault in SCHEMA.out_of_range(X[1:2])] == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DateFeature("", parts=ALL, **RANGE), "name: expected 1 to 256 characters, found 0"),
        (lambda: DateFeature("x", parts=(), **RANGE), "parts: expected one or more of trend, year, month, week, day"),
        (lambda: DateFeature("x", parts=("week", "trend"), **RANGE), "parts: expected one or more of"),
        (lambda: DateFeature("x", parts=("day", "day"), **RANGE), "parts: expected one or more of"),
        (lambda: DateFeature("x", parts=ALL, form="dym", **RANGE), "form: expected one of ymd, dmy, mdy, clock"),  # type: ignore[arg-type]
        (lambda: DateFeature("x", parts=ALL, scale=0.0, **RANGE), "scale: expected a number above 0"),
        (lambda: DateFeature("x", parts=ALL, scale=1e-300, **RANGE), "put dates outside what a 32-bit float can hold"),
        (lambda: DateFeature("x", parts=ALL, missing="x", **RANGE), "missing: expected 'zeros' or null"),  # type: ignore[arg-type]
        (lambda: DateFeature("x", parts=ALL, low="2024-01-02", high="2024-01-01"), "is after high, 2024-01-01"),
        (lambda: DateFeature("x", parts=ALL, low="1/1/2024", high="2024-01-02"), "low: expected a moment in ISO 8601"),
        (lambda: DateFeature("x", parts=ALL, low="2024-1-1", high="2024-01-02"), "low: expected a moment in ISO 8601"),
        (lambda: DateFeature("x", parts=ALL, low="2024-01-01", high="20240102"), "high: expected a moment in ISO 8601"),
    ],
)
def test_date_features_that_cannot_be_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_all_dates_of_training_may_be_one() -> None:
    assert DateFeature("x", parts=ALL, low="2024-01-01", high="2024-01-01").middle == "2024-01-01"


def test_the_middle_of_the_range_is_a_date_of_the_same_form() -> None:
    assert SCHEMA.features[0].middle == "2021-12-31"  # type: ignore[union-attr]
    assert SCHEMA.features[1].middle == "12:45:00"  # type: ignore[union-attr]
