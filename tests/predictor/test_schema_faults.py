"""Rows that do not fit a schema are refused, or warned of, by the place of each fault."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor import CategoricalFeature, Encoded, Fault, Histogram, InputError, NumericFeature, Schema, cells, reading
from predictor.wording import shown
from tests.predictor.schemas import CODED, MIXED, NUMBERS, pointers, refused, wide


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
    assert [len(column) for column in encoded.cells] == [3, 3]
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


@pytest.mark.parametrize("width", [1, 16, 17])
def test_a_row_alone_is_warned_of_as_among_others(width: int) -> None:
    schema = Schema(tuple(NumericFeature(f"x{i}", low=0.0, high=0.1) for i in range(width)))
    bound = np.float32(0.1)
    inside, below, above, nothing = 0.0, -1e-45, np.nextafter(bound, np.float32(1)), np.nan
    for value, is_outside in ((inside, 0), (bound, 0), (below, 1), (above, 1), (nothing, 0)):
        X = np.zeros((2, width), np.float32)
        X[:, -1] = value
        assert pointers(schema.out_of_range(X[:1])) == [f"/0/{width - 1}"] * is_outside
        assert schema.out_of_range(X).total == 2 * is_outside


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


def test_records_that_lack_most_of_many_names_are_counted_without_a_word_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []

    def recorded(name: str) -> str:
        said.append(name)
        return shown(name)

    monkeypatch.setattr(cells, "shown", recorded)
    schema = Schema(tuple(NumericFeature(f"pixel {i}", low=0.0, high=1.0) for i in range(500)))
    error = refused(lambda: schema.encode_records([*[{"pixel 1": 0.5, "pixl 2": 1.0}] * 1000, 7, {}, {"a": 1, "b": 2}]))
    assert (len(error.faults), error.count) == (10, 1000 * (1 + 499) + 1 + 500 + (2 + 500))
    assert error.faults[0].detail == "'pixl 2' is not a feature of the model; did you mean 'pixel 2'?"
    assert len(said) < 600


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


NAMES = st.sampled_from(["street", "area", "roof", "class", "paid", "zip", "id", "roofs"])
CELLS = st.sampled_from(
    ["gravel", "paved", "tin", "Tin", "1", "2.5", "", "False", "01067", None, True, 1, 2.5, 10**400, float("nan"), [1]]
)
LAYOUTS = {
    "encode_rows": st.lists(st.lists(CELLS, min_size=3, max_size=3) | st.lists(CELLS, max_size=4), max_size=40),
    "encode_records": st.lists(st.dictionaries(NAMES, CELLS, max_size=4) | CELLS, max_size=40),
    "encode_named_columns": st.dictionaries(NAMES, st.lists(CELLS, max_size=30), max_size=4),
}
USUAL = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=40)


def arranged(schema: Schema, layout: str, rows: list[tuple[Any, ...]]) -> Any:
    if layout == "encode_named_columns":
        return {name: list(column) for name, column in zip(schema.names, zip(*rows, strict=True), strict=True)}
    if layout == "encode_records":
        return [dict(zip(schema.names, row, strict=True)) for row in rows]
    return rows


def told(found: Encoded | InputError) -> Any:
    if isinstance(found, InputError):
        return found.faults, found.count
    return found.X.tobytes(), found.warnings, found.warnings.total, found.left_out


@given(st.data(), st.sampled_from(sorted(LAYOUTS)))
@settings(max_examples=150, deadline=None)
def test_in_blocks_the_same_comes_of_every_value(data: Any, layout: str) -> None:
    for given_schema in (MIXED, CODED):
        schema = replace(given_schema, left_out=("id",))
        value = data.draw(USUAL.map(partial(arranged, schema, layout)) | LAYOUTS[layout])
        expected = attempted(getattr(schema, layout), value)
        with pytest.MonkeyPatch.context() as patch:
            for name, size in (("FEW_ROWS", 0), ("WIDE_ROWS", 1), ("MOST_ROWS", 3)):
                patch.setattr(reading, name, size)
            found = attempted(partial(getattr(schema, layout), pause=lambda: None), value)
        assert told(found) == told(expected)


def test_many_rows_are_kept_without_the_objects_that_they_came_as() -> None:
    rows = [[b"gravel".decode(), 7, "thatch"] for _ in range(2 * reading.FEW_ROWS)]
    streets, areas, roofs = MIXED.encode_rows(rows, lambda: None).cells
    assert len({id(street) for street in streets}) == 1
    assert isinstance(areas, np.ndarray)
    assert (areas[0], roofs[0]) == (7.0, "thatch")
    numbers = NUMBERS.encode_rows([[1, None]] * 2 * reading.FEW_ROWS, lambda: None).cells
    assert isinstance(numbers, np.ndarray)
    assert numbers.shape == (2 * reading.FEW_ROWS, 2)


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
        (lambda: NumericFeature("a\udfffb", low=0, high=1), "name: .* holds a lone surrogate"),
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
