"""The schema that training rows make."""

import numpy as np
import pytest

from predictor import CategoricalFeature, NumericFeature
from training.encoding import encode, raw_cells
from training.errors import DataError
from training.inference import describe
from training.recipe import Data, Encoding
from training.table import Column

ALL = np.arange(4)


def text(name: str, *cells: str | None) -> Column:
    return Column(name, np.array(cells, dtype=object))


def test_numbers_are_standardised_by_the_training_rows_alone() -> None:
    column = Column("x", np.array([1.0, 3.0, 100.0, np.nan]))
    described = describe([column], np.array([0, 1]), Data(), Encoding())
    (feature,) = described.schema.features
    assert isinstance(feature, NumericFeature)
    assert (feature.offset, feature.scale, feature.missing, feature.low, feature.high) == (2.0, 1.0, 2.0, 1.0, 3.0)
    assert feature.histogram is not None
    assert sum(feature.histogram.counts) == 2
    np.testing.assert_array_equal(encode(described.schema, [column], ALL), [[-1.0], [1.0], [98.0], [0.0]])


def test_raw_numbers_are_only_divided() -> None:
    column = Column("pixel", np.array([0, 51, 102, 255], dtype=np.uint8))
    described = describe([column], ALL, Data(prune=False), Encoding(inputs="raw", divide_by=255.0))
    X = encode(described.schema, [column], ALL)
    np.testing.assert_allclose(X[:, 0], [0, 0.2, 0.4, 1.0], rtol=1e-6)
    assert described.schema.features[0].missing is None


