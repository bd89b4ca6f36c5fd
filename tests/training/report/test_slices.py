"""Where a model is weak, and where it only looks so."""

import numpy as np
import pytest

from training.report.slices import find_slices, wilson
from training.scoring import Answers
from training.table import Column, Meaning


def text(name: str, values: list[str | None]) -> Column:
    return Column(name, np.array(values, dtype=object))


def test_a_category_that_is_answered_wrongly_is_found_first() -> None:
    rng = np.random.default_rng(0)
    district = rng.choice(["north", "south", "west"], 600).tolist()
    truth = np.zeros(600, dtype=np.int64)
    wrong = np.where(np.array(district) == "west", 0.5, 0.05) > rng.random(600)
    found = find_slices([text("district", district)], Answers(truth, wrong.astype(np.int64), classes=2))
    assert (found[0].column, found[0].part, found[0].is_weak) == ("district", "west", True)
    assert not any(one.is_weak for one in found[1:])
    assert found[0].rows == district.count("west")
    assert found[0].low < found[0].error < found[0].high


def test_a_range_with_large_errors_is_found() -> None:
    rng = np.random.default_rng(1)
    area = rng.uniform(0, 100, 1000)
    guesses = rng.normal(0, np.where(area > 75, 5, 1))
    found = find_slices([Column("area", area)], Answers(np.zeros(1000), guesses))
    assert found[0].is_weak
    assert found[0].part.startswith("above 7")
    assert sum(one.rows for one in found) == 1000
    assert [one.is_weak for one in found[1:]] == [False] * 3


def test_noise_is_not_called_weak() -> None:
    accused = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        columns = [Column(f"x{i}", rng.normal(size=400)) for i in range(6)]
        columns += [text(f"c{i}", rng.choice(list("abcdef"), 400).tolist()) for i in range(6)]
        wrong = (rng.random(400) < 0.2).astype(np.int64)
        is_number = seed % 2
        answers = (
            Answers(np.zeros(400), rng.normal(size=400) ** 3) if is_number else Answers(0 * wrong, wrong, classes=2)
        )
        accused += any(one.is_weak for one in find_slices(columns, answers))
    assert accused <= 5


def test_missing_cells_and_rare_levels_are_parts_of_their_own() -> None:
    values: list[str | None] = [None] * 30 + ["a"] * 40 + [f"rare {i}" for i in range(25)]
    answers = Answers(np.zeros(95, dtype=np.int64), np.zeros(95, dtype=np.int64), classes=2)
    parts = {one.part: one.rows for one in find_slices([text("c", values)], answers)}
    assert parts == {"missing": 30, "a": 40, "rarer ones": 25}


def test_parts_of_few_rows_are_not_looked_at() -> None:
    answers = Answers(np.zeros(38, dtype=np.int64), np.zeros(38, dtype=np.int64), classes=2)
    assert find_slices([Column("x", np.arange(38.0)), text("c", ["a", "b"] * 19)], answers) == []


def test_dates_are_divided_by_time() -> None:
    cells = [f"{day:02}.{month:02}.2024" for month in range(1, 13) for day in range(1, 11)]
    column = Column("when", np.array([*cells, None], dtype=object), meaning=Meaning("date", form="dmy"))
    late = np.array([cell is not None and int(cell[3:5]) > 9 for cell in column.values], dtype=np.int64)
    found = find_slices([column], Answers(0 * late, late, classes=2))
    assert found[0].part == "above 2024-09-15 to 2024-12-10"  # between two days of the column
    assert [(one.rows, one.is_weak) for one in found] == [(30, True), *[(30, False)] * 3]


def test_a_number_with_few_values_is_taken_value_by_value() -> None:
    values = np.repeat([0.0, 1.0, 2.0], 30)
    answers = Answers(np.zeros(90), np.ones(90))
    assert {one.part for one in find_slices([Column("rooms", values)], answers)} == {"0", "1", "2"}


@pytest.mark.parametrize(("share", "rows", "low", "high"), [(0.0, 10, 0.0, 0.2775), (0.5, 100, 0.4038, 0.5962)])
def test_wilsons_bounds_are_those_of_the_books(share: float, rows: int, low: float, high: float) -> None:
    # Agresti and Coull, 1998, give the formula; 0 of 10 and 50 of 100 are its usual examples.
    assert wilson(share, rows, 0.025) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("rows", range(20, 60))
def test_no_part_is_weak_where_every_answer_is_right(rows: int) -> None:
    column = Column("half", np.repeat([0.0, 1.0], [rows, 60]))
    slices = find_slices([column], Answers(np.zeros(rows + 60, np.int64), np.zeros(rows + 60, np.int64), classes=2))
    assert [one.is_weak for one in slices] == [False, False]
    assert all(one.low == one.error == 0 for one in slices)
