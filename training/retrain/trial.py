"""Champion and challenger measured in one job, on the same held-out rows."""

import time
from collections.abc import Iterator, Mapping
from hashlib import sha256
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import ArtifactError, Predictor, load_bytes, prove
from predictor.wording import hint, shown
from training.compare.scored import answers_on, known_rows, shared_columns
from training.compare.versions import Version
from training.errors import DataError, RecipeError
from training.evaluation import calibration_error
from training.kinds import as_asked
from training.recipe import Promotion
from training.report.moments import moments
from training.report.slices import find_changes
from training.retrain.gate import Collapse, Duel, Evidence
from training.retrain.setting import Setting
from training.scoring import HIGHER_IS_BETTER, Answers, answers_of, measures, paired_intervals
from training.table import Table

__all__ = ["measure"]

TIMED = 200
MEGABYTE = 2**20
FEWEST_ROWS = 20  # held out, or of a recent or legacy part; fewer say nothing


def measure(setting: Setting, predictor: Predictor, content: bytes, metrics: Mapping[str, float]) -> Evidence:
    """Measure the challenger, whose model file is `content`, alone and against the champion. Raises TrainingError."""
    prepared, test = setting.prepared, setting.prepared.test
    if test is None:
        raise RecipeError("split.method: a retraining needs held-out rows; use hash or given")
    if len(test.rows) < FEWEST_ROWS:
        raise DataError(f"{len(test.rows)} held-out rows, expected at least {FEWEST_ROWS}: bring more rows")
    own = answers_of(predictor, test.X, test.values)
    found = measures(own)
    metric = setting.recipe.promotion.metric or ("accuracy" if own.classes else "mae")
    if metric not in found:
        raise RecipeError(
            f"promotion.metric: there is no {shown(metric)}{hint(metric, found)}; known: {', '.join(found)}"
        )
    pair = _pair(setting, predictor, content) if setting.champion else None
    return Evidence(
        metrics=metrics,
        metric=metric,
        own=found[metric],
        trivial=measures(_trivial(own, prepared.train.values, metric))[metric],
        higher_is_better=metric in HIGHER_IS_BETTER,
        duels=tuple(_duels(setting, metric, *pair[:3])) if pair else (),
        collapses=tuple(_collapses(setting, *pair)) if pair else (),
        ece=_calibrations(*pair[:2]) if pair else None,
        latency_ms=_latency_ms(predictor),
        size_mb=len(content) / MEGABYTE,
        golden_fault=_golden_fault(content),
    )


def _pair(
    setting: Setting, predictor: Predictor, content: bytes
) -> tuple[Answers, Answers, NDArray[np.int64], tuple[Version, Version]]:
    """Let both answer the held-out rows whose truth both know; those rows are positions in the table, rising."""
    table, test = setting.table, setting.prepared.test
    truth = table.columns[table.names.index(setting.prepared.problem.target.name)]
    kept = np.flatnonzero(~truth.is_missing)
    challenger = Version("the challenger", predictor, len(content), sha256(content).hexdigest(), (), {})
    versions = (_champion(setting), challenger)
    held = np.sort(kept[test.rows]) if test is not None else kept[:0]
    rows, _ = known_rows(versions, truth, held, [])
    if len(rows) < FEWEST_ROWS:
        raise DataError(
            f"{len(rows)} held-out rows of classes that the champion knows, too, expected at least {FEWEST_ROWS}: bring"
            " more of them"
        )
    first, second = (answers_on(version, table, truth, rows) for version in versions)
    return first, second, rows, versions


def _champion(setting: Setting) -> Version:
    if setting.champion is None:
        raise RecipeError("there is no champion to compare with")
    return setting.champion


def _duels(
    setting: Setting, metric: str, champion: Answers, challenger: Answers, rows: NDArray[np.int64]
) -> Iterator[Duel]:
    is_recent = _are_recent(setting.table, setting.recipe.promotion)[rows]
    for name, mask in (("all", np.ones(len(rows), dtype=np.bool_)), ("recent", is_recent), ("legacy", ~is_recent)):
        if mask.sum() >= FEWEST_ROWS:
            yield _duel(name, metric, _some(champion, mask), _some(challenger, mask))


