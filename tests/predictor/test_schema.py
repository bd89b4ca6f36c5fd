"""Rows of raw values to X: every way in, every fault, and the same bits whichever way a value arrives."""

import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor import CategoricalFeature, Encoded, Fault, Histogram, InputError, NumericFeature, Schema

NUMBERS = Schema(
    (
        NumericFeature("length", offset=2.0, scale=4.0, low=0.0, high=8.0),
        NumericFeature("width", offset=-1.0, scale=0.5, low=0.0, high=3.0, missing=1.0),
    )
)
MIXED = Schema(
    (
        CategoricalFeature("street", ("gravel", "paved"), counts=(3, 9)),
        NumericFeature("area", offset=100.0, scale=50.0, low=20.0, high=300.0),
        CategoricalFeature("roof", ("tin", "a/b~c", "Ω"), missing="tin", unknown="bucket", counts=(2, 3, 7)),
    )
)


def pointers(findings: Any) -> list[str]:
    return [fault.pointer for fault in findings]


def refused(encode: Callable[[], object]) -> InputError:
    with pytest.raises(InputError) as caught:
        encode()
    return caught.value


def test_a_schema_knows_its_names_and_width() -> None:
    assert (NUMBERS.names, NUMBERS.width, NUMBERS.is_numeric) == (("length", "width"), 2, True)
    assert (MIXED.names, MIXED.width, MIXED.is_numeric) == (("street", "area", "roof"), 6, False)


def test_numbers_are_scaled_and_missing_ones_imputed() -> None:
    X = NUMBERS.encode_rows([[6, 0.5], [2.0, None]]).X
    assert X.dtype == np.float32
    assert X.tolist() == [[1.0, 3.0], [0.0, 4.0]]


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


CODED = Schema(
    (
        CategoricalFeature("class", ("1", "2.5", ""), missing="", unknown="bucket", counts=(3, 9, 0), others=4),
        CategoricalFeature("paid", ("False", "True"), counts=(3, 9)),
        CategoricalFeature("zip", ("01067", "10115"), counts=(3, 9)),
    )
)


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


SPREAD = Schema(
    (
        NumericFeature("hour", offset=12.0, scale=6.0, low=0.0, high=24.0, clip=2.0, knots=(0.0, 6.0, 12.5, 24.0)),
        CategoricalFeature("moon", ("full", "new"), missing="new", counts=(3, 9)),
        NumericFeature("wind", scale=3.0, low=0.0, high=90.0, missing=4.5, knots=(0.0, 9.0), flags_missing=True),
        NumericFeature("depth", low=-1.0, high=1.0, missing=0.0, flags_missing=True),
        NumericFeature("plain", offset=1.0, low=-1.0, high=1.0),
    )
)


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


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ([[1, True]], [("/0/1", "type", "'width': expected a number, found a boolean")]),
        ([[1, "1"]], [("/0/1", "type", "'width': expected a number, found a string")]),
        ([[1, {}]], [("/0/1", "type", "'width': expected a number, found an object")]),
        ([[1, 2], [[1], 2]], [("/1", "depth", "the row is nested too deep: 'length' holds a list")]),
        ([[None, 2]], [("/0/0", "missing", "'length' has no value, and the model has no rule for a missing one")]),
        ([[math.nan, 2]], [("/0/0", "missing", "'length' has no value, and the model has no rule for a missing one")]),
        ([[1, 1e39]], [("/0/1", "range", "'width' is outside what a 32-bit float can hold after scaling")]),
        ([[-math.inf, 1]], [("/0/0", "range", "'length' is outside what a 32-bit float can hold after scaling")]),
        ([[10**400, 1]], [("/0/0", "range", "'length' is outside what a 32-bit float can hold after scaling")]),
        ([[1]], [("/0", "width", "expected a row of 2 values, found 1")]),
        ([[1, 2], 3], [("/1", "type", "expected a row of 2 values, found a number")]),
        ([], [("", "empty", "expected at least one row, found none")]),
        ({}, [("", "type", "expected a list of rows, found an object")]),
        (None, [("", "type", "expected a list of rows, found null")]),
        (
            [[1, "x"], [None, 2], [1e40, True]],
            [
                ("/0/1", "type", "'width': expected a number, found a string"),
                ("/1/0", "missing", "'length' has no value, and the model has no rule for a missing one"),
                ("/2/0", "range", "'length' is outside what a 32-bit float can hold after scaling"),
                ("/2/1", "type", "'width': expected a number, found a boolean"),
            ],
        ),
    ],
)
def test_wrong_rows_are_refused_by_place(rows: object, faults: list[tuple[str, str, str]]) -> None:
    error = refused(lambda: NUMBERS.encode_rows(rows))
    assert error.faults == tuple(Fault(*fault) for fault in faults)
    assert error.count == len(faults)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (["mud", 1, None], ("/0/0", "category", "'street': 'mud' is not a known category")),
        (["Paved", 1, None], ("/0/0", "category", "'street': 'Paved' is not a known category; did you mean 'paved'?")),
        (
            ["paved ", 1, None],
            ("/0/0", "category", "'street': 'paved ' is not a known category; did you mean 'paved'?"),
        ),
        ([None, 1, None], ("/0/0", "missing", "'street' has no value, and the model has no rule for a missing one")),
        ([1, 1, None], ("/0/0", "type", "'street': expected a string, found a number")),
        (["paved", 1, False], ("/0/2", "type", "'roof': expected a string, found a boolean")),
    ],
)
def test_wrong_categories_are_refused_by_place(row: list[object], fault: tuple[str, str, str]) -> None:
    assert refused(lambda: MIXED.encode_rows([row])).faults == (Fault(*fault),)


