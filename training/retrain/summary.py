"""What came of a retraining, in Markdown: for a job's summary and for a comment."""

from collections.abc import Iterable, Sequence

from predictor.wording import printable
from training.errors import TrainingError
from training.retrain.checks import Finding, broken
from training.retrain.gate import Evidence, Passed, Refused
from training.retrain.setting import BrokenChecksError, Setting

__all__ = ["interrupted_summary", "stopped_summary", "summary", "unchanged_summary"]

MOST_SHOWN = 10
MARKS = "\\`*_[]<>|#@!~"


def summary(setting: Setting, evidence: Evidence, verdict: Passed | Refused, *, promoted: bool) -> str:
    """Say the verdict with its reasons, champion beside challenger, and what changed in the data."""
    said = "refused" if isinstance(verdict, Refused) else "passed, and promoted" if promoted else "passed, not promoted"
    lines = [f"# {_plain(setting.name)}: {said}", ""]
    if isinstance(verdict, Refused):
        lines += [*(f"- {_plain(reason)}" for reason in verdict.reasons), ""]
    duels = [
        (
            d.holdout,
            f"{d.rows:,}",
            f"{d.champion:.4g}",
            f"{d.challenger:.4g}",
            f"{d.gain:+.4g}, {d.low:+.4g} to {d.high:+.4g}",
        )
        for d in evidence.duels
    ]
    if duels:
        lines += [*_table(("held-out rows", "rows", "champion", "challenger", f"gain in {evidence.metric}"), duels), ""]
    alone = f"{evidence.metric} {evidence.own:.4g}; without looking at any column {evidence.trivial:.4g}"
    lines += [_plain(f"{alone}. One row takes {evidence.latency_ms:.3g} ms, the file {evidence.size_mb:.3g} MB."), ""]
    return "\n".join([*lines, *_changed(setting.findings), ""])


def stopped_summary(name: str, error: TrainingError) -> str:
    """Say why nothing was trained: the limits that the data broke with what changed, or what else was wrong."""
    if not isinstance(error, BrokenChecksError):
        return "\n".join([f"# {_plain(name)}: stopped", "", *(f"{_plain(line)}\n" for line in str(error).splitlines())])
    reasons = [f"- {_plain(reason)}" for reason in broken(error.findings)]
    return "\n".join([f"# {_plain(name)}: the data broke a limit", "", *reasons, "", *_changed(error.findings), ""])


def interrupted_summary(name: str) -> str:
    """Say that somebody ended the job before its end."""
    return f"# {_plain(name)}: interrupted\n\nNothing was published.\n"


def unchanged_summary(name: str, label: str) -> str:
    """Say that there is nothing to train: a version was made of the same."""
    return f"# {_plain(name)}: nothing new\n\n{_plain(label)} was made of the same data and recipe.\n"


def _changed(findings: Sequence[Finding]) -> list[str]:
    """Lay out what changed in the data, folded up where it is long."""
    table = _table(("data", "champion", "now"), [(f.what, f.before, f.now) for f in findings])
    if len(findings) <= MOST_SHOWN:
        return table
    return [f"<details><summary>{len(findings)} facts of the data</summary>", "", *table, "", "</details>"]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [head, ["---"] * len(head), *([_plain(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def _plain(text: str) -> str:
    """Keep text of the data from being read as Markdown, as a link, or as somebody's name."""
    return "".join(f"\\{letter}" if letter in MARKS else letter for letter in printable(text))
