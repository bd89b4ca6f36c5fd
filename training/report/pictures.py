"""The pictures of a report: learning curves, confusion, predictions over the truth, residuals, calibration."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from network import EpochRecord
from training.report.columns import histogram
from training.report.drawing import FIRST, INK, canvas, spread, themed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["calibration_svg", "confusion_svg", "curves_svg", "loss_svg", "metric_svg", "predicted_svg", "residual_svg"]

POINTS = 1000  # more than this are thinned: nobody sees more on a screen
WIDTH, HEIGHT = 4.6, 3.4
MOST_TICKS = 5  # so that numbers of six digits and a sign stand apart
BARS = 40
STROKES = ("-", "--", ":", "-.")  # with the two colours, eight curves are told apart
LABELLED_CLASSES = 30
LABEL_LETTERS = 20
LETTER = 0.14  # inches of the widest letter
PALEST, DARKEST = 0.1, 0.75  # of the colour: one row is seen, and a number on it can be read on any page
FACE = (0.29, 0.55, 0.85)


@themed
def loss_svg(history: Sequence[EpochRecord], best_epoch: int | None = None) -> "Figure":
    """Draw the training loss and, where there is one, the validation loss by epoch; logarithmic where it falls far."""
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    records = _thinned(history)
    axes.plot([record.epoch for record in records], [record.loss for record in records], label="training")
    watched = _series(records, "validation_loss")
    if watched:
        axes.plot(*zip(*watched, strict=True), label="validation")
    if best_epoch is not None and best_epoch != history[-1].epoch:
        axes.axvline(best_epoch, color=INK, linewidth=0.8, linestyle=":", label=f"kept: epoch {best_epoch}")
    if len(axes.lines) > 1:
        axes.legend()
    spread(axes, "y", [*(record.loss for record in records), *(value for _, value in watched)])
    axes.set(title="Loss by epoch", xlabel="epoch", ylabel="loss")
    axes.grid(visible=True)
    return figure


def metric_svg(history: Sequence[EpochRecord], name: str) -> bytes | None:
    """Draw a metric that was followed during the fit by epoch; None where fewer than two values were seen."""
    seen = _series(_thinned([record for record in history if name in record.metrics]), name)
    return _line_svg(seen, name.replace("_", " ")) if len(seen) > 1 else None


@themed
def _line_svg(points: Sequence[tuple[int, float]], name: str) -> "Figure":
    figure = canvas(WIDTH, HEIGHT)
    axes = figure.add_subplot()
    axes.plot(*zip(*points, strict=True))
    axes.set(title=f"{name.capitalize()} by epoch", xlabel="epoch", ylabel=name)
    axes.grid(visible=True)
    return figure


@themed
def curves_svg(curves: Mapping[str, Sequence[tuple[float, float]]]) -> "Figure":
    """Draw several curves, points of epoch and loss each, over one another."""
    figure = canvas(2 * WIDTH, WIDTH)
    axes = figure.add_subplot()
    for place, (name, points) in enumerate(curves.items()):
        line = STROKES[place // 2 % len(STROKES)]
        axes.plot(*zip(*points, strict=True), linestyle=line, label=name)
    spread(axes, "y", [value for points in curves.values() for _, value in points])
    axes.set(title="Validation loss by epoch", xlabel="epoch", ylabel="loss")
    axes.legend()
    axes.grid(visible=True)
    return figure


@themed
def confusion_svg(counts: NDArray[np.int64], labels: Sequence[str | int], *, part: str) -> "Figure":
    """Draw the counts (classes, classes) of true classes down and predicted ones across."""
    texts = [str(label)[:LABEL_LETTERS] for label in labels] if len(labels) <= LABELLED_CLASSES else []
    beside = LETTER * max(map(len, texts), default=0)
    size = max(3.6, beside + min(12.0, 1.2 + 0.55 * len(labels)))
    figure = canvas(size, size)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells = np.empty((*counts.shape, 4))
    cells[..., :3], cells[..., 3] = FACE, np.where(counts, PALEST + (DARKEST - PALEST) * shares, 0)
    axes.pcolormesh(cells, rasterized=len(labels) > LABELLED_CLASSES)
    axes.invert_yaxis()
    axes.set(title=f"Confusion, {part} part", xlabel="predicted", ylabel="true", aspect="equal")
    if texts:
        middles = np.arange(len(labels)) + 0.5
        # Else "$" would begin a formula.
        axes.set_xticks(middles, texts, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(middles, texts, parse_math=False)
        for (row, column), count in np.ndenumerate(counts):
            if count:
                axes.text(column + 0.5, row + 0.5, str(count), ha="center", va="center", fontsize=9)
    return figure


@themed
def predicted_svg(values: NDArray[np.float64], guesses: NDArray[np.float64], *, part: str) -> "Figure":
    """Draw what was predicted over what was true, (rows,) each, in the target's units."""
    figure = canvas(WIDTH, WIDTH)
    axes = figure.add_subplot()
    chosen = _chosen(len(values))
    axes.scatter(values[chosen], guesses[chosen], s=9, color=FIRST, alpha=0.45, linewidths=0)
    ends = [min(values.min(), guesses.min()), max(values.max(), guesses.max())]
    axes.plot(ends, ends, color=INK, linewidth=0.8)
    axes.set(title=f"Predicted against true, {part} part", xlabel="true", ylabel="predicted")
    axes.grid(visible=True)
    return figure


@themed
def residual_svg(values: NDArray[np.float64], guesses: NDArray[np.float64], *, part: str) -> "Figure":
    """Draw how often the prediction was off by how much, above, and by which prediction, below."""
    figure = canvas(WIDTH, WIDTH)
    above, below = figure.subplots(2, 1, height_ratios=(1, 1.4))
    residuals = guesses - values
    counts, edges = histogram(residuals, BARS)
    above.stairs(counts, edges, fill=True, color=FIRST)
    above.set(title=f"Residuals, {part} part", xlabel="predicted - true", ylabel="rows")
    chosen = _chosen(len(values))
    below.scatter(guesses[chosen], residuals[chosen], s=9, color=FIRST, alpha=0.45, linewidths=0)
    below.axhline(0, color=INK, linewidth=0.8)
    below.set(xlabel="predicted", ylabel="predicted - true")
    for axes in (above, below):
        axes.locator_params(axis="x", nbins=MOST_TICKS)
        axes.grid(visible=True)
    return figure


@themed
def calibration_svg(bins: Sequence[Mapping[str, Any]], *, part: str) -> "Figure":
    """Draw how often the most probable class was right, by that probability; `bins` as report.json holds them."""
    figure = canvas(WIDTH, WIDTH)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8)
    said = [one["confidence"] for one in bins]
    right = np.array([one["right"] for one in bins])
    reach = np.abs(np.array([[one["low"], one["high"]] for one in bins]).T - right)
    axes.errorbar(said, right, yerr=reach, fmt="o", color=FIRST, capsize=3)
    axes.set(title=f"Calibration, {part} part", xlabel="probability of the answer", ylabel="part that was right")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(visible=True)
    return figure


def _thinned(history: Sequence[EpochRecord]) -> list[EpochRecord]:
    return [history[place] for place in _chosen(len(history))]


def _chosen(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, POINTS).astype(np.int64)) if count else np.arange(0)


def _series(records: Sequence[EpochRecord], name: str) -> list[tuple[int, float]]:
    return [(record.epoch, record.metrics[name]) for record in records if name in record.metrics]