@pytest.mark.parametrize(
    ("records", "faults"),
    [
        (
            [{"length": 1, "Width": 2}],
            [
                ("/0/Width", "unknown_feature", "'Width' is not a feature of the model; did you mean 'width'?"),
                ("/0", "missing_feature", "'width' is missing"),
            ],
        ),
        ([{"length": 1, "width": 2}, {"length": 1}], [("/1", "missing_feature", "'width' is missing")]),
        (
            [{"length": 1, "width": 2, "a/b~c": 3}],
            [("/0/a~1b~0c", "unknown_feature", "'a/b~c' is not a feature of the model")],
        ),
        ([{"length": 1, "width": 2}, [1, 2]], [("/1", "type", "expected an object by feature name, found a list")]),
        ([{"length": "1", "width": 2}], [("/0/length", "type", "'length': expected a number, found a string")]),
        ([{"length": [1], "width": 2}], [("/0/length", "type", "'length': expected a number, found a list")]),
        ("rows", [("", "type", "expected a list of objects, found a string")]),
    ],
)
def test_wrong_records_are_refused_by_place(records: object, faults: list[tuple[str, str, str]]) -> None:
    assert refused(lambda: NUMBERS.encode_records(records)).faults == tuple(Fault(*fault) for fault in faults)


def test_columns_that_training_left_out_are_passed_over_with_a_warning() -> None:
    schema = Schema(NUMBERS.features, left_out=("id", "a/b~c"))
    plain: list[dict[str, Any]] = [
        {"length": 6, "width": 0.5},
        {"length": 2, "width": 1},
        {"length": 2, "width": 1},
    ]
    records = [{"id": {"x": [1]}, **plain[0]}, plain[1], {**plain[2], "a/b~c": None}]
    encoded = schema.encode_records(records)
    assert encoded.X.tobytes() == NUMBERS.encode_records(plain).X.tobytes()
    assert [len(column) for column in encoded.columns] == [3, 3]
    assert tuple(encoded.warnings) == (
        Fault("/0/id", "left_out", "'id' is passed over: it is no feature of the model"),
        Fault("/2/a~1b~0c", "left_out", "'a/b~c' is passed over: it is no feature of the model"),
    )
    assert (encoded.warnings.total, encoded.left_out) == (2, 2)


def test_columns_that_training_left_out_may_stand_among_columns_whatever_they_hold() -> None:
    schema = Schema(NUMBERS.features, left_out=("id",))
    encoded = schema.encode_named_columns({"id": None, "width": [1] * 30, "length": [2] * 30})
    assert encoded.X.shape == (30, 2)
    assert pointers(encoded.warnings) == [f"/id/{row}" for row in range(10)]
    assert (encoded.warnings.total, encoded.left_out) == (30, 30)


