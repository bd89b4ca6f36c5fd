"""Rows of raw values to X: every way in, and the same bits whichever way a value arrives."""

import json
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor import Fault, NumericFeature, Schema
from predictor.reading import FEW_ROWS, MOST_ROWS
from tests.predictor.schemas import CODED, MIXED, NUMBERS, SPREAD, pointers, refused, wide


def test_a_schema_knows_its_names_and_width() -> None:
    assert (NUMBERS.names, NUMBERS.width, NUMBERS.is_numeric) == (("length", "width"), 2, True)
    assert (MIXED.names, MIXED.width, MIXED.is_numeric) == (("street", "area", "roof"), 6, False)


def test_numbers_are_scaled_and_missing_ones_imputed() -> None:
    X = NUMBERS.encode_rows([[6, 0.5], [2.0, None]]).X
    assert X.dtype == np.float32
    assert X.tolist() == [[1.0, 3.0], [0.0, 4.0]]


@pytest.mark.parametrize("rows", [1, FEW_ROWS, FEW_ROWS + 1, 3 * MOST_ROWS, 3 * MOST_ROWS + 3])
def test_many_rows_are_encoded_as_each_alone_and_a_fault_is_found_in_any(rows: int) -> None:
    given = [[row / 7, None if row % 5 == 0 else row] for row in range(rows)]
    records = [dict(zip(NUMBERS.names, row, strict=True)) for row in given]
    pauses: list[int] = []
    pause = partial(pauses.append, 1)
    X = NUMBERS.encode_rows(given, pause).X
    assert np.array_equal(X, np.concatenate([NUMBERS.encode_rows([row]).X for row in given]))
    assert np.array_equal(X, NUMBERS.encode_records(records, pause).X)
    assert bool(pauses) == (rows > FEW_ROWS)
    given[-1][0] = "3"  # type: ignore[call-overload]
    assert pointers(refused(lambda: NUMBERS.encode_rows(given, pause)).faults) == [f"/{rows - 1}/0"]


def test_categories_are_one_hot_in_their_order() -> None:
    X = MIXED.encode_rows([["paved", 150, "Ω"], ["gravel", 100, None]]).X
    assert X.tolist() == [[0, 1, 1, 0, 0, 1], [1, 0, 0, 1, 0, 0]]


def test_an_unknown_category_with_a_bucket_is_all_zeros_and_a_warning() -> None:
    encoded = MIXED.encode_rows([["paved", 100, "thatch"], ["paved", 100, "Tin"]])
    assert encoded.X[:, 3:].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert tuple(encoded.warnings) == (
        Fault("/0/2", "unknown_category", "'roof': 'thatch' is not a known category"),
        Fault("/1/2", "unknown_category", "'roof': 'Tin' is not a known category; did you mean 'tin'?"),
    )
    assert encoded.warnings.total == 2


def test_categories_that_spell_numbers_or_booleans_may_be_sent_as_such() -> None:
    rows = [["1", "True", "01067"], [1, True, "01067"], [1.0, True, "01067"]]
    expected = [1, 0, 0, 0, 1, 1, 0]
    assert CODED.encode_rows(rows).X.tolist() == [expected] * 3
    assert CODED.encode_rows([[None, False, "10115"]]).X[0].tolist() == [0, 0, 1, 1, 0, 0, 1]
    assert CODED.encode_rows([[2.5, False, "10115"]]).X[0].tolist() == [0, 1, 0, 1, 0, 0, 1]


def test_a_category_that_spells_no_such_thing_is_refused_or_unknown() -> None:
    encoded = CODED.encode_rows([[7, True, "10115"], ["7", True, "10115"]])
    detail = "'class': '7' is not a known category; it is taken as one of the rare ones"
    assert tuple(encoded.warnings) == tuple(Fault(f"/{row}/0", "unknown_category", detail) for row in (0, 1))
    error = refused(lambda: CODED.encode_rows([[True, 1, 10115], [10**400, "true", "01067"]]))
    assert error.faults == (
        Fault("/0/0", "type", "'class': expected a string or a number, found a boolean"),
        Fault("/0/1", "type", "'paid': expected a string or a boolean, found a number"),
        Fault("/0/2", "type", "'zip': expected a string, found a number"),
        Fault("/1/0", "type", "'class': expected a string or a number, found a number"),
        Fault("/1/1", "category", "'paid': 'true' is not a known category; did you mean 'True'?"),
    )


