"""What a search leaves behind: the best recipe, every trial as CSV, a picture and a page."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from training.errors import TrainingError
from training.report.drawing import framed
from training.report.markup import Cell, Raw, bar, page, paragraph, span, table
from training.report.wording import figure, many
from training.sweep.picture import sweep_svg
from training.sweep.progress import said, short
from training.sweep.run import Found
from training.sweep.study import Tried
from training.toml_text import toml_text

__all__ = ["BEST", "outcome", "write_result"]

BEST, PAGE, PICTURE, TRIALS = "best.toml", "sweep.html", "sweep.svg", "trials.csv"
BEST_SHOWN = 8


def write_result(found: Found) -> tuple[Path, ...]:
    """Write the files of a search into its folder and return their paths. Raises TrainingError when it cannot."""
    picture = sweep_svg(found)
    files: Mapping[str, bytes] = {
        BEST: _recipe(found).encode(),
        TRIALS: _trials(found).encode(),
        PICTURE: picture,
        PAGE: _page(found, picture),
    }
    try:
        found.folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _replace(found.folder / name, content)
    except OSError as error:
        raise TrainingError(f"{found.folder}: cannot be written: {error.strerror or error}") from error
    return tuple(found.folder / name for name in files)


def outcome(found: Found) -> str:
    """Return the result for a terminal: the best trials, what matters, and how many went how."""
    rows = [
        [f"{one.number + 1}", _value(one), f"{one.epochs}", f"{one.seconds:.1f}", said(one.chosen)]
        for one in _ranked(found)[:BEST_SHOWN]
    ]
    head = ["trial", found.metric.replace("_", " "), "epochs", "s", "chosen"]
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(4)]
    lines = [
        "  ".join([*(f"{cell:>{width}}" for cell, width in zip(row[:4], widths, strict=True)), row[4]])
        for row in [head, *rows]
    ]
    matter = ", ".join(f"{short(key)} {share:.0%}" for key, share in found.importance.items() if share >= 0.01)  # noqa: PLR2004 - a hundredth
    return "\n".join(
        [
            _counts(found),
            "",
            *(lines if rows else []),
            "",
            _verdict(found),
            *([f"what matters: {matter}"] if matter else []),
            "",
        ]
    )


def _verdict(found: Found) -> str:
    judged = f"{found.metric.replace('_', ' ')} on {many(found.rows, 'row')} that watch"
    if found.best_trial is None:
        return f"No trial is better than the recipe as it is: {judged} {found.base:.4g}."
    best = found.best_trial
    return f"Best: trial {best.number + 1}, {judged} {best.value:.4g}; the recipe as it is: {found.base:.4g}."


def _counts(found: Found) -> str:
    states = [one.state for one in found.tried]
    parts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return f"{many(len(states), 'trial')}: {', '.join(parts)}" if parts else "no trials"


def _ranked(found: Found) -> list[Tried]:
    sign = -1 if found.is_higher_better else 1
    return sorted((one for one in found.tried if one.value is not None), key=lambda one: sign * (one.value or 0.0))


def _value(one: Tried) -> str:
    return one.state if one.value is None else f"{one.value:.4f}"


def _recipe(found: Found) -> str:
    about = f"The best recipe of the search {found.name}\n{_verdict(found)}\n"
    return toml_text(found.best.model_copy(update={"about": about}).record())


def _trials(found: Found) -> str:
    keys = list(dict.fromkeys(key for one in found.tried for key in one.chosen))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", found.metric, "epochs", "seconds", *keys, "reason"])
    for one in found.tried:
        value = "" if one.value is None else repr(one.value)
        row = [one.number + 1, one.state, value, one.epochs, one.seconds, *(one.chosen.get(key, "") for key in keys)]
        writer.writerow([*row, one.reason])
    return text.getvalue()


def _page(found: Found, picture: bytes) -> bytes:
    keys = list(dict.fromkeys(key for one in found.tried for key in one.chosen))
    head = ("trial", "", found.metric.replace("_", " "), "epochs", "seconds", *map(short, keys))
    others = [one for one in found.tried if one.value is None]
    rows = [_row(one, keys) for one in [*_ranked(found), *others]]
    largest = max(found.importance.values(), default=1.0) or 1.0
    matter = [(key, bar(share / largest), f"{share:.1%}") for key, share in found.importance.items()]
    parts = [
        paragraph(f"{_counts(found)}. {_verdict(found)}"),
        framed(picture, "sweep", "Scores by trial and by each key"),
        "<h2>What matters</h2>" if matter else "",
        table(("key", "", "part of the difference"), matter, numbers=(2,)),
        "<h2>Trials</h2>",
        table(head, rows, numbers=(0, 2, 3, 4)),
    ]
    return page(f"Search: {found.name}", Raw("\n".join(part for part in parts if part)))


def _row(one: Tried, keys: list[str]) -> tuple[Cell, ...]:
    cells = [one.chosen.get(key, "") for key in keys]
    said_cells = [figure(cell) if isinstance(cell, float) else str(cell) for cell in cells]
    state = span(f"{one.state}: {one.reason}" if one.reason else one.state, "quiet") if one.state != "done" else ""
    value = "" if one.value is None else f"{one.value:.4f}"
    return f"{one.number + 1}", state, value, f"{one.epochs}", f"{one.seconds:.1f}", *said_cells


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it, so that nobody reads half of it."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.replace(path)
