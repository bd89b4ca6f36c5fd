"""What becomes of columns that nobody prepared, and what is said about it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from predictor import CategoricalFeature, DateFeature, NumericFeature
from training.decisions import as_json, lines
from training.encoding import encode
from training.errors import DataError
from training.inference import Described, describe
from training.problem import pose
from training.recipe import Data, Encoding
from training.table import Column, Table

ROWS = 200
RNG = np.random.default_rng(0)
NOISE = Column("good", RNG.normal(size=ROWS))


def text(name: str, cells: Sequence[str | None]) -> Column:
    return Column(name, np.array(cells, dtype=object))


def described(*columns: Column, encoding: Encoding | None = None, **data: Any) -> Described:
    rows = len(columns[0].values)
    return describe(columns, np.arange(rows), Data(**data), encoding or Encoding())


def only(column: Column, **data: Any) -> tuple[Any, str]:
    """The feature that a column becomes beside a good one, None when it is left out, and what is said of it."""
    found = described(NOISE, column, **data)
    feature = next((one for one in found.schema.features if one.name == column.name), None)
    return feature, next(line for line in lines(found.decisions) if f"'{column.name}'" in line)


@pytest.mark.parametrize("size", [1e300, 1.7e308])
def test_numbers_of_any_size_are_looked_at_without_a_warning(size: float) -> None:
    column = Column("id", np.r_[-size, size, np.arange(ROWS - 2)])
    assert described(NOISE, column, encoding=Encoding(inputs="robust")).schema.names == ("good", "id")
    message = r"column 'id': the numbers, from -\d.* to \d.*, cannot be scaled: .*; correct them, or leave"
    with pytest.raises(DataError, match=message):
        described(NOISE, column)


def test_names_are_left_out_of_small_tables_too_unless_each_text_is_asked_for() -> None:
    rng = np.random.default_rng(1)
    good = Column("good", rng.normal(size=60))
    names = text("name", [f"person {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(60)])
    towns = text("town", [f"town {'abcdefghijkl'[i]}" for i in rng.integers(0, 12, 60)])
    assert described(good, names, towns).schema.names == ("good", "town")
    assert described(good, names, rare=1).schema.names == ("good", "name")
    assert described(good, names, encoding=Encoding(unknown="refuse")).schema.names == ("good", "name")


@pytest.mark.parametrize(
    ("name", "cells", "said"),
    [
        ("a", np.arange(1, ROWS + 1), "it numbers the rows"),
        ("a", np.arange(5000, 5000 + ROWS), "it numbers the rows"),
        ("a", RNG.permutation(ROWS) + 70_000, "it numbers the rows in another order"),
        ("Customer ID", RNG.choice(10**6, ROWS, replace=False), "an identifier: whole numbers that never repeat"),
        ("orderId", RNG.choice(10**6, ROWS, replace=False), "an identifier: whole numbers that never repeat"),
        ("user_id", RNG.choice(10**6, ROWS // 4)[RNG.integers(0, ROWS // 4, ROWS)], "an identifier: "),
        ("a", np.full(ROWS, 7.0), "the same in every training row"),
        ("a", np.r_[np.zeros(ROWS - 1), 1.0], "the same in all but fewer than 2 training rows"),
        ("a", np.full(ROWS, np.nan), "every cell of the training rows is missing"),
        ("a", NOISE.values.copy(), "it says the same as 'good'"),
        ("a", [f"n{i}" for i in range(ROWS)], "it looks like a name or free text"),
        ("a", ["x"] * ROWS, "the same in every training row"),
    ],
)
def test_what_cannot_help_is_left_out_unless_it_is_kept(name: str, cells: Any, said: str) -> None:
    column = text(name, cells) if isinstance(cells, list) else Column(name, np.asarray(cells))
    feature, line = only(column)
    assert feature is None
    assert line.startswith(f"left out  '{name}': {said}")
    if "every cell" not in said:
        assert f'data.keep=["{name}"]' in line
        assert only(column, keep=(name,), rare=1)[0] is not None
        assert only(column, prune=False, rare=1)[0] is not None


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("year", np.arange(1800, 1800 + ROWS)),
        ("number of inhabitants", RNG.choice(10**6, ROWS, replace=False)),
        ("store count", np.tile(np.arange(1.0, 6.0), ROWS // 5)),
        ("income", RNG.choice(10**6, ROWS, replace=False)),
        ("size", NOISE.values * 2),
        ("flag", np.r_[np.zeros(ROWS - 2), np.ones(2)]),
        ("rooms", np.tile(np.arange(1.0, 9.0), ROWS // 8)),
        ("age", np.tile(np.array([18.0, 25, 33, 47]), ROWS // 4)),
        ("salary", np.tile(np.array([20_000.0, 35_000, 50_000, 90_000]), ROWS // 4)),
    ],
)
def test_quantities_stay_numbers(name: str, cells: Any) -> None:
    feature, line = only(Column(name, cells))
    assert isinstance(feature, NumericFeature)
    assert line.startswith("number  ")


def test_the_first_rows_of_a_numbered_table_may_be_what_matters() -> None:
    assert described(Column("day", np.arange(1, 41))).schema.names == ("day",)


def test_names_of_codes_repeat_what_the_codes_say() -> None:
    codes = Column("pclass", RNG.integers(1, 4, ROWS))
    names = text("class", [["First", "Second", "Third"][code - 1] for code in codes.values])
    assert described(codes, names).schema.names == ("pclass",)
    assert lines(described(codes, names).decisions)[1].startswith("left out  'class': it says the same as 'pclass'")
    swapped = text("class", ["First" if row == 0 else cell for row, cell in enumerate(names.values)])
    assert described(codes, swapped).schema.names[:1] == ("pclass",)


def test_codes_are_categories_by_their_name_or_their_gaps() -> None:
    by_name, said = only(Column("store_id", np.tile(np.arange(1.0, 6.0), ROWS // 5)))
    assert isinstance(by_name, CategoricalFeature)
    assert by_name.categories == ("1", "2", "3", "4", "5")
    assert said.endswith("5 different whole numbers, and the name says id; otherwise --set data.kinds.store_id=number")
    by_gaps, said = only(Column("a", np.tile(np.array([101.0, 107, 208, 311]), ROWS // 4)))
    assert isinstance(by_gaps, CategoricalFeature)
    assert "4 different whole numbers with gaps, like codes" in said
    schema = described(NOISE, Column("store_id", np.tile([1.0, 2, 3, 4], ROWS // 4))).schema
    assert schema.encode_rows([[0.0, 2]]).X.tolist() == schema.encode_rows([[0.0, "2"]]).X.tolist()


def test_rare_texts_share_the_encoding_of_unknown_ones_which_is_trained() -> None:
    cells = ["Rome"] * 120 + ["Bonn"] * 60 + [f"town {i}" for i in range(20)]
    column = text("city", cells)
    found = described(NOISE, column)
    feature = found.schema.features[1]
    assert isinstance(feature, CategoricalFeature)
    assert (feature.categories, feature.counts, feature.others) == (("Bonn", "Rome"), (60, 120), 20)
    X = encode(found.schema, found.columns, np.arange(ROWS))
    assert X[150:, 1:].tolist() == [[1, 0]] * 30 + [[0, 0]] * 20
    assert (
        "2 frequent texts of 22; the others, in 20 rows, count as one; otherwise --set data.rare=1" in only(column)[1]
    )
    every, _ = only(column, rare=1)
    assert (len(every.categories), every.others) == (22, 0)
    refusing = described(NOISE, column, encoding=Encoding(unknown="refuse")).schema.features[1]
    assert isinstance(refusing, CategoricalFeature)
    assert (len(refusing.categories), refusing.others) == (22, 0)


def test_of_many_texts_the_commonest_are_told_apart() -> None:
    cells = [f"town {i % 40}" for i in range(ROWS)]
    feature, _ = only(text("city", cells), levels=10)
    assert (len(feature.categories), feature.others) == (10, 150)
    assert len(only(text("city", cells))[0].categories) == 40


def test_of_names_only_whether_there_is_one_may_tell_something() -> None:
    feature, said = only(text("cabin", [f"C{i}" if i % 4 == 0 else None for i in range(ROWS)]))
    assert (feature.categories, feature.missing, feature.others) == (("",), "", 50)
    assert "nearly every text is different: only whether there is one" in said
    assert "data.drop" in said


@pytest.mark.parametrize(
    ("cells", "form", "parts", "said"),
    [
        ([f"202{i % 4}-0{1 + i % 9}-1{i % 10}" for i in range(ROWS)], "ymd", 4, ""),
        ([f"{1 + i % 28}.{1 + i % 12}.2021 1{i % 10}:30" for i in range(ROWS)], "dmy", 4, "the day first"),
        ([f"{1 + i % 12}/{1 + i % 28}/2021" for i in range(ROWS)], "mdy", 3, "the month first"),
        ([f"{1 + i % 12}/{1 + i % 11}/2021" for i in range(ROWS)], "mdy", 3, "the month first, though the cells can"),
        ([f"{i % 24}:{i % 60:02}" for i in range(ROWS)], "clock", 1, "times of day"),
        ([f"{1 + i % 28} March 2021" for i in range(ROWS)], "ymd", 2, ""),
    ],
)
def test_dates_are_found_by_the_form_of_all_cells(cells: list[str], form: str, parts: int, said: str) -> None:
    feature, line = only(text("when", [*cells[:-1], None]))
    assert isinstance(feature, DateFeature)
    assert (feature.form, len(feature.parts), feature.missing) == (form, parts, "zeros")
    assert line.startswith(f"date      'when'{': ' if said else ''}{said}")


def test_whole_numbers_that_are_all_days_are_dates() -> None:
    cells = [20210100.0 + 100 * (i % 12) + 1 + i % 28 for i in range(ROWS)]
    feature, line = only(Column("date", np.array(cells)))
    assert isinstance(feature, DateFeature)
    assert (feature.low, feature.high) == ("2021-01-01", "2021-12-28")
    assert line.endswith("whole numbers that are all days, as in 20240501; otherwise --set data.kinds.date=number")


def asked(column: Column, kind: str) -> Column:
    table = Table("t.csv", (column, Column("y", np.arange(len(column.values)) % 2.0)), "")
    return pose(table, target="y", task="number", kinds={column.name: kind}).features[0]


def test_the_user_says_what_a_column_is() -> None:
    when = text("when", ["1/2/2021", "3/4/2021", None])
    for kind, form in (("date", "mdy"), ("date-day-first", "dmy"), ("date-month-first", "mdy")):
        meaning = asked(when, kind).meaning
        assert meaning is not None
        assert (meaning.kind, meaning.form) == ("date", form)
    assert asked(text("zip", ["007", None]), "number").values[0] == 7
    assert asked(Column("x", np.array([0.5, 2.0, np.nan])), "category").values.tolist() == ["0.5", "2", None]


@pytest.mark.parametrize(
    ("kind", "cells", "message"),
    [
        ("number", ["1", "two"], "t.csv: column 'x': expected a number, found 'two' in data row 2 (1 such cell of 2)"),
        ("date", ["2021-01-01", "soon"], "t.csv: column 'x': expected a date, found 'soon' in data row 2"),
        ("date-day-first", ["1/2/2021", "1/13/2021"], "t.csv: column 'x': expected a date, found '1/13/2021'"),
    ],
)
def test_a_cell_that_is_not_what_the_user_says_is_named(kind: str, cells: list[str], message: str) -> None:
    with pytest.raises(DataError) as caught:
        asked(text("x", cells), kind)
    assert str(caught.value).startswith(message)


def test_a_mistake_among_dates_is_named_with_what_to_do() -> None:
    cells = [f"2021-01-{1 + i % 28:02}" for i in range(60)]
    cells[30] = "2021-01-32"
    table = Table("t.csv", (text("due on", cells), Column("y", np.arange(60) % 2.0)), "")
    with pytest.raises(DataError) as caught:
        pose(table, target="y", task=None)
    assert str(caught.value) == (
        "t.csv: column 'due on': expected a date, found '2021-01-32' in data row 31 (1 such cell of 60); correct them,"
        " call them missing with --set 'data.missing=[\"2021-01-32\"]', or take all cells as they stand with"
        " --set 'data.kinds.\"due on\"=category'"
    )
    assert pose(table, target="y", task=None, kinds={"due on": "category"}).features[0].meaning is not None


def test_the_target_has_no_kind() -> None:
    table = Table("t.csv", (NOISE, Column("y", np.arange(ROWS) % 2.0)), "")
    with pytest.raises(DataError, match=r"data\.kinds: 'y' is the target: say what it is with --task"):
        pose(table, target="y", task=None, kinds={"y": "category"})
    with pytest.raises(DataError, match=r"data.kinds: there is no column 'goood'; did you mean 'good'\?"):
        pose(table, target="y", task=None, kinds={"goood": "category"})


def test_heavy_tails_are_told() -> None:
    _, said = only(Column("debt", np.r_[np.linspace(0, 1, ROWS - 1), 1e6]))
    assert "a heavy tail: nine in ten lie between 0.05" in said


def test_alike_decisions_share_a_line_and_each_stands_by_itself_as_json() -> None:
    names = [text(f"n{i}", [f"{i}-{row}" for row in range(ROWS)]) for i in range(8)]
    decisions = described(NOISE, *names).decisions
    assert lines(decisions)[1] == (
        "left out  'n0', 'n1', 'n2', 'n3', 'n4', 'n5' and 2 more: it looks like a name or free text; otherwise"
        ' --set \'data.keep=["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"]\''
    )
    assert as_json(decisions)[2] == {
        "column": "n1",
        "what": "left out",
        "why": "it looks like a name or free text",
        "otherwise": "--set 'data.keep=[\"n1\"]'",
    }


def test_texts_that_differ_in_capitals_alone_are_told_apart_and_said() -> None:
    feature, said = only(text("sex", ["Male", "male", "female", " female"] * (ROWS // 4)))
    assert len(feature.categories) == 4
    assert said == "category  'sex': ' female' and 'female' are told apart; otherwise --set 'data.drop=[\"sex\"]'"


def test_columns_that_are_told_in_one_line_name_the_option_for_any_of_them() -> None:
    found = described(NOISE, Column("b", NOISE.values * NOISE.values), text("city", ["Rome", "Bonn"] * (ROWS // 2)))
    assert lines(found.decisions) == [
        f"number    '{NOISE.name}', 'b'; otherwise --set data.kinds.COLUMN=category",
        "category  'city'; otherwise --set 'data.drop=[\"city\"]'",
    ]
