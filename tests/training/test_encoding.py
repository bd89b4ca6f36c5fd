"""The schema that training rows make."""

import numpy as np
import pytest

from predictor import CategoricalFeature, NumericFeature
from training.encoding import encode, raw_cells
from training.errors import DataError
from training.inference import describe
from training.recipe import Encoding
from training.table import Column

ALL = np.arange(4)


def text(name: str, *cells: str | None) -> Column:
    return Column(name, np.array(cells, dtype=object))


def test_numbers_are_standardised_by_the_training_rows_alone() -> None:
    column = Column("x", np.array([1.0, 3.0, 100.0, np.nan]))
    described = describe([column], np.array([0, 1]), Encoding(), prune=True)
    (feature,) = described.schema.features
    assert isinstance(feature, NumericFeature)
    assert (feature.offset, feature.scale, feature.missing, feature.low, feature.high) == (2.0, 1.0, 2.0, 1.0, 3.0)
    assert feature.histogram is not None
    assert sum(feature.histogram.counts) == 2
    np.testing.assert_array_equal(encode(described.schema, [column], ALL), [[-1.0], [1.0], [98.0], [0.0]])


def test_raw_numbers_are_only_divided() -> None:
    column = Column("pixel", np.array([0, 51, 102, 255], dtype=np.uint8))
    described = describe([column], ALL, Encoding(inputs="raw", divide_by=255.0), prune=False)
    X = encode(described.schema, [column], ALL)
    np.testing.assert_allclose(X[:, 0], [0, 0.2, 0.4, 1.0], rtol=1e-6)
    assert described.schema.features[0].missing is None


def test_categories_are_one_hot_and_the_usual_one_stands_in_for_a_missing_cell() -> None:
    column = text("city", "Rome", "Bonn", "Rome", None)
    described = describe([column], ALL, Encoding(), prune=True)
    (feature,) = described.schema.features
    assert isinstance(feature, CategoricalFeature)
    assert (feature.categories, feature.counts, feature.missing) == (("Bonn", "Rome"), (1, 2), "Rome")
    np.testing.assert_array_equal(encode(described.schema, [column], ALL), [[0, 1], [1, 0], [0, 1], [0, 1]])


def test_a_category_that_only_test_rows_have_encodes_as_none_of_the_known() -> None:
    column = text("city", "Rome", "Bonn", "Oslo", "Rome")
    described = describe([column], np.array([0, 1]), Encoding(), prune=True)
    np.testing.assert_array_equal(encode(described.schema, [column], np.array([2])), [[0, 0]])


def test_what_cannot_help_is_left_out_by_name_and_reason_unless_it_is_kept() -> None:
    rows = 60
    columns = [
        Column("id", np.arange(1, rows + 1)),
        Column("one", np.ones(rows)),
        text("same", *["x"] * rows),
        text("name", *[f"n{i}" for i in range(rows)]),
        Column("empty", np.full(rows, np.nan)),
        Column("good", np.random.default_rng(0).normal(size=rows)),
    ]
    described = describe(columns, np.arange(rows), Encoding(), prune=True)
    assert described.schema.names == ("good",)
    assert described.notes == (
        "column left out (it looks like a row number): 'id'",
        "2 columns left out (the same in every training row): 'one', 'same'",
        "column left out (it looks like a name or free text): 'name'",
        "column left out (every cell of the training rows is missing): 'empty'",
    )
    kept = describe(columns, np.arange(rows), Encoding(), prune=True, keep=["id", "one"])
    assert kept.schema.names == ("id", "one", "good")


def test_nothing_left_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="no column is left to learn from"):
        describe([Column("one", np.ones(4))], ALL, Encoding(), prune=True)


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
    described = describe([column], np.arange(2), Encoding(inputs="raw"), prune=False)
    with pytest.raises(DataError, match="the data do not fit the schema of the training rows"):
        encode(described.schema, [column], np.arange(2))