def _are_recent(table: Table, lines: Promotion) -> NDArray[np.bool_]:
    """Return which rows of the table are the recent ones, (rows,): the last, or those of the latest dates."""
    if lines.recent_by is None:
        return np.arange(table.rows) >= round(table.rows * (1 - lines.recent))
    if lines.recent_by not in table.names:
        near = hint(lines.recent_by, table.names)
        raise RecipeError(f"promotion.recent_by: there is no column {shown(lines.recent_by)}{near}")
    column = table.columns[table.names.index(lines.recent_by)]
    seconds = moments(column if column.meaning else as_asked(column, "date", table.place))
    if seconds is None or np.isnan(seconds).all():
        raise RecipeError(f"promotion.recent_by: the column {shown(lines.recent_by)} has no dates")
    with np.errstate(invalid="ignore"):
        return np.asarray(seconds >= np.nanquantile(seconds, 1 - lines.recent))


def _duel(holdout: str, metric: str, champion: Answers, challenger: Answers) -> Duel:
    ends = paired_intervals(champion, challenger)
    if metric not in ends:
        raise DataError(f"{metric} has no value on {holdout} held-out rows; choose another promotion.metric")
    before, after = measures(champion)[metric], measures(challenger)[metric]
    low, high = ends[metric]
    if metric in HIGHER_IS_BETTER:
        return Duel(holdout, len(champion.truth), before, after, after - before, low, high, 1.0)
    return Duel(holdout, len(champion.truth), before, after, before - after, -high, -low, before)


def _some(answers: Answers, mask: NDArray[np.bool_]) -> Answers:
    P = None if answers.P is None else answers.P[mask]
    return Answers(answers.truth[mask], answers.guesses[mask], P, answers.classes, answers.scale)


def _collapses(
    setting: Setting,
    champion: Answers,
    challenger: Answers,
    rows: NDArray[np.int64],
    versions: tuple[Version, Version],
) -> Iterator[Collapse]:
    table = setting.table
    truth = table.columns[table.names.index(setting.prepared.problem.target.name)]
    columns = [column.take(rows) for column in (truth, *shared_columns(versions, table))]
    unit = 1.0 if champion.classes else max(float(champion.errors.mean()), np.finfo(np.float64).tiny)
    for found in find_changes(columns, challenger.errors - champion.errors)[0]:
        if found.is_weak:
            yield Collapse(found.column, found.part, found.rows, found.error / unit)


def _calibrations(champion: Answers, challenger: Answers) -> tuple[float, float] | None:
    if champion.P is None or challenger.P is None:
        return None
    return calibration_error(champion.P, champion.truth), calibration_error(challenger.P, challenger.truth)


def _trivial(own: Answers, learned: NDArray[Any], metric: str) -> Answers:
    """Answer every row alike: with the shares of the classes among the training rows, or their median or mean."""
    rows = len(own.truth)
    if not own.classes:
        guess = np.median(learned) if metric == "mae" else np.mean(learned.astype(np.float64))
        return Answers(own.truth, np.full(rows, float(guess)), scale=own.scale)
    shares = np.bincount(learned.astype(np.int64), minlength=own.classes) / len(learned)
    P = np.tile(shares, (rows, 1)) if own.P is not None else None
    return Answers(own.truth, np.full(rows, shares.argmax()), P, own.classes)


def _latency_ms(predictor: Predictor) -> float:
    """Return how long one row takes from its cells to its outputs: the median of many."""
    row = [list(predictor.golden.rows[0])]
    times = []
    for _ in range(TIMED):
        start = time.perf_counter()
        predictor.network.infer(predictor.schema.encode_rows(row).X)
        times.append(time.perf_counter() - start)
    return 1e3 * median(times)


def _golden_fault(content: bytes) -> str:
    """Read the model file as the service would; return what is wrong with it, if anything."""
    try:
        prove(load_bytes(content, "the challenger"))
    except ArtifactError as error:
        return str(error)
    return ""
