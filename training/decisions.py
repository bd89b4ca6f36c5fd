"""What was decided of the columns, why, and how the user decides otherwise: one line a decision."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from predictor.wording import shown
from training.wording import kind_key, option

__all__ = ["Decision", "as_json", "lines"]

NAMES_SHOWN = 6
ANY = "COLUMN"  # stands for one of several, who are each decided anew


@dataclass(frozen=True)
class Decision:
    """One column, what became of it, and why.

    `instead` is what the user may prefer: "keep", "drop", a kind such as "category", or an option of the command line
    as it stands.
    """

    column: str
    what: str
    why: str = ""
    instead: str = ""


def lines(decisions: Iterable[Decision]) -> list[str]:
    """Say each decision, those that are alike in one line."""
    alike: dict[tuple[str, str, str], list[str]] = {}
    for decision in decisions:
        alike.setdefault((decision.what, decision.why, decision.instead), []).append(decision.column)
    said = []
    for (what, why, instead), columns in alike.items():
        named = columns if why or len(columns) == 1 else [ANY]
        overrule = f"; otherwise {_option(named, instead)}" if instead else ""
        said.append(f"{what:<8}  {_listed(columns)}{': ' if why else ''}{why}{overrule}")
    return said


def as_json(decisions: Iterable[Decision]) -> list[dict[str, str]]:
    """Return the decisions as plain values, column by column."""
    return [
        {"column": one.column, "what": one.what, "why": one.why, "otherwise": _option([one.column], one.instead)}
        for one in decisions
    ]


def _option(columns: Sequence[str], instead: str) -> str:
    """Write the option of the command line that decides otherwise."""
    if not instead or instead.startswith("--"):
        return instead
    if instead in {"keep", "drop"}:
        return option(f"data.{instead}", ANY if columns == [ANY] else list(columns))
    return option(kind_key(columns[0] if len(columns) == 1 else ANY), instead)


def _listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - NAMES_SHOWN} more" if len(columns) > NAMES_SHOWN else ""
    return ", ".join(shown(column) for column in columns[:NAMES_SHOWN]) + more
