"""Whether a challenger may take the champion's place: a pure function of what was measured and what the recipe says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from training.gate import misses
from training.recipe import Demand, Promotion

__all__ = ["Collapse", "Duel", "Evidence", "Passed", "Refused", "gate"]


@dataclass(frozen=True)
class Duel:
    """Both models on the same held-out rows, by one metric.

    `gain` is how much better the challenger is, whichever way the metric counts, `low` and `high` its bounds by the
    paired bootstrap; `unit` is what tolerances are shares of: 1, or the champion's own error.
    """

    holdout: str
    rows: int
    champion: float
    challenger: float
    gain: float
    low: float
    high: float
    unit: float


@dataclass(frozen=True)
class Collapse:
    """A part of the rows in which the challenger surely errs more: by `worse` on average, in units as in `Duel`."""

    column: str
    part: str
    rows: int
    worse: float


@dataclass(frozen=True)
class Evidence:
    """All that was measured; what needs a champion is empty or None where there is none.

    `metrics` are those of the fit by names such as "test.accuracy", `own` and `trivial` the challenger's value of
    `metric` on the held-out rows and that of a model that looks at no column. `ece` is of champion and challenger.
    """

    metrics: Mapping[str, float]
    metric: str
    own: float
    trivial: float
    higher_is_better: bool
    duels: tuple[Duel, ...]
    collapses: tuple[Collapse, ...]
    ece: tuple[float, float] | None
    latency_ms: float
    size_mb: float
    golden_fault: str = ""


@dataclass(frozen=True)
class Passed:
    """The challenger holds every line; `is_better` when it gains on the champion, or there is none."""

    is_better: bool


@dataclass(frozen=True)
class Refused:
    """The challenger misses a line or more: all the reasons."""

    reasons: tuple[str, ...]


def gate(evidence: Evidence, lines: Promotion, demands: Iterable[Demand]) -> Passed | Refused:
    """Judge by every line of the recipe, not only to the first that is missed.

    Raises RecipeError for a demand on a metric that there is not.
    """
    reasons = (
        *misses(demands, evidence.metrics),
        *_against_the_champion(evidence, lines),
        *_alone(evidence, lines),
    )
    if reasons:
        return Refused(reasons)
    return Passed(is_better=not evidence.duels or evidence.duels[0].gain > 0)


def _against_the_champion(evidence: Evidence, lines: Promotion) -> Iterator[str]:
    allowed = {"all": lines.tolerance, "recent": lines.recent_tolerance, "legacy": lines.legacy_tolerance}
    for duel in evidence.duels:
        least = -allowed[duel.holdout] * duel.unit
        if not duel.low >= least:
            yield (
                f"{evidence.metric} on {duel.holdout} held-out rows ({duel.rows:,}): the gain on the champion is"
                f" {duel.gain:+.4g} with a lower bound of {duel.low:+.4g}, expected at least {least:+.4g}"
            )
    for slump in evidence.collapses:
        if not slump.worse <= lines.slice_loss:
            yield (
                f"where {slump.column} is {slump.part} ({slump.rows:,} rows) the error grew by {slump.worse:.4g},"
                f" expected at most {lines.slice_loss:g}"
            )
    if evidence.ece is not None and not evidence.ece[1] <= evidence.ece[0] + lines.calibration_loss:
        yield (
            f"the calibration error went from {evidence.ece[0]:.4g} to {evidence.ece[1]:.4g}, expected at most"
            f" {lines.calibration_loss:g} more"
        )


def _alone(evidence: Evidence, lines: Promotion) -> Iterator[str]:
    ahead = evidence.own - evidence.trivial if evidence.higher_is_better else evidence.trivial - evidence.own
    if lines.beats_trivial and not ahead > 0:
        yield f"{evidence.metric} is {evidence.own:.4g}, and {evidence.trivial:.4g} without looking at any column"
    if not evidence.latency_ms <= lines.latency_ms:
        yield f"one row takes {evidence.latency_ms:.3g} ms, expected at most {lines.latency_ms:g}"
    if not evidence.size_mb <= lines.size_mb:
        yield f"the model file has {evidence.size_mb:.3g} MB, expected at most {lines.size_mb:g}"
    if lines.golden and evidence.golden_fault:
        yield f"the model file fails its golden rows: {evidence.golden_fault}"
