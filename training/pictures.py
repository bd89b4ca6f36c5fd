"""The loss curve and the confusion matrix as SVG; the same data give the same bytes."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from network import EpochRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["calibration_svg", "confusion_svg", "loss_svg", "predicted_svg"]

POINTS = 1000  # more epochs than this are thinned: nobody sees more on a screen
BINS = 10
LABELLED_CLASSES = 30
LABEL_LETTERS = 24


def loss_svg(history: Sequence[EpochRecord]) -> bytes:
    """Draw the training loss and, where there is one, the validation loss by epoch, on a logarithmic scale."""
    figure = _figure(6.4, 4)
    axes = figure.add_subplot()
    records = [history[i] for i in np.unique(np.linspace(0, len(history) - 1, POINTS).astype(int))]
    axes.plot([record.epoch for record in records], [record.loss for record in records], label="training")
    watched = [
        (record.epoch, record.metrics["validation_loss"]) for record in records if "validation_loss" in record.metrics
    ]
    if watched:
        axes.plot(*zip(*watched, strict=True), label="validation")
        axes.legend()
    if all(record.loss > 0 for record in records):
        axes.set_yscale("log")
    axes.set(title="Loss by epoch", xlabel="epoch", ylabel="loss")
    axes.grid(visible=True, alpha=0.3)
    return _svg(figure)


def confusion_svg(counts: NDArray[np.int64], labels: Sequence[str | int], *, part: str) -> bytes:
    """Draw the counts (classes, classes) of true classes down and predicted ones across."""
    size = max(4.0, min(12.0, 1.5 + 0.6 * len(labels)))
    figure = _figure(size, size)
    axes = figure.add_subplot()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=f"Rows of the {part} part", xlabel="predicted", ylabel="true")
    if len(labels) <= LABELLED_CLASSES:
        # "$" would begin a formula.
        texts = [str(label)[:LABEL_LETTERS].replace("$", r"\$") for label in labels]
        axes.set_xticks(range(len(labels)), texts, rotation=45, ha="right")
        axes.set_yticks(range(len(labels)), texts)
        for (row, column), count in np.ndenumerate(counts):
            shade = "white" if shares[row, column] > 0.5 else "black"  # noqa: PLR2004 - the middle of the scale
            axes.text(column, row, str(count), ha="center", va="center", color=shade, fontsize=9)
    return _svg(figure)


def predicted_svg(values: NDArray[np.float64], guesses: NDArray[np.float64], *, part: str) -> bytes:
    """Draw what was predicted over what was true, (rows,) each, and the residuals beside it."""
    chosen = np.unique(np.linspace(0, len(values) - 1, POINTS).astype(int))
    figure = _figure(9, 4)
    left, right = figure.subplots(1, 2)
    left.scatter(values[chosen], guesses[chosen], s=8, alpha=0.5)
    ends = [min(values.min(), guesses.min()), max(values.max(), guesses.max())]
    left.plot(ends, ends, color="black", linewidth=0.8)
    left.set(title=f"Rows of the {part} part", xlabel="true", ylabel="predicted")
    right.hist(guesses - values, bins=40)
    right.set(title="Residuals", xlabel="predicted - true", ylabel="rows")
    for axes in (left, right):
        axes.grid(visible=True, alpha=0.3)
    return _svg(figure)


def calibration_svg(truth: NDArray[np.int64], P: NDArray[np.float64], *, part: str) -> bytes:
    """Draw how often the class with the largest probability, (rows, classes), was right, by that probability."""
    confidence, is_right = P.max(axis=1), P.argmax(axis=1) == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    filled = [i for i in range(BINS) if (bins == i).any()]
    figure = _figure(4.5, 4)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    sizes = [20 + 200 * float((bins == i).mean()) for i in filled]
    axes.scatter([confidence[bins == i].mean() for i in filled], [is_right[bins == i].mean() for i in filled], s=sizes)
    axes.set(title=f"Calibration, {part} part", xlabel="probability of the answer", ylabel="part that was right")
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
    axes.grid(visible=True, alpha=0.3)
    return _svg(figure)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import, and a wrong command should be told at once

    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: "Figure") -> bytes:
    import matplotlib as mpl  # noqa: PLC0415 - as above
    from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415 - as above

    buffer = io.BytesIO()
    FigureCanvasSVG(figure)
    # Without a salt and with the date, matplotlib writes other bytes every time.
    with mpl.rc_context({"svg.hashsalt": "ganglion"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
