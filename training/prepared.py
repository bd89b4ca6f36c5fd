"""From a table and a recipe to what a fit needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import Schema
from predictor.wording import shown
from training.decisions import Decision
from training.encoding import encode
from training.errors import DataError
from training.inference import describe
from training.leaks import leaks
from training.levels import fewest_rows
from training.problem import NAMES_SHOWN, Problem, Target, pose
from training.recipe import InlineTable, Recipe
from training.splits import Parts, class_split, hash_split
from training.table import Column, Table, checked_names, content_digest
from training.targets import Goal, goal

__all__ = ["Prepared", "Side", "inline_table", "prepare"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Side:
    """The rows of one part, encoded: X (rows, width), y as the loss takes it, values as the metrics take them."""

    rows: Rows
    X: NDArray[np.float32]
    y: NDArray[Any]
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything that fitting, evaluating and publishing need of the data. Absent parts are None."""

    problem: Problem
    schema: Schema
    columns: tuple[Column, ...]
    goal: Goal
    train: Side
    test: Side | None
    validation: Side | None
    notes: tuple[str, ...]
    decisions: tuple[Decision, ...] = ()


def prepare(table: Table, recipe: Recipe) -> Prepared:
    """Choose target and features, split, and encode with what the training rows alone say. Raises DataError."""
    data = recipe.data
    problem = pose(
        table,
        target=data.target,
        task=data.task,
        drop=data.drop,
        kinds=data.kinds,
        rows_of_a_level=fewest_rows(table.rows, data),
    )
    parts = _parts(problem, recipe)
    fitted, watched = _validation(problem, parts.train, recipe)
    described = describe(problem.features, parts.train, data, recipe.encoding)
    suspects = leaks(described.columns, problem.target, parts.train) if data.prune else ()
    aim = goal(problem.target, recipe, parts.train)
    side = _encoder(described.schema, described.columns, aim, problem)
    return Prepared(
        problem=problem,
        schema=described.schema,
        columns=described.columns,
        goal=aim,
        train=side(fitted),
        test=side(parts.test) if len(parts.test) else None,
        validation=side(watched) if len(watched) else None,
        notes=(*problem.notes, *_alone(problem, recipe)),
        decisions=(*described.decisions, *suspects),
    )


def inline_table(table: InlineTable, name: str) -> Table:
    """Return the table that stands in a recipe; a column of numbers only is numeric, any other is text."""
    names = checked_names(table.columns, f"recipe {name}: table")
    columns = []
    for position, column in enumerate(names):
        cells = [row[position] for row in table.rows]
        numeric = all(not isinstance(cell, str) for cell in cells)
        values = np.array(cells, dtype=np.float64) if numeric else np.array([str(cell) for cell in cells], object)
        columns.append(Column(column, values))
    return Table(name, tuple(columns), content_digest(columns))


def _encoder(schema: Schema, columns: tuple[Column, ...], aim: Goal, problem: Problem) -> Callable[[Rows], Side]:
    def side(rows: Rows) -> Side:
        return Side(rows, encode(schema, columns, rows), aim.y[rows], problem.target.values[rows])

    return side


def _parts(problem: Problem, recipe: Recipe) -> Parts:
    split = recipe.split
    seed = recipe.seed if split.seed is None else split.seed
    if split.method == "none":
        parts = Parts(np.arange(problem.rows), np.arange(0))
    elif split.method == "given":
        parts = _given(problem)
    elif split.method == "hash":
        target = problem.target
        whole = (*problem.features, Column(target.name, target.values))
        parts = hash_split(whole, fraction=split.test, seed=seed)
    else:
        codes = _codes(problem.target)
        parts = class_split(problem.rows, fraction=split.test, seed=seed, codes=codes, stratify=split.stratify)
    return Parts(parts.train[: split.train_rows], parts.test)


def _given(problem: Problem) -> Parts:
    if problem.is_test is None:
        raise DataError("split.method 'given': the source itself keeps no rows for testing; use random or hash")
    return Parts(np.flatnonzero(~problem.is_test), np.flatnonzero(problem.is_test))


def _validation(problem: Problem, train: Rows, recipe: Recipe) -> tuple[Rows, Rows]:
    """Divide the training rows into those that are fitted and those that only watch."""
    fraction = recipe.split.validation
    if not fraction:
        return train, np.arange(0)
    codes = _codes(problem.target)
    codes = None if codes is None else codes[train]
    parts = class_split(len(train), fraction=fraction, seed=recipe.seed, codes=codes, stratify=recipe.split.stratify)
    return train[parts.train], train[parts.test]


def _codes(target: Target) -> NDArray[np.int64] | None:
    return target.values if target.task == "classes" else None


def _alone(problem: Problem, recipe: Recipe) -> tuple[str, ...]:
    """Name the classes that no row of another part can show, where rows are split at random."""
    codes = _codes(problem.target)
    if codes is None or recipe.split.method != "random" or recipe.split.stratify is False:
        return ()
    counts = np.bincount(codes, minlength=len(problem.target.labels))
    names = [str(label) for label, count in zip(problem.target.labels, counts.tolist(), strict=True) if count == 1]
    if not names:
        return ()
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    listed = ", ".join(map(shown, names[:NAMES_SHOWN])) + more
    return (f"classes of one row, which only trains, so that no other row tells how well they are told: {listed}",)
