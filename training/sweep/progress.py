"""Progress of a search: a bar on a terminal, a line for each trial elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from tqdm import tqdm

from training.sweep.bench import Bench
from training.sweep.study import Tried

__all__ = ["Told", "said", "short", "told"]


class Told(Protocol):
    """Told of all that was tried, after every trial."""

    def __call__(self, tried: Sequence[Tried]) -> None:
        """Show it."""


@contextmanager
def told(trials: int, bench: Bench, stream: TextIO) -> Iterator[Told]:
    """Show the trials of one run on `stream`."""
    if not stream.isatty():
        yield _Lines(trials, bench, stream)
        return
    with tqdm(total=trials, file=stream, unit="trial", dynamic_ncols=True) as bar:
        yield _Bar(bar, bench)


def said(chosen: Mapping[str, Any]) -> str:
    """Say what was chosen, each key by its last two names."""
    return ", ".join(
        f"{short(key)} {value:.3g}" if isinstance(value, float) else f"{short(key)} {value}"
        for key, value in chosen.items()
    )


def short(key: str) -> str:
    """Return the last name of a key."""
    return key.rpartition(".")[2]


def _best(tried: Sequence[Tried], *, is_higher_better: bool) -> float | None:
    values = [one.value for one in tried if one.value is not None]
    return None if not values else max(values) if is_higher_better else min(values)


class _Bar:
    def __init__(self, bar: "tqdm[Any]", bench: Bench) -> None:
        self._bar = bar
        self._bench = bench

    def __call__(self, tried: Sequence[Tried]) -> None:
        best = _best(tried, is_higher_better=self._bench.is_higher_better)
        if best is not None:
            self._bar.set_postfix_str(f"best {self._bench.metric} {best:.4g}", refresh=False)
        self._bar.n = sum(one.counts for one in tried)
        self._bar.refresh()


class _Lines:
    def __init__(self, trials: int, bench: Bench, stream: TextIO) -> None:
        self._trials = trials
        self._bench = bench
        self._stream = stream
        self._known: int | None = None

    def __call__(self, tried: Sequence[Tried]) -> None:
        if self._known is None and tried:
            self._stream.write(f"going on after {sum(one.counts for one in tried)} trials\n")
        elif tried and len(tried) != self._known:
            self._stream.write(f"{self._line(tried)}\n")
        self._known = len(tried)
        self._stream.flush()

    def _line(self, tried: Sequence[Tried]) -> str:
        last = tried[-1]
        best = _best(tried, is_higher_better=self._bench.is_higher_better)
        how = last.state if last.value is None else f"{self._bench.metric} {last.value:.4g}"
        how += f" ({last.reason})" if last.state == "failed" else ""
        so_far = "" if best is None else f", best {best:.4g}"
        done = sum(one.counts for one in tried)
        return f"trial {last.number + 1} ({done} of {self._trials}): {how}{so_far}; {said(last.chosen)}"
