"""Progress while a network is fitted: a bar on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from network import EpochRecord

__all__ = ["Progress", "Reading", "progress", "reading"]

LINE_EVERY_S = 5.0
BAR_EVERY_S = 0.1


class Progress(Protocol):
    """Told of every epoch."""

    def __call__(self, record: EpochRecord) -> None:
        """Show the epoch, if it is time to."""


class Reading(Protocol):
    """Told of every chunk of a table that is read in blocks."""

    def __call__(self, rows: int, what: str) -> None:
        """Show how many rows have been read and what for, if it is time to."""


def reading(stream: TextIO | None) -> Reading:
    """Show every few seconds on `stream`, if there is one, how far the reading of a table is."""
    shown_s = time.monotonic()

    def show(rows: int, what: str) -> None:
        nonlocal shown_s
        if stream is not None and time.monotonic() - shown_s >= LINE_EVERY_S:
            shown_s = time.monotonic()
            stream.write(f"{what}: {rows:,} rows\n")
            stream.flush()

    return show


@contextmanager
def progress(epochs: int, stream: TextIO) -> Iterator[Progress]:
    """Show the epochs of one fit on `stream`."""
    if not stream.isatty():
        yield _Lines(epochs, stream)
        return
    # Epochs can be shorter than the terminal's patience, so the bar is moved by time and not by count.
    with tqdm(total=epochs, file=stream, unit="epoch", dynamic_ncols=True, leave=False) as bar:
        yield _Bar(bar)


class _Bar:
    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar
        self._shown_s = -BAR_EVERY_S
        self._metrics: dict[str, float] = {}

    def __call__(self, record: EpochRecord) -> None:
        self._metrics.update(record.metrics)
        if record.seconds - self._shown_s < BAR_EVERY_S:
            return
        self._shown_s = record.seconds
        self._bar.set_postfix_str(_values(record.loss, self._metrics), refresh=False)
        self._bar.n = record.epoch
        self._bar.refresh()


class _Lines:
    def __init__(self, epochs: int, stream: TextIO) -> None:
        self._epochs = epochs
        self._stream = stream
        self._shown_s = 0.0
        self._metrics: dict[str, float] = {}

    def __call__(self, record: EpochRecord) -> None:
        self._metrics.update(record.metrics)
        if record.seconds - self._shown_s < LINE_EVERY_S:
            return
        self._shown_s = record.seconds
        left_s = record.seconds / record.epoch * (self._epochs - record.epoch)
        values = _values(record.loss, self._metrics)
        self._stream.write(f"epoch {record.epoch} of {self._epochs}: {values}, at most {left_s:.0f} s left\n")
        self._stream.flush()


def _values(loss: float, metrics: dict[str, float]) -> str:
    return ", ".join(
        [f"loss {loss:.4g}", *(f"{name.replace('_', ' ')} {value:.4g}" for name, value in metrics.items())]
    )
