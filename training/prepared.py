"""From a table and a recipe to what a fit needs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from network import Loss
from network import Parts as FitParts
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

__all__ = ["PARTS", "Drawn", "Part", "Prepared", "Side", "Stream", "inline_table", "prepare"]

Rows = NDArray[np.int64]
Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
FEWEST_ENCODED = 1000


@dataclass(frozen=True, eq=False)
class Side:
    """The rows of one part, encoded: X (rows, width), y as the loss takes it, values as the metrics take them."""

    rows: Rows
    X: NDArray[np.float32]
    y: NDArray[Any]
    values: NDArray[Any]


class Stream(Protocol):
    """All rows of a table that is larger than memory; `Prepared` then holds some of each part."""

    @property
    def rows(self) -> Mapping[Part, int]:
        """How many rows each part has."""

    def parts(self, loss: Loss, batch: int | None) -> FitParts:
        """Return the training rows, for batches of so many. Raises RecipeError where a fit needs all at once."""

    def pieces(self, part: Part) -> Iterator[tuple[NDArray[np.float32], NDArray[Any]]]:
        """Yield X and values of some rows of a part after the other."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Which rows of a sample train and which test, and how many bytes of each are to be encoded."""

    train: Rows
    test: Rows
    most_bytes: int


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
    stream: Stream | None = None

    @property
    def rows(self) -> int:
        """How many rows can serve."""
        return self.problem.rows if self.stream is None else sum(self.stream.rows.values())

    def count(self, part: Part) -> int:
        """How many rows a part has."""
        if self.stream is not None:
            return self.stream.rows[part]
        side = {"train": self.train, "validation": self.validation, "test": self.test}[part]
        return 0 if side is None else len(side.rows)


def prepare(table: Table, recipe: Recipe, draw: Callable[[Problem], Drawn] | None = None) -> Prepared:
    """Choose target and features, split, and encode with what the training rows alone say. Raises DataError.

    Where the table is a sample, `draw` says which of its rows are on which side.
    """
    data = recipe.data
    problem = pose(
        table,
        target=data.target,
        task=data.task,
        drop=data.drop,
        keep=data.keep,
        kinds=data.kinds,
        rows_of_a_level=fewest_rows(table.rows, data),
    )
    drawn = None if draw is None else draw(problem)
    parts = _parts(problem, recipe) if drawn is None else Parts(drawn.train, drawn.test)
    fitted, watched = _validation(problem, parts.train, recipe) if drawn is None else (parts.train, np.arange(0))
    described = describe(problem.features, parts.train, data, recipe.encoding).beside(table.names)
    suspects = leaks(described.columns, problem.target, parts.train) if data.prune else ()
    aim = goal(problem.target, recipe, parts.train)
    most = None if drawn is None else max(FEWEST_ENCODED, drawn.most_bytes // (4 * described.schema.width))
    side = _encoder(described.schema, described.columns, aim, problem)
    return Prepared(
        problem=problem,
        schema=described.schema,
        columns=described.columns,
        goal=aim,
        train=side(fitted[:most]),
        test=side(parts.test[:most]) if len(parts.test) else None,
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
