"""What is to be learned from a table: which column is the target, what task that is, and which rows can serve."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from predictor.wording import hint, shown
from training.errors import DataError
from training.kinds import as_asked, inferred
from training.table import Column, Table, told_apart
from training.tails import heavy_tail
from training.wording import alike

__all__ = ["NAMES_SHOWN", "Problem", "Target", "Task", "pose"]

Task = Literal["classes", "number"]
CLASSES_LIMIT = 20  # whole numbers with more distinct values than this are taken for a quantity
CLASSES_ALLOWED = 1000
NAMES_SHOWN = 12
ROWS_A_CLASS = 5  # as are whole numbers that repeat less often than this on average


@dataclass(frozen=True, eq=False)
class Target:
    """What to predict. `values` (rows,) are positions in `labels` for classes, and numbers otherwise."""

    name: str
    task: Task
    labels: tuple[str | int, ...]
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Problem:
    """Features and target of the rows that can serve, with the source's own test rows and notes for the user."""

    features: tuple[Column, ...]
    target: Target
    is_test: NDArray[np.bool_] | None
    notes: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.target.values)


def pose(
    table: Table,
    *,
    target: str | None,
    task: Task | None,
    drop: Iterable[str] = (),
    keep: Iterable[str] = (),
    kinds: Mapping[str, str] = MappingProxyType({}),
    rows_of_a_level: int = 1,
) -> Problem:
    """Choose the target and the features of a table, and tell what each feature is.

    `target` and `task` are inferred where None; the columns in `drop` are left out, and those in `kinds` taken as
    these: see `training.kinds`. `keep` must only be there. Raises DataError when nothing could be learned.
    """
    chosen = _chosen(table, target or table.target)
    dropped = _dropped(table, drop, keep)
    asked = {_known(table, name, "data.kinds"): kind for name, kind in kinds.items()}
    if chosen.name in asked:
        raise DataError(f"{table.source}: data.kinds: {shown(chosen.name)} is the target: say what it is with --task")
    if chosen.doubt and task != "classes":
        raise DataError(f"{table.source}: target: {chosen.doubt.said(chosen.name, is_target=True)}")
    notes = list(table.notes)
    kept = _known_targets(table.source, chosen, notes)
    features = [column for column in table.columns if column.name != chosen.name and column.name not in dropped]
    if not features:
        raise DataError(f"{table.source}: expected at least one column beside the target {shown(chosen.name)}")
    features = [_typed(table, column, asked.get(column.name), rows_of_a_level) for column in features]
    is_test = None if table.is_test is None else table.is_test[kept]
    if not kept.all():
        features, chosen = [column.take(kept) for column in features], chosen.take(kept)
    resolved = _resolved(table.source, chosen, task, notes)
    return Problem(tuple(features), resolved, is_test, tuple(notes))


def _dropped(table: Table, drop: Iterable[str], keep: Iterable[str]) -> set[str]:
    dropped = {_known(table, name, "data.drop") for name in drop}
    for name in keep:
        if _known(table, name, "data.keep") in dropped:
            raise DataError(f"{table.source}: {shown(name)} is in both data.keep and data.drop")
    return dropped


def _known_targets(source: str, chosen: Column, notes: list[str]) -> NDArray[np.bool_]:
    """Return which rows have a target, (rows,), and note how many have none."""
    kept: NDArray[np.bool_] = ~chosen.is_missing
    if not kept.any():
        raise DataError(f"{source}: target {shown(chosen.name)}: every cell is missing")
    if not kept.all():
        count = int((~kept).sum())
        notes.append(f"{count} of {len(kept)} rows left out: their target {shown(chosen.name)} is missing")
    return kept


def _typed(table: Table, column: Column, kind: str | None, rows_of_a_level: int) -> Column:
    try:
        if kind is not None:
            return as_asked(column, kind, table.place)
        return inferred(column, rows_of_a_level=rows_of_a_level, place=table.place)
    except DataError as error:
        raise DataError(f"{table.source}: {error}") from error


def _chosen(table: Table, name: str | None) -> Column:
    if name is None:
        raise DataError(f"{table.source}: which column is the target? Name it: --target {_listed(table.names, 'or')}")
    return table.columns[table.names.index(_known(table, name, "target"))]


def _known(table: Table, name: str, what: str) -> str:
    if name not in table.names:
        near = hint(name, table.names) or f"; the columns are {_listed(table.names, 'and')}"
        if len(table.names) == 1 and name in table.names[0].split():
            only = shown(table.names[0])
            near = f", but one named {only}; separate cells by commas, semicolons, tabs or bars: spaces are text"
        raise DataError(f"{table.source}: {what}: there is no column {shown(name)}{near}")
    return name


def _listed(names: Sequence[str], word: str) -> str:
    *first, last = [shown(name) for name in names[:NAMES_SHOWN]]
    more = f" {word} {len(names) - NAMES_SHOWN} others" if len(names) > NAMES_SHOWN else ""
    return ", ".join([*first, last]) + more if more or not first else f"{', '.join(first)} {word} {last}"


def _resolved(source: str, column: Column, task: Task | None, notes: list[str]) -> Target:
    values = column.values
    distinct, codes = np.unique(values, return_inverse=True) if column.is_numeric else told_apart(values)
    where = f"{source}: target {shown(column.name)}"
    if len(distinct) == 1:
        found = shown(str(_label(distinct.tolist()[0])))
        raise DataError(f"{where}: expected at least two different values, found only {found}")
    if column.reading:
        notes.append(f"the target: {column.reading}")
    if task is None:
        task = _inferred(column, distinct, where)
        if column.is_numeric:
            other = "number" if task == "classes" else "classes"
            notes.append(f"the target has {len(distinct)} different values: taken as {task}; otherwise: --task {other}")
    if task == "number":
        if not column.is_numeric:
            raise DataError(f"{where}: expected numbers for the task 'number', found text such as {shown(distinct[0])}")
        values = column.values.astype(np.float64)
        if tail := heavy_tail(values):
            notes.append(f"the target has {tail}; --set fit.loss=huber keeps the few large ones from ruling the fit")
        return Target(column.name, "number", (), values)
    if len(distinct) > CLASSES_ALLOWED:
        raise DataError(f"{where}: expected at most {CLASSES_ALLOWED} classes, found {len(distinct)} different values")
    labels = tuple(_label(value) for value in distinct.tolist())
    if twins := alike(map(str, labels)):
        notes.append(f"the target: {twins}")
    return Target(column.name, "classes", labels, codes.astype(np.int64))


def _inferred(column: Column, distinct: NDArray[Any], where: str) -> Task:
    if not column.is_numeric:
        if len(distinct) > max(CLASSES_LIMIT, len(column.values) / 2):
            found = f"{len(distinct)} different texts in {len(column.values)} rows, such as {shown(distinct[0])}"
            raise DataError(f"{where}: expected numbers, or classes that repeat, found {found}; if so: --task classes")
        return "classes"
    are_whole = bool((distinct == np.floor(distinct)).all())
    repeat = len(column.values) >= ROWS_A_CLASS * len(distinct)
    return "classes" if are_whole and repeat and len(distinct) <= CLASSES_LIMIT else "number"


def _label(value: float | str) -> str | int:
    if isinstance(value, str):
        return value
    return int(value) if value == int(value) else repr(value)