def test_categories_are_one_hot_and_a_missing_cell_is_one_of_its_own() -> None:
    column = text("city", "Rome", "Bonn", "Rome", None)
    described = describe([column], ALL, Data(), Encoding())
    (feature,) = described.schema.features
    assert isinstance(feature, CategoricalFeature)
    assert (feature.categories, feature.counts, feature.missing) == (("Bonn", "Rome", ""), (1, 2, 0), "")
    np.testing.assert_array_equal(encode(described.schema, [column], ALL), [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


def test_the_usual_category_stands_in_for_a_missing_cell_that_training_rows_have_none_of() -> None:
    column = text("city", "Rome", "Bonn", "Rome", None)
    described = describe([column], np.arange(3), Data(), Encoding())
    assert described.schema.features[0].missing == "Rome"
    np.testing.assert_array_equal(encode(described.schema, [column], np.array([3])), [[0, 1]])


def test_a_category_that_only_test_rows_have_encodes_as_none_of_the_known() -> None:
    column = text("city", "Rome", "Bonn", "Oslo", "Rome")
    described = describe([column], np.array([0, 1]), Data(), Encoding())
    np.testing.assert_array_equal(encode(described.schema, [column], np.array([2])), [[0, 0]])


def test_nothing_left_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="no column is left to learn from"):
        describe([Column("one", np.ones(4))], ALL, Data(), Encoding())


def test_the_raw_cells_of_a_row_are_what_a_client_would_send() -> None:
    columns = [
        Column("a", np.array([1, 2], dtype=np.uint8)),
        Column("b", np.array([np.nan, 1.5])),
        text("c", None, "x"),
    ]
    assert raw_cells(columns, 0) == (1.0, None, None)
    assert raw_cells(columns, 1) == (2.0, 1.5, "x")


def test_a_number_that_float32_cannot_hold_is_refused_by_name() -> None:
    column = Column("x", np.array([1.0, 1e300]))
    described = describe([column], np.arange(2), Data(prune=False), Encoding(inputs="raw"))
    message = "the data do not fit the schema of the training rows: column 'x' is outside what a 32-bit float can hold"
    with pytest.raises(DataError, match=rf"{message} after scaling, found 1e\+300; correct it"):
        encode(described.schema, [column], np.arange(2))


def test_a_number_that_float32_cannot_hold_is_refused_by_name_beside_text() -> None:
    columns = [text("a/b~c", "x", "y", "x"), Column("0", np.array([1.0, 1e300, -1e300]))]
    described = describe(columns, np.arange(3), Data(prune=False), Encoding(inputs="raw"))
    message = r"column '0' is outside .* after scaling, found -1e\+300 \(and 1 more such cell\)"
    with pytest.raises(DataError, match=message):
        encode(described.schema, columns, np.array([2, 0, 1]))


ROBUST = Encoding(inputs="robust", clip=3.0, bins=8, flag_missing=True)


def numeric(values: np.ndarray, encoding: Encoding = ROBUST) -> NumericFeature:
    column = Column("x", values)
    (feature,) = describe([column], np.arange(len(values)), Data(prune=False), encoding).schema.features
    assert isinstance(feature, NumericFeature)
    return feature


def test_robust_numbers_take_the_median_and_the_quartiles_whatever_the_tail() -> None:
    values = np.random.default_rng(0).normal(7, 2, 10_001)
    values[:50] = 1e6
    feature = numeric(values)
    assert feature.offset == pytest.approx(7, abs=0.1)
    assert feature.scale == pytest.approx(2, abs=0.1)
    assert (feature.clip, feature.flags_missing, len(feature.knots)) == (3.0, False, 9)
    np.testing.assert_allclose(feature.knots, np.quantile(values, np.linspace(0, 1, 9)), rtol=1e-2)
    assert numeric(np.array([0.0] * 90 + [8.0] * 10)).scale == 4
    assert numeric(np.zeros(10)).scale == 1
    assert numeric(np.array([0.0] * 9 + [5e-324])).scale == 1


def test_bins_hold_125_rows_and_only_where_they_say_more_than_the_value() -> None:
    rng = np.random.default_rng(0)
    assert len(numeric(rng.normal(size=625)).knots) == 6
    assert numeric(rng.normal(size=249)).knots == ()
    assert numeric(rng.integers(0, 2, 4000).astype(float)).knots == ()
    assert numeric(rng.integers(0, 3, 4000).astype(float)).knots == (0, 1, 2)
    near = numeric(np.repeat([1e9, 1e9 + 1e-4, 1e9 + 50, 1e9 + 100], 400))
    assert len(near.knots) == 3


def test_missing_cells_are_flagged_where_there_are_enough_of_them_to_learn_from() -> None:
    values = np.random.default_rng(0).normal(size=100)
    for missing, flagged in ((0, False), (19, False), (20, True), (80, True), (81, False)):
        gaps = values.copy()
        gaps[:missing] = np.nan
        assert numeric(gaps).flags_missing is flagged
    assert not numeric(gaps, Encoding()).flags_missing


def test_a_request_is_encoded_as_the_training_rows_were() -> None:
    rng = np.random.default_rng(0)
    amount = rng.lognormal(size=1000)
    amount[:100] = np.nan
    columns = [Column("amount", amount), text("city", *rng.choice(["Rome", "Bonn"], 1000))]
    described = describe(columns, np.arange(1000), Data(), ROBUST)
    X = encode(described.schema, columns, np.arange(1000))
    rows = [list(raw_cells(columns, row)) for row in range(1000)]
    np.testing.assert_array_equal(described.schema.encode_rows(rows).X, X)
    np.testing.assert_array_equal(described.schema.encode_rows(rows[7:8]).X, X[7:8])
    flag = X[:, described.schema.features[0].width - 1]
    assert flag[:100].all()
    assert not flag[100:].any()


def test_numbers_of_any_size_become_features_or_are_refused_by_name() -> None:
    rng = np.random.default_rng(0)
    huge = 10 ** rng.uniform(0, 300, 1000) * rng.choice([-1, 1], 1000)
    assert all(abs(knot) < 1e200 for knot in numeric(huge).knots)
    assert numeric(1e15 + rng.random(1000)).knots
    assert numeric(rng.random(1000) * 1e-300).knots
    assert numeric(np.where(rng.random(1000) < 0.5, -1.5e308, 1.5e308)).scale == 1
    with pytest.raises(DataError, match=r"column 'x': the numbers, .*, cannot be scaled: scale: expected a finite"):
        numeric(np.array([-1.5e308, 1.5e308]), Encoding())