cells = st.none() | st.floats(-1e30, 1e30) | st.integers(-(10**18), 10**18)
categories = st.sampled_from(["tin", "a/b~c", "Ω", "never seen", None])


@given(st.lists(st.tuples(st.floats(-1e30, 1e30) | st.integers(-(10**18), 10**18), cells), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_numbers_get_the_same_bits_whichever_way_they_arrive(rows: list[tuple[Any, Any]]) -> None:
    values = np.array(rows, dtype=np.float64)
    expected = NUMBERS.encode_numbers(values).tobytes()
    lists = [list(row) for row in rows]
    columns = dict(zip(NUMBERS.names, map(list, zip(*rows, strict=True)), strict=True))
    assert NUMBERS.encode_rows(lists).X.tobytes() == expected
    assert NUMBERS.encode_records([dict(zip(NUMBERS.names, row, strict=True)) for row in rows]).X.tobytes() == expected
    assert NUMBERS.encode_named_columns(columns).X.tobytes() == expected
    assert NUMBERS.encode_columns(list(values.T)).tobytes() == expected
    assert NUMBERS.encode_rows(json.loads(json.dumps(lists))).X.tobytes() == expected
    filled = np.where(np.isnan(values), 1.0, values)
    exact = (filled - [2.0, -1.0]) / [4.0, 0.5]
    np.testing.assert_allclose(NUMBERS.encode_numbers(values), exact, rtol=1e-6)


def test_a_number_is_clipped_smoothly_spread_over_its_knots_and_flagged_where_it_is_missing() -> None:
    X = SPREAD.encode_rows([[9, "new", None, 0.5, 2], [30, "full", 4.5, None, 1]]).X
    bent = [-0.5 / np.sqrt(1 + 1 / 16), 3 / np.sqrt(1 + 9 / 4)]
    expected = [
        [bent[0], 1, 3 / 6.5, 0, 0, 1, 1.5, 0.5, 1, 0.5, 0, 1],
        [bent[1], 1, 1, 1, 1, 0, 1.5, 0.5, 0, 0, 1, 0],
    ]
    np.testing.assert_allclose(X, expected, rtol=1e-6)
    assert SPREAD.width == 12
    assert pointers(SPREAD.out_of_range(X)) == ["/0/4", "/1/0"]


plain = st.floats(-1e30, 1e30)


@given(st.lists(st.tuples(plain, st.sampled_from(["full", "new", None]), cells, cells, plain), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_spread_numbers_are_the_same_alone_and_among_others_and_whichever_way_they_arrive(rows: list[Any]) -> None:
    lists = [list(row) for row in rows]
    X = SPREAD.encode_rows(lists).X
    np.testing.assert_array_equal(X, np.concatenate([SPREAD.encode_rows([row]).X for row in lists]))
    columns = list(zip(*rows, strict=True))
    np.testing.assert_array_equal(
        X, SPREAD.encode_named_columns(dict(zip(SPREAD.names, map(list, columns), strict=True))).X
    )
    arrays = [np.array(column, object if i == 1 else np.float64) for i, column in enumerate(columns)]
    np.testing.assert_array_equal(X, SPREAD.encode_columns(arrays))
    numeric = Schema(tuple(feature for feature in SPREAD.features if isinstance(feature, NumericFeature)))
    values = np.stack([array for i, array in enumerate(arrays) if i != 1], axis=1)
    np.testing.assert_array_equal(numeric.encode_numbers(values), np.delete(X, [4, 5], axis=1))


@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=6, unique=True),
    st.floats(0.1, 100),
    st.floats(1e-3, 1e3),
    st.lists(st.floats(-1e30, 1e30), min_size=2, max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_an_encoding_rises_with_the_value_and_is_bounded(
    knots: list[int], clip: float, scale: float, values: list[float]
) -> None:
    feature = NumericFeature("x", scale=scale, low=0.0, high=1.0, clip=clip, knots=tuple(sorted(knots)))
    X = Schema((feature,)).encode_numbers(np.sort(values)[:, None])
    assert (np.diff(X[:, 1:], axis=0) >= 0).all()
    assert (np.diff(X[:, 0]) >= -1e-6 * clip).all()
    assert (X[:, 1:] >= 0).all()
    assert (X[:, 1:] <= 1).all()
    assert np.abs(X[:, 0]).max() <= clip * (1 + 1e-6)
    # Each bin fills before the next one begins.
    assert (np.diff(X[:, 1:], axis=1) <= 0).all()
    assert ((X[:, 2:] == 0) | (X[:, 1:-1] == 1)).all()


def test_far_outside_the_range_of_float32_a_spread_number_is_refused_like_any_other() -> None:
    for row in ([1e39, "new", 1, 1, 1e39], [1, "new", 1, None, 1e39]):
        error = refused(lambda row=row: SPREAD.encode_rows([row]))  # type: ignore[misc]
        assert {fault.code for fault in error.faults} == {"range"}
    huge = NumericFeature("x", low=-1e300, high=1e300, clip=1.0, knots=(0.0, 1.0))
    assert Schema((huge,)).out_of_range(Schema((huge,)).encode_numbers(np.array([[3e38], [-3e38]]))).total == 0


@given(st.lists(st.tuples(st.sampled_from(["gravel", "paved"]), st.floats(-1e9, 1e9), categories), min_size=1))
@settings(max_examples=100, deadline=None)
def test_categories_get_the_same_columns_whichever_way_they_arrive(rows: list[tuple[str, float, str | None]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)]
    encoded = MIXED.encode_rows([list(row) for row in rows])
    by_name = MIXED.encode_records([dict(zip(reversed(MIXED.names), reversed(row), strict=True)) for row in rows])
    by_column = MIXED.encode_named_columns(dict(zip(MIXED.names, columns, strict=True)))
    arrays = [np.array(columns[0]), np.array(columns[1]), np.array(columns[2], dtype=object)]
    for other in (by_name.X, by_column.X, MIXED.encode_columns(arrays)):
        assert other.tobytes() == encoded.X.tobytes()
    assert encoded.X[:, :2].sum(axis=1).tolist() == [1.0] * len(rows)
    assert encoded.warnings.total == sum(row[2] == "never seen" for row in rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.uint64])
def test_arrays_of_any_number_type_are_encoded(dtype: type) -> None:
    assert NUMBERS.encode_numbers(np.array([[6, 1]], dtype)).tolist() == [[1.0, 4.0]]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("rows", "width"), [(130, 300), (9000, 4)])
def test_many_numbers_get_the_bits_that_each_row_has_alone(dtype: str, order: Any, rows: int, width: int) -> None:
    rng = np.random.default_rng(3)
    schema = wide(width)
    values = rng.uniform(0, 100, (rows, width)).astype(dtype, order=order)
    X = schema.encode_numbers(values)
    for row in (0, 1, rows // 2, rows - 1):
        assert X[row].tobytes() == schema.encode_numbers(values[row : row + 1].astype("float64")).tobytes()


def test_rows_longer_than_what_is_worked_on_at_a_time_are_encoded() -> None:
    schema = wide(2**15 + 1)
    X = schema.encode_numbers(np.full((2, 2**15 + 1), 50.0, np.float32))
    assert X[1, -2:].tolist() == [2.0, 1.5]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_many_rows_give_the_same_bits_as_each_alone(dtype: Any) -> None:
    rng = np.random.default_rng(5)
    features = tuple(NumericFeature(f"x{i}", offset=0.1 * i, scale=0.3 + i, low=0.0, high=1.0) for i in range(37))
    values = rng.uniform(-1000, 1000, (2003, 37)).astype(dtype)  # more than are scaled at once, and a rest
    schema = Schema(features)
    whole = schema.encode_numbers(values)
    assert all((schema.encode_numbers(row[np.newaxis]) == X).all() for row, X in zip(values, whole, strict=True))
