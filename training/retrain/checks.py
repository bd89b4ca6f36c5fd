"""Whether new data may be trained on: what it says beside what the champion was trained on, and the recipe's limits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor import ClassOutputs, NumericFeature
from predictor.drift import Bins, Shift
from predictor.features import Feature
from predictor.wording import printable, shown
from training.compare.scored import fitting_column, label_of
from training.compare.versions import Version
from training.encoding import encode
from training.leaks import SUSPECT
from training.prepared import Prepared
from training.recipe import Checks
from training.retrain.whole import Whole
from training.table import Column, Table

__all__ = ["Finding", "broken", "check_data", "findings_lines"]

LEAST_SAID = 0.0005  # of a share, as it is rounded to a tenth of a percent
BY_CHANCE = 0.01  # of the tables that have not shifted, how many may look as if some column had


@dataclass(frozen=True)
class Finding:
    """One line of the table of what changed: what was looked at, before and now; `reason` says which limit broke."""

    what: str
    before: str
    now: str
    reason: str = ""


def check_data(
    table: Table, prepared: Prepared, limits: Checks, champion: Version | None, *, method: str, whole: Whole
) -> list[Finding]:
    """Compare a table with the limits and, where there is one, with what the champion says of its training rows.

    `method` is how rows are held out, and `whole` what is known of all rows where the table is a sample of them.
    Raises DataError where the champion cannot read a column.
    """
    alone = [_unlabelled(prepared, whole, limits), _duplicates(whole, limits), *_future(whole, limits)]
    found = [_rows(whole.labelled, limits, champion), *alone]
    if champion is None:
        return found
    lost = [*_other_question(prepared, champion), *_lost_columns(table, champion)]
    if lost:
        return [*found, *lost]
    found.append(_held_out(champion, method))
    target = [*_labels(table, prepared, limits, champion), *_numbers(prepared, limits, champion)]
    return [*found, *target, *_columns(table, prepared, limits, champion), *_suspects(prepared, limits, champion)]


def broken(findings: Sequence[Finding]) -> list[str]:
    """Return why the data may not be trained on: a sentence for each limit that broke."""
    return [finding.reason for finding in findings if finding.reason]


def findings_lines(findings: Sequence[Finding]) -> list[str]:
    """Lay out the table of what changed for a terminal."""
    rows = [("", "champion", "now", ""), *((f.what, f.before, f.now, "BROKEN" if f.reason else "") for f in findings)]
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  " + "  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]


def _rows(rows: int, limits: Checks, champion: Version | None) -> Finding:
    before = champion.predictor.lineage.get("rows") if champion else None
    least = limits.rows
    if isinstance(before, int):
        least = max(least, round(before * (1 - limits.fewer_rows)))
    reason = f"rows: {rows:,}, expected at least {least:,}" if rows < least else ""
    return Finding("rows", f"{before:,}" if isinstance(before, int) else "-", f"{rows:,}", reason)


def _held_out(champion: Version, method: str) -> Finding:
    split = champion.predictor.recipe.get("split")
    before = split.get("method", "-") if isinstance(split, dict) else "-"
    return Finding("rows are held out by", str(before), method)


def _unlabelled(prepared: Prepared, whole: Whole, limits: Checks) -> Finding:
    name, share = prepared.problem.target.name, 1 - whole.labelled / whole.rows
    reason = ""
    if share > limits.unlabelled:
        reason = f"{shown(name)}: {share:.1%} of the rows have no target, allowed {limits.unlabelled:.1%}"
    return Finding(f"{name}: missing", "-", f"{share:.1%}", reason)


def _duplicates(whole: Whole, limits: Checks) -> Finding:
    share, reason = whole.repeated, ""
    if share > limits.duplicates:
        reason = f"duplicates: {share:.1%} of the rows repeat another, allowed {limits.duplicates:.1%}"
    return Finding("rows that repeat another", "-", f"{share:.1%}", reason)


def _future(whole: Whole, limits: Checks) -> Iterator[Finding]:
    for name, share in whole.future.items():
        said, reason = "under 0.1%" if 0 < share < LEAST_SAID else f"{share:.1%}", ""
        if share > limits.future:
            clock = f"{whole.now:%Y-%m-%d %H:%M %Z}"
            reason = (
                f"{shown(name)}: {said} of the dates are in the future, allowed {limits.future:.1%}; it is {clock} here"
            )
        yield Finding(f"{name}: in the future", "-", said, reason)


def _other_question(prepared: Prepared, champion: Version) -> Iterator[Finding]:
    """Tell when champion and challenger would not predict the same: no rows could compare them."""
    task = "classes" if isinstance(champion.predictor.outputs, ClassOutputs) else "number"
    target = prepared.problem.target
    before, now = f"{champion.target} ({task})", f"{target.name} ({target.task})"
    if before != now:
        yield Finding("target", before, now, f"the target: the champion predicts {shown(before)}, this is {shown(now)}")


def _lost_columns(table: Table, champion: Version) -> list[Finding]:
    lost = [name for name in champion.predictor.schema.names if name not in table.names]
    return [Finding(name, "a column", "absent", f"{shown(name)}: the champion's column is not there") for name in lost]


def _labels(table: Table, prepared: Prepared, limits: Checks, champion: Version) -> Iterator[Finding]:
    """Compare the shares of the classes with those among the champion's own rows."""
    outputs = champion.predictor.outputs
    if not isinstance(outputs, ClassOutputs) or outputs.target not in table.names:
        return
    truth = table.columns[table.names.index(outputs.target)]
    labels = [label_of(cell) for cell in truth.values[~truth.is_missing].tolist()]
    before = _shares(champion, outputs)
    if not before:
        return
    for label in sorted({*before, *labels}):
        share = labels.count(label) / len(labels)
        yield _label(prepared.problem.target.name, label, before.get(label), share, limits)


