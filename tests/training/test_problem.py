"""What a table is taken to mean."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.errors import DataError
from training.problem import pose
from training.table import Column, Table


def table(**columns: list[Any]) -> Table:
    def made(cells: list[Any]) -> NDArray[Any]:
        return np.array(cells, dtype=object if any(isinstance(cell, str) for cell in cells) else None)

    return Table("t.csv", tuple(Column(name, made(cells)) for name, cells in columns.items()), "")


def test_text_means_classes_in_the_order_of_their_names() -> None:
    problem = pose(table(x=[1.0, 2.0, 3.0], y=["pear", "apple", "pear"]), target="y", task=None)
    assert problem.target.task == "classes"
    assert problem.target.labels == ("apple", "pear")
    assert problem.target.values.tolist() == [1, 0, 1]
    assert [column.name for column in problem.features] == ["x"]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([0.0, 1.0] * 10, "classes"),
        (list(np.repeat(np.arange(3.0, 9.0), 5)), "classes"),
        ([0.5, 1.5] * 10, "number"),
        (list(np.arange(20.0)), "number"),
        (list(np.repeat(np.arange(21.0), 5)), "number"),
    ],
)
def test_numbers_mean_classes_when_they_are_few_whole_and_repeat(values: list[float], task: str) -> None:
    problem = pose(table(x=values, y=values), target="y", task=None)
    assert problem.target.task == task
    assert "otherwise: --task" in problem.notes[0]


def test_whole_numbers_become_whole_labels() -> None:
    assert pose(table(x=[1.0] * 20, y=[3.0, 5.0] * 10), target="y", task=None).target.labels == (3, 5)


def test_the_task_can_be_said() -> None:
    assert pose(table(x=[1.0, 2.0], y=[0.0, 1.0]), target="y", task="classes").target.labels == (0, 1)
    assert pose(table(x=[1.0] * 20, y=[3.0, 5.0] * 10), target="y", task="number").target.values[1] == 5.0


def test_rows_without_a_target_are_left_out_and_said() -> None:
    problem = pose(table(x=[1.0, 2.0, 3.0], y=["a", None, "b"]), target="y", task=None)
    assert problem.rows == 2
    assert problem.features[0].values.tolist() == [1.0, 3.0]
    assert problem.notes == ("1 of 3 rows left out: their target 'y' is missing",)


def test_columns_can_be_dropped_or_taken_as_categories() -> None:
    whole = table(a=[1.0, 2.0], zip=[1067.0, np.nan], y=["a", "b"])
    problem = pose(whole, target="y", task=None, drop=["a"], kinds={"zip": "category"})
    assert [column.name for column in problem.features] == ["zip"]
    assert problem.features[0].values.tolist() == ["1067", None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": None}, "t.csv: which column is the target? Name it: --target 'x' or 'kind'"),
        ({"target": "Kind"}, "t.csv: target: there is no column 'Kind'; did you mean 'kind'?"),
        ({"target": "zzz"}, "t.csv: target: there is no column 'zzz'; the columns are 'x' and 'kind'"),
        (
            {"target": "kind", "drop": ["y"]},
            "t.csv: data.drop: there is no column 'y'; the columns are 'x' and 'kind'",
        ),
        ({"target": "kind", "keep": ["y"]}, "t.csv: data.keep: there is no column 'y'; the columns are 'x' and 'kind'"),
        ({"target": "kind", "keep": ["x"], "drop": ["x"]}, "t.csv: 'x' is in both data.keep and data.drop"),
        ({"target": "kind", "drop": ["x"]}, "t.csv: expected at least one column beside the target 'kind'"),
        (
            {"target": "kind", "task": "number"},
            "t.csv: target 'kind': expected numbers for the task 'number', found text such as 'a'",
        ),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        pose(table(x=[1.0, 2.0], kind=["a", "b"]), **{"task": None, **options})
    assert str(caught.value) == message


def test_who_separates_cells_by_spaces_is_told_so() -> None:
    with pytest.raises(DataError, match=r"no column 'kind', but one named 'x  kind'; separate cells by commas"):
        pose(table(**{"x  kind": ["1 a", "2 b"]}), target="kind", task=None)


def test_a_target_of_one_value_or_none_is_refused() -> None:
    with pytest.raises(DataError, match="expected at least two different values, found only 'a'"):
        pose(table(x=[1.0, 2.0], y=["a", "a"]), target="y", task=None)
    with pytest.raises(DataError, match="target 'y': every cell is missing"):
        pose(table(x=[1.0, 2.0], y=[np.nan, np.nan]), target="y", task=None)


def test_more_classes_than_a_network_can_tell_are_refused() -> None:
    names = [f"a{i}" for i in range(1001)]
    with pytest.raises(DataError, match="expected at most 1000 classes, found 1001 different values"):
        pose(table(x=list(range(1001)), y=names), target="y", task="classes")


def test_a_target_that_names_the_rows_is_refused_unless_the_task_is_said() -> None:
    names = [f"name {i}" for i in range(30)]
    with pytest.raises(DataError, match="found 30 different texts in 30 rows, such as 'name 0'; if so: --task classes"):
        pose(table(x=[1.0] * 30, y=names), target="y", task=None)
    assert len(pose(table(x=[1.0] * 30, y=names), target="y", task="classes").target.labels) == 30


def test_what_is_odd_about_a_target_is_said() -> None:
    tail = pose(table(x=[1.0] * 100, y=[i / 100 for i in range(99)] + [1e6]), target="y", task=None).notes[1]
    assert tail.startswith("the target has a heavy tail: nine in ten lie between 0.0495 and 0.9405, all between 0 and")
    twins = pose(table(x=[1.0] * 4, y=["Yes", "no", "yes", "no"]), target="y", task=None).notes
    assert twins == ("the target: 'Yes' and 'yes' are told apart",)
