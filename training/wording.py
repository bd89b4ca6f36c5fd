"""How results are said on a terminal."""

import json
import shlex
from collections.abc import Iterable, Mapping

from predictor.wording import shown
from training.toml_text import toml_key

__all__ = ["alike", "count", "kind_key", "metrics_table", "option"]

PARTS = ("train", "validation", "test")


def count(number: int, noun: str) -> str:
    """Say how many, such as "1 row" or "20,640 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def option(key: str, value: object) -> str:
    """Write the option of the command line that sets a key of the recipe: text as it is, anything else as a list."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"--set {shlex.quote(f'{key}={text}')}"


def kind_key(column: str) -> str:
    """Return the key of a recipe that says what kind a column is; names other than bare words are quoted."""
    return f"data.kinds.{toml_key(column)}"


def alike(texts: Iterable[str]) -> str:
    """Say which two of different texts are the same but for capitals and spaces, or return nothing."""
    seen: dict[str, str] = {}
    for text in texts:
        other = seen.setdefault(" ".join(text.casefold().split()), text)
        if other != text:
            return f"{shown(other)} and {shown(text)} are told apart"
    return ""


def metrics_table(metrics: Mapping[str, float]) -> str:
    """Lay out metrics named "part.metric" as a table with a column for each part."""
    parts = [part for part in PARTS if any(name.startswith(f"{part}.") for name in metrics)]
    rows = list(dict.fromkeys(name.partition(".")[2] for name in metrics))
    lines = [f"{'':<20}" + "".join(f"{part:>12}" for part in parts)]
    for row in rows:
        values = [metrics.get(f"{part}.{row}") for part in parts]
        cells = "".join(f"{'-' if value is None else _number(value):>12}" for value in values)
        lines.append(f"{row.replace('_', ' '):<20}" + cells)
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e4 or value == 0 else f"{value:.4g}"  # noqa: PLR2004 - four digits