def test_left_out_columns_do_not_hide_what_is_unknown_or_missing() -> None:
    schema = Schema(NUMBERS.features, left_out=("id",))
    error = refused(lambda: schema.encode_records([{"id": 1, "Id": 2, "width": 1}]))
    assert [(fault.pointer, fault.code) for fault in error.faults] == [
        ("/0/Id", "unknown_feature"),
        ("/0", "missing_feature"),
    ]
    assert pointers(refused(lambda: schema.encode_named_columns({"id": [1], "length": [1]})).faults) == [""]


def test_the_names_of_left_out_columns_are_checked() -> None:
    for left_out in (("id", "id"), ("width",), ("",), ("x" * 257,)):
        with pytest.raises(ValueError, match="left_out"):
            Schema(NUMBERS.features, left_out=left_out)


@pytest.mark.parametrize(
    ("columns", "faults"),
    [
        ({"length": [1, 2], "width": [1]}, [("/width", "ragged", "expected 2 values, as in 'length', found 1")]),
        ({"length": [1], "width": 2}, [("/width", "type", "expected a list of values, found a number")]),
        ({"length": [], "width": []}, [("", "empty", "expected at least one row, found none")]),
        ({"length": [1]}, [("", "missing_feature", "'width' is missing")]),
        (
            {"length": [1], "witdh": [1]},
            [
                ("/witdh", "unknown_feature", "'witdh' is not a feature of the model; did you mean 'width'?"),
                ("", "missing_feature", "'width' is missing"),
            ],
        ),
        ({"length": [1, "2"], "width": [1, 2]}, [("/length/1", "type", "'length': expected a number, found a string")]),
        ([1], [("", "type", "expected an object of lists, found a list")]),
    ],
)
def test_wrong_columns_are_refused_by_place(columns: object, faults: list[tuple[str, str, str]]) -> None:
    assert refused(lambda: NUMBERS.encode_named_columns(columns)).faults == tuple(Fault(*fault) for fault in faults)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (np.zeros((2, 3)), ("", "width", "expected rows x 2 numbers, found 2 x 3")),
        (np.zeros(2), ("", "width", "expected rows x 2 numbers, found 2")),
        (np.zeros(()), ("", "width", "expected rows x 2 numbers, found one number")),
        (np.zeros((0, 2)), ("", "empty", "expected rows x 2 numbers, found 0 x 2")),
        (np.ones((1, 2), bool), ("", "type", "expected numbers only")),
        (np.array([["1", "2"]]), ("", "type", "expected numbers only")),
        (
            np.array([[np.nan, 1]]),
            ("/0/0", "missing", "'length' has no value, and the model has no rule for a missing one"),
        ),
        (np.array([[1, 1e39]]), ("/0/1", "range", "'width' is outside what a 32-bit float can hold after scaling")),
        (np.array([[1, np.inf]]), ("/0/1", "range", "'width' is outside what a 32-bit float can hold after scaling")),
    ],
)
def test_wrong_arrays_are_refused_by_place(values: Any, fault: tuple[str, str, str]) -> None:
    assert refused(lambda: NUMBERS.encode_numbers(values)).faults == (Fault(*fault),)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.uint64])
def test_arrays_of_any_number_type_are_encoded(dtype: type) -> None:
    assert NUMBERS.encode_numbers(np.array([[6, 1]], dtype)).tolist() == [[1.0, 4.0]]


def test_a_schema_with_categories_takes_no_bare_numbers() -> None:
    assert refused(lambda: MIXED.encode_numbers(np.zeros((1, 3)))).faults[0].code == "type"


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_the_first_ten_faults_come_in_the_order_of_the_document(layout: str) -> None:
    gaps = [None] * 20
    if layout == "rows":
        error = refused(lambda: Schema(MIXED.features[:2]).encode_rows([[None, None]] * 20))
        expected = [f"/{row}/{column}" for row in range(5) for column in range(2)]
    else:
        error = refused(lambda: Schema(MIXED.features[:2]).encode_named_columns({"street": gaps, "area": gaps}))
        expected = [f"/street/{row}" for row in range(10)]
    assert pointers(error.faults) == expected
    assert error.count == 40
    assert str(error).endswith("(and 39 more)")


