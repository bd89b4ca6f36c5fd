"""Fitting: epochs with a record of each, until they are done or something says to stop."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from network.health import Health, check_loss
from network.losses import Loss
from network.mlp import MLP
from network.options import FitOptions
from network.passes import Rows
from network.stopping import EarlyStopping, Watch
from network.trainer import Trainer, training_rows

__all__ = ["EpochRecord", "FitResult", "fit"]

Metric = Callable[[MLP], float]


@dataclass(frozen=True)
class EpochRecord:
    """One epoch, counted from 1: the mean loss of its batches, the rate it ended with, seconds since the start."""

    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    metrics: Mapping[str, float]


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
) -> FitResult:
    """Fit a copy of a network to inputs X, (rows, inputs), and targets y.

    ``y`` is (rows, outputs); (rows,) too for one output, and for class codes with the categorical cross-entropy. Rows
    count by ``sample_weight``, (rows,), times the ``class_weight`` of their class (the column of the largest target;
    for one output the target rounded), scaled to a mean of one. ``metrics`` are computed every ``metrics_every``
    epochs and at the last. ``rng`` shuffles and drops; the same generator state gives the same bits.

    Raises ShapeError and ValueError for data or options that do not fit, DivergenceError when the loss leaves the
    finite numbers.
    """
    data = training_rows(mlp, options.loss, X, y, sample_weight=sample_weight, class_weight=class_weight)
    watched = dict(metrics)
    if validation is not None:
        watched["validation_loss"] = _validation_loss(training_rows(mlp, options.loss, *validation), options.loss)
    _check_monitor(options.stopping, watched)
    return _run(Trainer(mlp, options, rng), data, _Watched(watched, metrics_every), on_epoch)


@dataclass(frozen=True)
class _Watched:
    metrics: Mapping[str, Metric]
    every: int

    def values(self, mlp: MLP, epoch: int, *, is_last: bool) -> dict[str, float]:
        """Return the validation loss of each epoch and the other metrics of every few."""
        is_due = is_last or epoch % self.every == 0
        return {name: metric(mlp) for name, metric in self.metrics.items() if is_due or name == "validation_loss"}


def _run(trainer: Trainer, data: Rows, watched: _Watched, on_epoch: Callable[[EpochRecord], None] | None) -> FitResult:
    """Run the epochs."""
    options = trainer.options
    watch = None if options.stopping is None else Watch(options.stopping, trainer.mlp.parameters.flat)
    health = Health(trainer.mlp, trainer.gradients, data.X)
    history: list[EpochRecord] = []
    stopped: str | None = None
    start = time.perf_counter()
    for epoch in range(1, options.epochs + 1):
        loss = trainer.epoch(data)
        check_loss(loss, epoch=epoch, rate=trainer.rate)
        stopped = trainer.finished
        values = watched.values(trainer.mlp, epoch, is_last=epoch == options.epochs or stopped is not None)
        record = EpochRecord(epoch, loss, trainer.rate, time.perf_counter() - start, MappingProxyType(values))
        history.append(record)
        if on_epoch is not None:
            on_epoch(record)
        health.observe(epoch)
        trainer.observe(values.get("validation_loss", loss))
        if watch is not None:
            stopped = watch.observe(epoch, {"loss": loss, **values}) or stopped
        if stopped is not None:
            break
    if watch is not None:
        watch.restore()
    best = watch.best_epoch if watch is not None and watch.best_epoch else len(history)
    stopped = stopped or f"all {options.epochs} epochs are done"
    return FitResult(trainer.mlp, tuple(history), best, stopped, health.warnings())


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
