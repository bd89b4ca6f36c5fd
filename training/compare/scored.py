"""Versions scored on the same rows, with how sure their differences are."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import CategoricalFeature, ClassOutputs, DateFeature, NumberOutputs
from predictor.features import Feature
from predictor.spellings import number
from predictor.wording import hint, shown
from training.compare.recorded import Block, difference
from training.compare.versions import Version
from training.cookbook import typed_recipe
from training.encoding import encode
from training.errors import DataError, RecipeError
from training.kinds import as_asked
from training.prepared import prepare
from training.report.slices import find_changes
from training.report.wording import bounded, many
from training.scoring import Answers, answers_of, intervals, measures, paired_intervals
from training.table import Column, Meaning, Table

__all__ = ["answers_on", "fitting_column", "known_rows", "label_of", "scored", "shared_columns"]

Rows = NDArray[np.int64]
LABELS_SHOWN = 5


def scored(versions: Sequence[Version], table: Table, target: str | None) -> list[Block]:
    """Return the metrics of each version on rows of the table that none of them was fitted to, and where they differ.

    ``target`` is the column of the truth, the versions' own by default. Where the table is what a version was fitted
    to, only its test rows count. Raises DataError where a version and the table do not fit, or nothing is left.
    """
    truth = _column(table, target or _one_target(versions), "the target")
    rows, notes = _unseen(versions, table, np.flatnonzero(~truth.is_missing))
    rows, notes = known_rows(versions, truth, rows, notes)
    answers = [answers_on(version, table, truth, rows) for version in versions]
    labels = tuple(version.label for version in versions)
    differences = tuple(f"{label} - {labels[0]}" for label in labels[1:])
    said = (
        f"{many(len(rows), 'row')} of {table.source}. In brackets: 95 % bootstrap intervals; of a difference, of pairs."
    )
    whole = Block("On the same rows", ("", *labels, *differences), tuple(_metrics(answers)), (said, *notes))
    columns = [truth.take(rows), *(column.take(rows) for column in shared_columns(versions, table))]
    return [whole, *(_changes(columns, answers[0], answers[i], labels[0], labels[i]) for i in range(1, len(labels)))]


def _changes(columns: Sequence[Column], first: Answers, second: Answers, before: str, after: str) -> Block:
    """Return the parts of the rows in which one version errs more, or less, than another."""
    measure = "share of wrong answers" if first.classes else "mean absolute error"
    found, tried = find_changes(columns, second.errors - first.errors)
    rows = tuple(
        (
            one.column,
            one.part,
            f"{one.rows:,}",
            f"{one.error:+.4g} [{one.low:+.4g}, {one.high:+.4g}] {'worse' if one.is_weak else 'better'}",
        )
        for one in found
    )
    said = f"{many(tried, 'part')} looked at; the bounds of all hold together 19 times in 20."
    none = () if rows else ("In none of them is one surely better than the other.",)
    title = f"Where {after} differs from {before}"
    return Block(title, ("column", "is", "rows", f"change of the {measure}"), rows, (said, *none))


def shared_columns(versions: Sequence[Version], table: Table) -> list[Column]:
    """Return the columns of the table that any version takes, each once."""
    fitting = {
        feature.name: fitting_column(version, table, feature)
        for version in versions
        for feature in version.predictor.schema.features
    }
    return list(fitting.values())


def _metrics(answers: Sequence[Answers]) -> list[tuple[str, ...]]:
    found = [measures(one) for one in answers]
    ends = [intervals(one) for one in answers]
    pairs = [paired_intervals(answers[0], one) for one in answers[1:]]
    # Each standardises by its own training rows, so that these would not be the same measure.
    names = [name for name in found[0] if all(name in one for one in found) and name != "mse_standardised"]
    return [
        (
            name.replace("_", " "),
            *(bounded(one[name], reach.get(name)) for one, reach in zip(found, ends, strict=True)),
            *(
                difference(name, one[name] - found[0][name], reach.get(name))
                for one, reach in zip(found[1:], pairs, strict=True)
            ),
        )
        for name in names
    ]


def _one_target(versions: Sequence[Version]) -> str:
    targets = list(dict.fromkeys(version.target for version in versions))
    kinds = {type(version.predictor.outputs) for version in versions}
    if len(targets) > 1 or len(kinds) > 1:
        said = "; ".join(f"{version.label} predicts {shown(version.target)}" for version in versions)
        raise DataError(f"these versions answer different questions, so no rows can compare them: {said}")
    return targets[0]


def _column(table: Table, name: str, what: str) -> Column:
    if name not in table.names:
        raise DataError(f"{table.source}: {what}: there is no column {shown(name)}{hint(name, table.names)}")
    return table.columns[table.names.index(name)]


def _unseen(versions: Sequence[Version], table: Table, rows: Rows) -> tuple[Rows, list[str]]:
    """Keep the rows that no version was fitted to, as far as that is known."""
    notes = []
    for version in versions:
        if version.predictor.lineage.get("data_sha256") != table.digest:
            continue
        test = _test_rows(version, table)
        if test is None:
            notes.append(
                f"{version.label} was fitted to this table, nobody can tell to which rows: its figures flatter it."
            )
        else:
            rows = test[np.isin(test, rows)]
            notes.append(f"{version.label} was fitted to this very table: only its test rows count.")
    if not len(rows):
        raise DataError(f"{table.source}: no row is left that none of the versions was fitted to")
    return rows, notes


def _test_rows(version: Version, table: Table) -> Rows | None:
    """Return the rows of its own table that a version was tested on; None where there are none, or nobody can tell."""
    try:
        prepared = prepare(table, typed_recipe(version.predictor.recipe, version.label))
    except (RecipeError, DataError):
        return None
    if len(prepared.train.rows) != version.predictor.lineage.get("train_rows"):  # it was read in blocks
        return None
    kept = np.flatnonzero(~_column(table, prepared.problem.target.name, "the target").is_missing)
    return None if prepared.test is None else kept[prepared.test.rows]


def known_rows(versions: Sequence[Version], truth: Column, rows: Rows, notes: list[str]) -> tuple[Rows, list[str]]:
    """Keep the rows whose truth every version can answer with."""
    cells = truth.values[rows]
    is_known = np.ones(len(rows), dtype=np.bool_)
    for version in versions:
        outputs = version.predictor.outputs
        if isinstance(outputs, ClassOutputs):
            codes = {str(label) for label in outputs.labels}
            is_known &= np.array([label_of(cell) in codes for cell in cells.tolist()])
        elif not truth.is_numeric:
            raise DataError(
                f"the target {shown(truth.name)}: expected numbers, as {version.label} predicts, found text"
            )
    if not is_known.any():
        found = ", ".join(sorted({label_of(cell) for cell in cells.tolist()})[:LABELS_SHOWN])
        raise DataError(f"the target {shown(truth.name)}: none of its values is a class of the versions; found {found}")
    left = len(rows) - int(is_known.sum())
    more = [f"{many(left, 'row')} left out: their class is not one that every version knows."] if left else []
    return rows[is_known], [*notes, *more]


def answers_on(version: Version, table: Table, truth: Column, rows: Rows) -> Answers:
    """Let a version answer some rows of the table. Raises DataError where it cannot read them."""
    features = version.predictor.schema.features
    columns = [fitting_column(version, table, feature) for feature in features]
    try:
        X = encode(version.predictor.schema, columns, rows)
    except DataError as error:
        raise DataError(f"{table.source} does not fit {version.label}: {error}") from error
    outputs = version.predictor.outputs
    cells = truth.values[rows]
    if isinstance(outputs, NumberOutputs):
        return answers_of(version.predictor, X, cells.astype(np.float64))
    codes = {str(label): code for code, label in enumerate(outputs.labels)}
    return answers_of(
        version.predictor, X, np.array([codes[label_of(cell)] for cell in cells.tolist()], dtype=np.int64)
    )


def fitting_column(version: Version, table: Table, feature: Feature) -> Column:
    """Return a feature's column as the version takes it."""
    column = _column(table, feature.name, version.label)
    kind = "category" if isinstance(feature, CategoricalFeature | DateFeature) else "number"  # a date is sent as text
    try:
        taken = as_asked(column, kind, table.place)
        return replace(taken, meaning=Meaning("date", form=feature.form)) if isinstance(feature, DateFeature) else taken
    except DataError as error:
        some = next((cell for cell in column.values.tolist() if cell is not None and number(cell) is None), "")
        raise DataError(
            f"{table.source}: column {shown(feature.name)}: expected numbers, as {version.label} takes them, "
            f"found {shown(some)}"
        ) from error


def label_of(cell: Any) -> str:
    """Spell a cell as a class is spelled."""
    if isinstance(cell, str):
        return cell
    return str(int(cell)) if float(cell).is_integer() else repr(float(cell))
