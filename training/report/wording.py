"""How the report says numbers and names."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.wording import count as many

__all__ = ["bounded", "figure", "many", "named", "network_named"]


def figure(value: float) -> str:
    """Say a number with four digits."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"  # noqa: PLR2004 - where digits get unreadable


def bounded(value: float, ends: Sequence[float] | None) -> str:
    """Say a number with its interval, where there is one."""
    return figure(value) + ("" if ends is None else f" [{figure(ends[0])}, {figure(ends[1])}]")


def named(names: Sequence[str], most: int, total: int | None = None) -> str:
    """List at most so many names, and say how many more there are of all or of a `total`."""
    more = (len(names) if total is None else total) - min(most, len(names))
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def network_named(network: Mapping[str, Any]) -> str:
    """Say what network a report's facts describe: one, or the mean of several."""
    sizes = "-".join(map(str, network["sizes"]))
    size = f"of {network['parameters']:,} parameters"
    if network["members"] == 1:
        return f"a dense network {sizes} {size}"
    return f"the mean of {network['members']} dense networks {sizes}, together {size}"