@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_the_first_ten_numbers_at_fault_come_in_the_order_of_the_document(layout: Any) -> None:
    values = np.full((20, 2), 1e40)
    rows = [f"/{row}/{column}" for row in range(5) for column in range(2)]
    columns = [f"/length/{row}" for row in range(10)]
    error = refused(lambda: NUMBERS.encode_numbers(values, layout))
    warned = NUMBERS.out_of_range(np.full((20, 2), 99, np.float32), layout)
    for findings in (error.faults, warned):
        assert pointers(findings) == (rows if layout == "rows" else columns)
        assert findings.total == 40


def test_a_value_outside_the_training_range_is_a_warning_in_its_own_units() -> None:
    X = NUMBERS.encode_numbers(np.array([[8.0, 3.0], [8.1, -0.1]]))
    assert NUMBERS.out_of_range(X, "records") == (
        Fault("/1/length", "out_of_range", "'length' is outside the training range, 0 to 8"),
        Fault("/1/width", "out_of_range", "'width' is outside the training range, 0 to 3"),
    )
    encoded = MIXED.encode_rows([["paved", 301, "thatch"]])
    assert pointers(MIXED.out_of_range(encoded.X)) == ["/0/1"]


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


@pytest.mark.parametrize(("rows", "width"), [(1, 300), (100, 300), (100, 30)])
def test_one_value_of_many_that_is_out_of_range_is_found(rows: int, width: int) -> None:
    schema = wide(width)
    values = np.full((rows, width), 50.0)
    assert schema.out_of_range(schema.encode_numbers(values)) == ()
    for outside in (-0.1, 100.1):
        values[-1, 7] = outside
        assert pointers(schema.out_of_range(schema.encode_numbers(values))) == [f"/{rows - 1}/7"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e40])
def test_one_value_of_many_that_is_no_number_is_found_and_large_ones_are_none(value: float) -> None:
    values = np.full((130, 300), 1e30)
    assert np.isfinite(wide(300).encode_numbers(values)).all()
    values[129, 299] = value
    error = refused(lambda: wide(300).encode_numbers(values))
    assert pointers(error.faults) == ["/129/299"]
    assert error.count == 1


def wide(width: int) -> Schema:
    return Schema(
        tuple(NumericFeature(f"x{i}", offset=40 + i % 7, scale=3 + i % 5, low=0, high=100) for i in range(width))
    )


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_a_value_of_the_training_range_is_never_outside(
    offset: float, scale: float, low: float, span: float, part: float
) -> None:
    high = low + span
    schema = Schema((NumericFeature("x", offset=offset, scale=scale, low=low, high=high),))
    inside = min(max(low + part * span, low), high)
    X = schema.encode_numbers(np.array([[low], [high], [inside]]))
    assert schema.out_of_range(X).total == 0


def test_a_fault_repeats_at_most_64_characters_and_no_control_character() -> None:
    hostile = "\x1b[2J" + "x" * 100_000
    error = refused(lambda: MIXED.encode_rows([[hostile, 1, None]]))
    assert len(error.faults[0].detail) < 150
    assert error.faults[0].detail.isprintable()
    unknown = refused(lambda: NUMBERS.encode_records([{"length": 1, "width": 2, hostile: 3}]))
    assert unknown.faults[0].pointer == "/0"
    assert unknown.faults[0].detail.isprintable()
    assert len(unknown.faults[0].detail) < 150


def test_very_many_categories_cost_a_wrong_one_little() -> None:
    many = tuple(f"category-{i}" for i in range(100_000))
    schema = Schema((CategoricalFeature("code", many, counts=(0,) * len(many), unknown="bucket"),))
    rows = [[f"kategory-{i}"] for i in range(20)]
    start = time.process_time()
    encoded = schema.encode_rows(rows)
    assert time.process_time() - start < 0.5
    assert encoded.warnings.total == 20


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["length", "width", "x"]), inner),
    max_leaves=12,
)


def attempted(encode: Callable[[object], Encoded], value: object) -> Encoded | InputError:
    try:
        return encode(value)
    except InputError as error:
        return error


@given(json_values)
@settings(max_examples=300, deadline=None)
def test_any_value_is_encoded_or_refused(value: Any) -> None:
    for schema in (NUMBERS, MIXED):
        for encode in (schema.encode_rows, schema.encode_records, schema.encode_named_columns):
            found = attempted(encode, value)
            if isinstance(found, InputError):
                assert 1 <= len(found.faults) <= min(10, found.count)
            else:
                assert np.isfinite(found.X).all()
                assert found.X.shape[1] == schema.width


