"""How results are said on a terminal."""

from collections.abc import Mapping

__all__ = ["count", "metrics_table"]

PARTS = ("train", "validation", "test")


def count(number: int, noun: str) -> str:
    """Say how many, such as "1 row" or "20,640 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
