"""The picture of a search: scores by trial, and by each key that was searched."""

from typing import TYPE_CHECKING, Any

import numpy as np

from training.report.drawing import FIRST, INK, SECOND, canvas, spread, themed
from training.sweep.progress import short
from training.sweep.run import Found
from training.sweep.study import Tried

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["sweep_svg"]

PANELS = 8
ACROSS = 2


@themed
def sweep_svg(found: Found) -> "Figure":
    """Draw the score of each trial with the best so far, and below it the scores over each key, what matters first."""
    done = [one for one in found.tried if one.value is not None]
    keys = [*found.importance, *(key for one in done[:1] for key in one.chosen if key not in found.importance)][:PANELS]
    down = -(-len(keys) // ACROSS)
    figure = canvas(4.6 * ACROSS, 3.2 + 2.4 * down)
    grid = figure.add_gridspec(1 + down, ACROSS, height_ratios=[1.3, *[1] * down])
    _history(figure.add_subplot(grid[0, :]), found, done)
    for place, key in enumerate(keys):
        axes = figure.add_subplot(grid[1 + place // ACROSS, place % ACROSS])
        _panel(axes, found, [one for one in done if key in one.chosen], key)
    return figure


def _history(axes: "Axes", found: Found, done: list[Tried]) -> None:
    values = np.array([one.value for one in done], dtype=np.float64)
    numbers = [one.number + 1 for one in done]
    best = np.maximum.accumulate(values) if found.is_higher_better else np.minimum.accumulate(values)
    axes.scatter(numbers, values, s=16, color=FIRST, linewidths=0, label="trial")
    axes.step(numbers, best, where="post", color=FIRST, linewidth=1, label="best so far")
    axes.axhline(found.base, color=INK, linewidth=0.8, linestyle=":", label="the recipe as it is")
    left_out = [one.number + 1 for one in found.tried if one.state in {"pruned", "failed"}]
    axes.plot(
        left_out,
        [0.02] * len(left_out),
        "x",
        color=SECOND,
        transform=axes.get_xaxis_transform(),
        label="pruned or failed",
    )
    axes.set(title=f"{found.metric.replace('_', ' ')} by trial", xlabel="trial", ylabel=found.metric.replace("_", " "))
    axes.legend(loc="upper right", ncols=2, fontsize=8)
    axes.grid(visible=True)


def _panel(axes: "Axes", found: Found, done: list[Tried], key: str) -> None:
    chosen: list[Any] = [one.chosen[key] for one in done]
    is_number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in chosen)
    places = chosen if is_number else [str(value)[:24] for value in chosen]
    axes.scatter(places, [one.value or 0.0 for one in done], s=12, color=FIRST, alpha=0.6, linewidths=0)
    if is_number and chosen:
        spread(axes, "x", chosen)
    share = f": {found.importance[key]:.0%}" if key in found.importance else ""
    axes.set_title(f"{short(key)}{share}", parse_math=False)
    axes.grid(visible=True)