def test_columns_of_the_wrong_number_or_length_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 columns, found 1"):
        NUMBERS.encode_columns([np.zeros(3)])
    with pytest.raises(ValueError, match="expected columns of one length, found 2 to 3 rows"):
        NUMBERS.encode_columns([np.zeros(3), np.zeros(2)])
    error = refused(lambda: MIXED.encode_columns([np.zeros(1), np.zeros(1), np.array(["tin"])]))
    assert error.faults == (Fault("/street/0", "type", "'street': expected a string, found a number"),)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Schema(()), "features: expected at least one"),
        (lambda: Schema((NUMBERS.features[0],) * 2), "features: two have the same name"),
        (lambda: NumericFeature("", low=0, high=1), "name: expected 1 to 256 characters, found 0"),
        (lambda: NumericFeature("a\nb", low=0, high=1), "name: .* holds a control character"),
        (lambda: NumericFeature("a\ud800", low=0, high=1), "name: .* holds a lone surrogate"),
        (lambda: NumericFeature("x", low=2, high=1), "low: 2.0 is above high, 1.0"),
        (lambda: NumericFeature("x", low=0, high=1, scale=0), "scale: expected a number above 0"),
        (lambda: NumericFeature("x", low=0, high=1, scale=5e-324), "scale: expected a number above 0 with a finite"),
        (lambda: NumericFeature("x", low=0, high=1, missing=math.nan), "missing: expected a finite number"),
        (lambda: NumericFeature("x", low=0, high=10**400), "high: expected a finite number"),
        (lambda: NumericFeature("x", low=0, high=1, clip=1e7), r"clip: expected a number from 0.001 to 1e\+06"),
        (lambda: NumericFeature("x", low=0, high=1, knots=(0, 0)), "knots: expected rising values"),
        (lambda: NumericFeature("x", low=0, high=1, knots=(1,)), "knots: expected none, or two or more"),
        (lambda: NumericFeature("x", low=0, high=1, flags_missing=True), "flags_missing: needs a value"),
        (lambda: CategoricalFeature("x", (), counts=()), "categories: expected at least one"),
        (lambda: CategoricalFeature("x", ("a", "a"), counts=(1, 1)), "and no duplicates"),
        (lambda: CategoricalFeature("x", ("a",), counts=(1, 2)), "counts: expected one for each of 1 categories"),
        (lambda: CategoricalFeature("x", ("a",), counts=(-1,)), r"counts\[0\]: expected a whole number from 0"),
        (lambda: CategoricalFeature("x", ("a",), counts=(1,), others=1), "others: expected 0 where unknown"),
        (lambda: CategoricalFeature("x", ("a",), counts=(1,), others=-1, unknown="bucket"), "others: expected a whole"),
        (lambda: CategoricalFeature("x", ("a",), counts=(1,), missing="b"), "missing: 'b' is not one of the"),
        (lambda: CategoricalFeature("x", ("a",), counts=(1,), unknown="ask"), "unknown: expected 'refuse' or"),  # type: ignore[arg-type]
        (lambda: Histogram((0.0, 1.0), ()), "counts: 2 edges need 1 counts, found 0"),
        (lambda: Histogram((0.0, 0.0), (1,)), "edges: expected rising values"),
        (
            lambda: Schema((CategoricalFeature("x", tuple(map(str, range(2**17 + 1))), counts=(0,) * (2**17 + 1)),)),
            "features: 131073 encoded columns, at most 131072 are allowed",
        ),
    ],
)
def test_features_that_cannot_be_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_many_rows_give_the_same_bits_as_each_alone(dtype: Any) -> None:
    rng = np.random.default_rng(5)
    features = tuple(NumericFeature(f"x{i}", offset=0.1 * i, scale=0.3 + i, low=0.0, high=1.0) for i in range(37))
    values = rng.uniform(-1000, 1000, (2003, 37)).astype(dtype)  # more than are scaled at once, and a rest
    schema = Schema(features)
    whole = schema.encode_numbers(values)
    assert all((schema.encode_numbers(row[np.newaxis]) == X).all() for row, X in zip(values, whole, strict=True))