def _shares(champion: Version, outputs: ClassOutputs) -> dict[str, float]:
    """Return the share of each class: by the champion's report, or by what it predicted of its training rows."""
    labels, reference = list(map(str, outputs.labels)), champion.predictor.reference
    told = champion.report.get("target")
    is_same = isinstance(told, dict) and list(map(str, told.get("labels", ()))) == labels
    counts = told.get("counts") if isinstance(told, dict) and is_same else None
    is_told = isinstance(counts, list) and len(counts) == len(labels) and all(type(n) is int and n >= 0 for n in counts)
    if not is_told:
        counts = None if reference is None else list(reference.labels)
    whole = sum(counts or ())
    return {label: n / whole for label, n in zip(labels, counts, strict=True)} if counts and whole else {}


def _label(target: str, label: str, before: float | None, share: float, limits: Checks) -> Finding:
    reason = ""
    if before is None and not limits.new_classes:
        reason = f"{shown(target)}: the class {shown(label)} is new; allow it with checks.new_classes = true"
    elif before is not None and abs(share - before) > limits.label_share:
        reason = (
            f"{shown(target)}: {shown(label)} went from {before:.1%} to {share:.1%} of the rows, allowed are"
            f" {limits.label_share:.1%} either way"
        )
    return Finding(f"{target} is {label}", "-" if before is None else f"{before:.1%}", f"{share:.1%}", reason)


def _numbers(prepared: Prepared, limits: Checks, champion: Version) -> Iterator[Finding]:
    """Compare a target of numbers with what the champion was scaled by: the mean and deviation of its training rows."""
    outputs, encoding = champion.predictor.outputs, champion.predictor.recipe.get("encoding")
    is_told = isinstance(encoding, dict) and encoding.get("target") == "standardise"
    if isinstance(outputs, ClassOutputs) or not is_told:
        return
    target, (mean, deviation) = prepared.problem.target, (outputs.offset[0], outputs.scale[0])
    now, spread = float(target.values.mean()), float(target.values.std())
    moved = abs(now - mean) / deviation
    reason = ""
    if moved > limits.target_shift:
        reason = (
            f"{shown(target.name)}: the mean went from {mean:.4g} to {now:.4g}, {moved:.3g} deviations; allowed"
            f" {limits.target_shift:g}"
        )
    yield Finding(f"{target.name}: mean", f"{mean:.4g}", f"{now:.4g}", reason)
    reason = ""
    if not 1 / limits.target_spread <= spread / deviation <= limits.target_spread:
        reason = (
            f"{shown(target.name)}: the deviation went from {deviation:.4g} to {spread:.4g}, allowed is a factor of"
            f" {limits.target_spread:g}"
        )
    yield Finding(f"{target.name}: deviation", f"{deviation:.4g}", f"{spread:.4g}", reason)


