"""What becomes of the columns of a table: which of them can help, and how each is encoded."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor import CategoricalFeature, DateFeature, Schema
from predictor.features import Feature
from predictor.wording import shown
from training.calendars import date_feature
from training.decisions import Decision, lines
from training.duplicates import duplicates
from training.encoding import feature_of, flags_missing
from training.errors import DataError
from training.kinds import identifies, inferred
from training.levels import category_feature, fewest_rows, levels_of
from training.recipe import Data, Encoding
from training.table import Column, Meaning
from training.tails import heavy_tail

__all__ = ["Described", "describe"]

PLAIN = Meaning("number")
SMALL_ROWS = 50  # in a smaller table one other value may matter


@dataclass(frozen=True, eq=False)
class Described:
    """A schema, the columns that it covers, in its order, and what was decided of every column."""

    schema: Schema
    columns: tuple[Column, ...]
    decisions: tuple[Decision, ...]

    def beside(self, names: Iterable[str]) -> "Described":
        """Return the same, with a schema that knows the other columns of the table by these names."""
        left_out = tuple(name for name in names if name not in self.schema.names)
        return replace(self, schema=replace(self.schema, left_out=left_out))


def describe(columns: Sequence[Column], train: NDArray[np.int64], data: Data, encoding: Encoding) -> Described:
    """Make the schema from the training rows alone.

    With `data.prune`, columns that cannot help are left out, unless `data.keep` or `data.kinds` names them: constant
    ones, row numbers and other identifiers, names and free text, doubles of other columns. Whether a missing cell is
    allowed is seen in all rows, what stands in for it in the training rows. Raises DataError when nothing is left.
    """
    fewest = fewest_rows(len(train), data)
    typed = [inferred(column, rows_of_a_level=fewest, place="data row {}".format) for column in columns]
    wanted = {*data.keep, *data.kinds}
    doubles = duplicates([column for column in typed if column.name not in wanted]) if data.prune else {}
    found: list[tuple[Column, Feature]] = []
    decisions: list[Decision] = []
    for column in typed:
        judge = data.prune and column.name not in wanted
        if judge and column.name in doubles:
            why = f"it says the same as '{doubles[column.name]}'"
            decisions.append(Decision(column.name, "left out", why, "keep"))
            continue
        feature, decision = _judged(column, column.take(train), data, encoding, judge=judge)
        decisions.append(decision)
        if feature is not None:
            found.append((column, feature))
    if not found:
        raise DataError("no column is left to learn from:\n  " + "\n  ".join(lines(decisions)))
    return Described(
        Schema(tuple(feature for _, feature in found)), tuple(column for column, _ in found), tuple(decisions)
    )


def _judged(
    column: Column, part: Column, data: Data, encoding: Encoding, *, judge: bool
) -> tuple[Feature | None, Decision]:
    """Return what a column becomes, None when it is left out, and why; `part` are its training rows."""
    meaning = column.meaning or PLAIN
    may_miss = bool(column.is_missing.any())
    if part.is_missing.all():
        return None, Decision(column.name, "left out", "every cell of the training rows is missing", "")
    reason = _constant(part, data, encoding) if judge else None
    if reason is None and meaning.kind == "category":
        return _category(column, part, data, encoding, judge=judge)
    if reason is None and judge and meaning.kind == "number":
        reason = identifies(column)
    if reason is not None:
        return None, Decision(column.name, "left out", reason, "keep")
    if meaning.kind == "date":
        dates = date_feature(part, meaning.form, may_miss=may_miss)
        return dates, Decision(column.name, "date", _said(meaning.why, _missing(dates)), meaning.instead)
    numbers = feature_of(part, encoding, may_miss=may_miss)
    why = _said(meaning.why or heavy_tail(part.values[~part.is_missing]), _missing(numbers))
    return numbers, Decision(
        column.name, "number", why, meaning.instead or ("" if column.name in data.kinds else "category")
    )


def _category(
    column: Column, part: Column, data: Data, encoding: Encoding, *, judge: bool
) -> tuple[Feature | None, Decision]:
    meaning = column.meaning or PLAIN
    levels = levels_of(part, data, encoding)
    if judge and levels.names_rows and not levels.missing:
        return None, Decision(column.name, "left out", "it looks like a name or free text", "keep")
    if judge and levels.names_rows:
        levels = levels.only_missing()
    if not levels.counts and not levels.missing:
        return None, Decision(column.name, "left out", "no text of it is frequent enough", "--set data.rare=1")
    feature = category_feature(column.name, levels, encoding, may_miss=bool(column.is_missing.any()))
    why = _said(meaning.why, levels.said, "" if levels.given else _missing(feature))
    instead = meaning.instead or levels.instead or ("" if column.name in data.kinds else "drop")
    return feature, Decision(column.name, "category", why, instead)


def _said(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _missing(feature: Feature) -> str:
    """Say what becomes of a missing cell, or nothing where there is none."""
    if feature.missing is None:
        return ""
    if isinstance(feature, CategoricalFeature):
        taken = f"taken as {shown(feature.missing)}" if feature.missing else "a category of its own"
        return f"a missing cell is {taken}"
    if isinstance(feature, DateFeature):
        return "a missing cell is seen as such"
    return f"a missing cell is taken as the median{' and seen as such' if feature.flags_missing else ''}"


def _constant(part: Column, data: Data, encoding: Encoding) -> str | None:
    """Say that nearly all cells of the training rows are the same, or None; enough missing ones are a difference."""
    is_missing = part.is_missing
    known = part.values[~is_missing]
    fewest = fewest_rows(len(is_missing), data)
    if flags_missing(part, encoding) if part.is_numeric else is_missing.sum() >= fewest:
        return None
    most = np.unique_counts(known).counts.max() if part.is_numeric else max(Counter(known.tolist()).values())
    others = len(known) - int(most)
    if not others:
        return "the same in every training row"
    if others < fewest and len(known) >= SMALL_ROWS:
        return f"the same in all but fewer than {fewest} training rows"
    return None
