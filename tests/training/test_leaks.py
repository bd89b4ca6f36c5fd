"""Columns that give the target away, and those that do not."""

from typing import Any

import numpy as np
import pytest

from training.decisions import lines
from training.leaks import leaks
from training.problem import pose
from training.table import Column, Table

ROWS = 600
RNG = np.random.default_rng(0)
CLASSES = RNG.integers(0, 3, ROWS)
NUMBERS = RNG.lognormal(size=ROWS)
NOISE = Column("noise", RNG.normal(size=ROWS))


def text(cells: Any) -> np.ndarray:
    return np.array([None if cell is None else str(cell) for cell in cells], dtype=object)


def suspects(target: np.ndarray, *columns: Column) -> list[str]:
    problem = pose(Table("t", (*columns, Column("y", target)), ""), target="y", task=None)
    return [one.column for one in leaks(problem.features, problem.target, np.arange(ROWS))]


@pytest.mark.parametrize(
    "cells",
    [
        CLASSES * 2.0 + 1,
        text(f"name of {code}" for code in CLASSES),
        text(None if code == 0 else f"boat {code} {i % 9}" for i, code in enumerate(CLASSES)),
        np.where(CLASSES == 0, np.nan, CLASSES + RNG.uniform(0, 0.5, ROWS)),
        text(f"2021-0{1 + code}-{RNG.integers(1, 29):02}" for code in CLASSES),
        np.where(RNG.uniform(size=ROWS) < 0.01, (CLASSES + 1) % 3, CLASSES).astype(float),
    ],
)
def test_a_column_that_tells_the_class_alone_is_suspected(cells: np.ndarray) -> None:
    names = text(["a", "b", "c"][code] for code in CLASSES)
    assert suspects(names, NOISE, Column("leak", cells)) == ["leak"]


@pytest.mark.parametrize(
    "cells",
    [
        NUMBERS * 3 - 1,
        np.log(NUMBERS),
        np.round(NUMBERS, 2),
    ],
)
def test_a_column_that_tells_the_number_alone_is_suspected(cells: np.ndarray) -> None:
    assert suspects(NUMBERS, NOISE, Column("leak", cells)) == ["leak"]


def test_a_level_that_tells_the_number_alone_is_suspected() -> None:
    levels = RNG.integers(0, 20, ROWS)
    price = levels * 9.99 + RNG.normal(0, 0.5, ROWS)
    assert suspects(price, NOISE, Column("leak", text(f"tariff {level}" for level in levels))) == ["leak"]


def test_good_columns_are_not_suspected() -> None:
    good = Column("good", CLASSES + RNG.normal(0, 0.35, ROWS))
    names = text(["a", "b", "c"][code] for code in CLASSES)
    assert suspects(names, NOISE, good, Column("id", text(range(ROWS)))) == []
    near = Column("near", NUMBERS + RNG.normal(0, NUMBERS.std() / 5, ROWS))
    assert suspects(NUMBERS, NOISE, near, Column("level", text(np.digitize(NUMBERS, [0.5, 1, 2])))) == []


def test_the_only_column_may_tell_everything_and_few_rows_say_nothing() -> None:
    leak = Column("leak", NUMBERS * 2)
    assert suspects(NUMBERS, leak) == []
    problem = pose(Table("t", (leak, NOISE, Column("y", NUMBERS)), ""), target="y", task=None)
    assert leaks(problem.features, problem.target, np.arange(40)) == ()


def test_the_warning_says_how_much_and_how_to_drop_the_column() -> None:
    problem = pose(Table("t", (Column("leak", NUMBERS * 2), NOISE, Column("y", NUMBERS)), ""), target="y", task=None)
    found = lines(leaks(problem.features, problem.target, np.arange(ROWS)))
    assert found[0].startswith("suspect   'leak': alone it tells ")
    assert found[0].endswith("is it known before the target is?; otherwise --set 'data.drop=[\"leak\"]'")
