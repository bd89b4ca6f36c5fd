"""Fitting: epochs with a record of each, until they are done or something says to stop."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from network.health import Health, check_loss
from network.losses import Loss
from network.mlp import MLP
from network.options import FitOptions
from network.passes import Rows
from network.stopping import EarlyStopping, Watch
from network.trainer import Trainer, training_rows

__all__ = ["EpochRecord", "FitResult", "Keep", "Parts", "State", "fit", "fit_parts"]

Metric = Callable[[MLP], float]
State = dict[str, Any]


@dataclass(frozen=True)
class EpochRecord:
    """One epoch, counted from 1: the mean loss of its batches, the rate it ended with, seconds since the start."""

    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    metrics: Mapping[str, float]


class Keep(Protocol):
    """Told of every epoch, when all is done that belongs to it."""

    def __call__(self, record: EpochRecord, state: Callable[[], State], *, is_last: bool) -> None:
        """Take note of the epoch; ``state`` copies what `fit` needs to go on from here, in another process even."""


class Parts(Protocol):
    """Rows that are more than memory holds: they come in parts, in another order in every epoch."""

    @property
    def count(self) -> int:
        """How many parts an epoch has."""

    @property
    def sample(self) -> NDArray[np.floating]:
        """The inputs of some of the rows, (rows, inputs)."""

    def of_epoch(self, epoch: int) -> Iterator[Rows]:
        """Return the parts of an epoch, counted from 0; one may take the place of the other in the same arrays."""

    def __len__(self) -> int:
        """How many rows all parts have together."""


@dataclass(frozen=True)
class FitResult:
    """The fitted network, a record of each epoch, the epoch of its weights, why the fit ended, and warnings."""

    mlp: MLP
    history: tuple[EpochRecord, ...]
    best_epoch: int
    stopped: str
    warnings: tuple[str, ...]


def fit(
    mlp: MLP,
    X: ArrayLike,
    y: ArrayLike,
    options: FitOptions,
    *,
    rng: np.random.Generator,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[int, float] | None = None,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    metrics: Mapping[str, Metric] = MappingProxyType({}),
    metrics_every: int = 1,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    keep: Keep | None = None,
    resume: State | None = None,
) -> FitResult:
    """Fit a copy of a network to inputs X, (rows, inputs), and targets y.

    ``y`` is (rows, outputs); (rows,) too for one output, and for class codes with the categorical cross-entropy. Rows
    count by ``sample_weight``, (rows,), times the ``class_weight`` of their class (the column of the largest target;
    for one output the target rounded), scaled to a mean of one. ``metrics`` are computed every ``metrics_every``
    epochs and at the last. ``rng`` shuffles and drops; the same generator state gives the same bits.

    ``keep`` may ask after every epoch for the state of the fit: nested dicts of arrays, numbers, words and lists. The
    same call with such a state as ``resume`` goes on from there, to the same bits as if it had never ended.

    Raises ShapeError and ValueError for data or options that do not fit, DivergenceError when the loss leaves the
    finite numbers.
    """
    data = training_rows(mlp, options.loss, X, y, sample_weight=sample_weight, class_weight=class_weight)
    return fit_parts(
        mlp,
        data,
        options,
        rng=rng,
        validation=validation,
        metrics=metrics,
        metrics_every=metrics_every,
        on_epoch=on_epoch,
        keep=keep,
        resume=resume,
    )


def fit_parts(
    mlp: MLP,
    data: Rows | Parts,
    options: FitOptions,
    *,
    rng: np.random.Generator,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    metrics: Mapping[str, Metric] = MappingProxyType({}),
    metrics_every: int = 1,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    keep: Keep | None = None,
    resume: State | None = None,
) -> FitResult:
    """Fit as `fit` does, to rows that were checked before or that come in parts."""
    watched = dict(metrics)
    if validation is not None:
        watched["validation_loss"] = _validation_loss(training_rows(mlp, options.loss, *validation), options.loss)
    _check_monitor(options.stopping, watched)
    course = _Course(Trainer(mlp, options, rng), data, _Watched(watched, metrics_every))
    if resume is not None:
        course.restore(resume)
    course.run(on_epoch, keep)
    return course.result()


@dataclass(frozen=True)
class _Watched:
    metrics: Mapping[str, Metric]
    every: int

    def values(self, mlp: MLP, epoch: int, *, is_last: bool) -> dict[str, float]:
        """Return the validation loss of each epoch and the other metrics of every few."""
        is_due = is_last or epoch % self.every == 0
        return {name: metric(mlp) for name, metric in self.metrics.items() if is_due or name == "validation_loss"}


class _Course:
    """A fit under way: what each epoch leaves behind for the next and for the result."""

    def __init__(self, trainer: Trainer, data: Rows | Parts, watched: _Watched) -> None:
        stopping = trainer.options.stopping
        self._trainer = trainer
        self._data = data
        self._watched = watched
        self._watch = None if stopping is None else Watch(stopping, trainer.mlp.parameters.flat)
        sample = data.X if isinstance(data, Rows) else data.sample
        self._health = Health(trainer.mlp, trainer.gradients, sample)
        self._history: list[EpochRecord] = []
        self._stopped: str | None = None
        self._start = time.perf_counter()

    def run(self, on_epoch: Callable[[EpochRecord], None] | None, keep: Keep | None) -> None:
        """Run the epochs that are left."""
        while not self._is_over:
            record = self._epoch(len(self._history) + 1)
            if on_epoch is not None:
                on_epoch(record)
            self._judge(record)
            if keep is not None:
                keep(record, self.state, is_last=self._is_over)

    def result(self) -> FitResult:
        """Put the best weights back where they are watched, and say how it went."""
        watch, epochs = self._watch, len(self._history)
        if watch is not None:
            watch.put_back()
        best = watch.best_epoch if watch is not None and watch.best_epoch else epochs
        stopped = self._stopped or ("the one epoch is done" if epochs == 1 else f"all {epochs} epochs are done")
        return FitResult(self._trainer.mlp, tuple(self._history), best, stopped, self._health.warnings())

    def state(self) -> State:
        """Return copies of everything that is not in the arguments of `fit`."""
        return {
            "trainer": self._trainer.checkpoint(),
            "watch": None if self._watch is None else self._watch.state(),
            "health": self._health.state(),
            "history": _columns(self._history),
            "stopped": self._stopped,
        }

    def restore(self, state: State) -> None:
        """Be where another fit with the same arguments was."""
        self._trainer.resume(state["trainer"])
        if self._watch is not None:
            self._watch.restore(state["watch"])
        self._health.restore(state["health"])
        self._history = list(_records(state["history"]))
        self._stopped = state["stopped"]
        for record in self._history:
            self._observe(record)
        self._start -= self._history[-1].seconds

    @property
    def _is_over(self) -> bool:
        return self._stopped is not None or len(self._history) == self._trainer.options.epochs

    def _epoch(self, epoch: int) -> EpochRecord:
        """Run one epoch and compute what is watched."""
        trainer = self._trainer
        loss = _advance(trainer, self._data)
        check_loss(loss, epoch=epoch, rate=trainer.rate)
        self._stopped = trainer.finished
        is_last = epoch == trainer.options.epochs or self._stopped is not None
        values = MappingProxyType(self._watched.values(trainer.mlp, epoch, is_last=is_last))
        record = EpochRecord(epoch, loss, trainer.rate, time.perf_counter() - self._start, values)
        self._history.append(record)
        return record

    def _judge(self, record: EpochRecord) -> None:
        """Let the schedule, the health and the stopping see an epoch."""
        self._health.observe(record.epoch)
        self._observe(record)
        if self._watch is not None:
            self._stopped = self._watch.observe(record.epoch, {"loss": record.loss, **record.metrics}) or self._stopped

    def _observe(self, record: EpochRecord) -> None:
        self._trainer.observe(record.metrics.get("validation_loss", record.loss))


def _advance(trainer: Trainer, data: Rows | Parts) -> float:
    """Run one epoch and return the mean loss of its rows."""
    if isinstance(data, Rows):
        return trainer.epoch(data)
    total = 0.0
    for part, rows in enumerate(data.of_epoch(trainer.epochs)):
        total += trainer.epoch(rows, part=part, parts=data.count) * len(rows)
        if not math.isfinite(total):
            break
    return total / len(data)


def _columns(history: Iterable[EpochRecord]) -> State:
    """Return the records as arrays, (epochs,), and each metric as the epochs it was computed in and its values."""
    rows = [(record.loss, record.learning_rate, record.seconds) for record in history]
    metrics: dict[str, list[tuple[float, float]]] = {}
    for record in history:
        for name, value in record.metrics.items():
            metrics.setdefault(name, []).append((record.epoch, value))
    return {"epochs": np.array(rows), "metrics": {name: np.array(values) for name, values in metrics.items()}}


def _records(columns: State) -> Iterable[EpochRecord]:
    """Return the records of `_columns`."""
    metrics: dict[int, dict[str, float]] = {}
    for name, values in columns["metrics"].items():
        for epoch, value in values.tolist():
            metrics.setdefault(int(epoch), {})[name] = value
    for epoch, (loss, rate, seconds) in enumerate(columns["epochs"].tolist(), 1):
        yield EpochRecord(epoch, loss, rate, seconds, MappingProxyType(metrics.get(epoch, {})))


def _validation_loss(data: Rows, loss: Loss) -> Metric:
    scratch = np.empty_like(data.Y)

    def metric(mlp: MLP) -> float:
        P = mlp.infer(data.X) if loss.link is None else mlp.logits(data.X)
        with np.errstate(over="ignore", invalid="ignore"):
            return float(loss.rows(P, data.Y, scratch).mean())

    return metric


def _check_monitor(stopping: EarlyStopping | None, metrics: Mapping[str, Metric]) -> None:
    known = ["loss", *metrics]
    if stopping is not None and stopping.monitor not in known:
        raise ValueError(f"monitor: expected one of {', '.join(known)}, found {stopping.monitor!r}")