def _columns(table: Table, prepared: Prepared, limits: Checks, champion: Version) -> Iterator[Finding]:
    columns = [fitting_column(champion, table, feature) for feature in champion.predictor.schema.features]
    now = {feature.name: feature for feature in prepared.schema.features}
    for shift, by_chance in _shifts(columns, champion):
        yield from _column(shift, max(limits.psi, by_chance), limits)
    for feature, column in zip(champion.predictor.schema.features, columns, strict=True):
        yield from _reach(feature, now.get(feature.name), column, limits)
    known = {*champion.predictor.schema.names, prepared.problem.target.name}
    for name in prepared.schema.names:
        if name not in known:
            reason = (
                f"{shown(name)}: the champion does not take it, and requests would lack it; leave it out with"
                " data.drop, or allow it with checks.new_columns = true"
            )
            yield Finding(name, "absent", "a column", "" if limits.new_columns else reason)


def _reach(feature: Feature, now: Feature | None, column: Column, limits: Checks) -> Iterator[Finding]:
    """Tell how far numbers lie beyond the range of before, which few cells are enough for: units, and slips."""
    if not isinstance(feature, NumericFeature) or not feature.high > feature.low or column.is_missing.all():
        return
    low, high = float(np.nanmin(column.values)), float(np.nanmax(column.values))
    if isinstance(now, NumericFeature):  # of all rows, where the table is a sample
        low, high = min(low, now.low), max(high, now.high)
    width = feature.high - feature.low
    beyond = max(feature.low - low, high - feature.high, 0.0) / width
    reason = ""
    if beyond > limits.reach:
        reason = (
            f"{shown(feature.name)}: numbers went from {feature.low:.4g} to {feature.high:.4g} and go from {low:.4g} to"
            f" {high:.4g}, {beyond:.3g} times that width beyond it; allowed {limits.reach:g}"
        )
    if beyond:
        before = f"{feature.low:.4g} to {feature.high:.4g}"
        yield Finding(f"{feature.name}: range", before, f"{low:.4g} to {high:.4g}", reason)


def _suspects(prepared: Prepared, limits: Checks, champion: Version) -> Iterator[Finding]:
    """Tell of columns that alone give the target away, and did not when the champion was trained."""
    decided = champion.report.get("decisions")
    told = [one for one in decided if isinstance(one, dict)] if isinstance(decided, list) else None
    before = {one.get("column") for one in told if one.get("what") == SUSPECT} if told is not None else set()
    silent = set(champion.predictor.schema.names) if told is None else set()  # nobody can tell how these were
    for one in prepared.decisions:
        if one.what == SUSPECT and one.column not in before | silent:
            known = one.why.partition(":")[0]
            reason = f"{shown(one.column)}: {known}; leave it out with data.drop, or allow it with checks.leaks = true"
            yield Finding(f"{one.column}: {SUSPECT}", "no", known, "" if limits.leaks else reason)


def _shifts(columns: Sequence[Column], champion: Version) -> list[tuple[Shift, float]]:
    """Return the shift of each feature, with the index that only one of many such tables reaches in any of them."""
    predictor = champion.predictor
    bins = Bins(predictor)
    X = encode(predictor.schema, columns, np.arange(len(columns[0].values)))
    counts = bins.count([_cells(column) for column in columns], predictor.network.infer(X))
    chances = bins.by_chance(counts, share=1 - BY_CHANCE / len(columns), rng=np.random.default_rng(0))
    return [(shift, chance or 0.0) for shift, chance in zip(bins.features(counts), chances, strict=True)]


def _cells(column: Column) -> list[float | str | None]:
    values: NDArray[np.object_] = column.values.astype(object)
    values[column.is_missing] = None
    return list(values.tolist())


def _column(shift: Shift, most: float, limits: Checks) -> Iterator[Finding]:
    name, expected = shown(shift.name), shift.missing_expected
    if expected is not None:
        more = shift.missing - expected > limits.missing
        reason = f"{name}: {shift.missing:.1%} of the cells are missing, {expected:.1%} were before" if more else ""
        yield Finding(f"{shift.name}: missing", f"{expected:.1%}", f"{shift.missing:.1%}", reason)
    reason, rare = "", shift.outside_expected
    if shift.outside - rare > limits.outside:
        before = f" beside the {rare:.1%} of before" if rare else ""
        reason = (
            f"{name}: {shift.outside:.1%} of the cells are outside what the champion was trained on, allowed"
            f" {limits.outside:.1%}{before}"
        )
    yield Finding(f"{shift.name}: outside", f"{rare:.1%}", f"{shift.outside:.1%}", reason)
    if shift.psi is not None:
        reason = f"{name}: the stability index is {shift.psi:.3f}, allowed {most:.3f}" if shift.psi > most else ""
        yield Finding(f"{shift.name}: stability index", "0", f"{shift.psi:.3f}", reason)
