"""Fitting: epochs of batches of steps, with a record of each epoch."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from network.checks import at_least, positive
from network.errors import ShapeError
from network.health import Health, check_loss
from network.lbfgs import LBFGS
from network.losses import Loss, targets
from network.mlp import MLP
from network.optimizers import Optimizer
from network.passes import Batch, Passes, Rows, check_link
from network.schedules import Constant, Schedule
from network.stopping import EarlyStopping, Watch

__all__ = ["EpochRecord", "FitOptions", "FitResult", "fit"]

Matrix = NDArray[np.floating]
Vector = NDArray[np.floating]
Metric = Callable[[MLP], float]


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    ``batch_size`` None is the full batch and 1 one row at a time; the last batch of an epoch may be smaller. ``l2``
    adds l2 / 2 times the sum of squared weights to the loss; ``clip_norm`` scales a gradient down to that Euclidean
    norm (Pascanu et al., 2013, algorithm 1). ValueError for what cannot be.
    """

    loss: Loss
    optimizer: Optimizer
    schedule: Schedule = field(default_factory=Constant)
    epochs: int = 200
    batch_size: int | None = None
    shuffle: bool = True
    l2: float = 0.0
    clip_norm: float | None = None
    stopping: EarlyStopping | None = None

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs)
        at_least(0, l2=self.l2)
        if self.batch_size is not None:
            at_least(1, batch_size=self.batch_size)
            if isinstance(self.optimizer, LBFGS):
                raise ValueError("batch_size: lbfgs needs the full batch")
        if self.clip_norm is not None:
            positive(clip_norm=self.clip_norm)
            if isinstance(self.optimizer, LBFGS):
                raise ValueError("clip_norm: lbfgs needs the whole gradient")


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
    check_link(mlp.architecture, options.loss)
    if isinstance(options.optimizer, LBFGS) and any(layer.dropout for layer in mlp.architecture.layers):
        raise ValueError("dropout: lbfgs needs a loss that is the same at every evaluation")
    data = _rows(mlp, options.loss, X, y, sample_weight=sample_weight, class_weight=class_weight)
    watched = dict(metrics)
    if validation is not None:
        watched["validation_loss"] = _validation_loss(_rows(mlp, options.loss, *validation), options.loss)
    _check_monitor(options.stopping, watched)
    job = _Fit(mlp, data, options, rng)
    return job.run(_Watched(watched, metrics_every), on_epoch)


@dataclass(frozen=True)
class _Watched:
    metrics: Mapping[str, Metric]
    every: int

    def values(self, mlp: MLP, epoch: int, *, is_last: bool) -> dict[str, float]:
        """Return the validation loss of each epoch and the other metrics of every few."""
        is_due = is_last or epoch % self.every == 0
        return {name: metric(mlp) for name, metric in self.metrics.items() if is_due or name == "validation_loss"}


class _Fit:
    """One fit under way: the copy of the parameters that moves, and all buffers."""

    def __init__(self, mlp: MLP, data: Rows, options: FitOptions, rng: np.random.Generator) -> None:
        size = min(options.batch_size or len(data), len(data))
        self._options = options
        self._data = data
        self._rng = rng
        self._mlp = MLP(mlp.architecture, mlp.parameters.copy())
        self._parameters = self._mlp.parameters
        self._gradients = self._parameters.like()
        self._passes = Passes(mlp.architecture, self._parameters, self._gradients, size)
        self._batches = self._sizes(size)
        self._weights = list(zip(self._parameters.weights(), self._gradients.weights(), strict=True))
        self._stepper = options.optimizer.start(self._parameters, self._gradients)
        self._pace = options.schedule.start(options.epochs)
        self._health = Health(self._mlp, self._gradients, data.X)
        self._rate = options.optimizer.learning_rate

    def run(self, watched: _Watched, on_epoch: Callable[[EpochRecord], None] | None) -> FitResult:
        """Run the epochs."""
        options = self._options
        watch = None if options.stopping is None else Watch(options.stopping, self._parameters.flat)
        history: list[EpochRecord] = []
        stopped: str | None = None
        start = time.perf_counter()
        for epoch in range(1, options.epochs + 1):
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                loss = self._epoch(epoch)
            stopped = self._stepper.finished
            is_last = epoch == options.epochs or stopped is not None
            values = watched.values(self._mlp, epoch, is_last=is_last)
            record = EpochRecord(epoch, loss, self._rate, time.perf_counter() - start, MappingProxyType(values))
            history.append(record)
            if on_epoch is not None:
                on_epoch(record)
            self._health.observe(epoch)
            self._pace.observe(values.get("validation_loss", loss))
            if watch is not None:
                stopped = watch.observe(epoch, {"loss": loss, **values}) or stopped
            if stopped is not None:
                break
        if watch is not None:
            watch.restore()
        best = watch.best_epoch if watch is not None and watch.best_epoch else len(history)
        stopped = stopped or f"all {options.epochs} epochs are done"
        return FitResult(self._mlp, tuple(history), best, stopped, self._health.warnings())

    def _epoch(self, epoch: int) -> float:
        """Take one step for each batch and return the mean loss of the rows."""
        total = 0.0
        batches = list(self._shuffled())
        for index, (batch, indices) in enumerate(batches):
            if indices is not None:
                self._data.gather(indices, batch.data)
            self._rate = self._options.optimizer.learning_rate * self._pace.factor(epoch - 1 + index / len(batches))
            loss = self._step(batch)
            check_loss(loss, epoch=epoch, rate=self._rate)
            total += loss * len(batch.data)
        return total / len(self._data)

    def _step(self, batch: Batch) -> float:
        options = self._options
        if options.l2 or options.clip_norm is not None:
            return self._stepper.step(lambda: self._penalised(batch), self._rate)
        return self._stepper.step(batch.evaluate, self._rate)

    def _penalised(self, batch: Batch) -> float:
        """Evaluate with the penalty on the weights, then clip."""
        options = self._options
        loss = batch.evaluate()
        if options.l2:
            for W, dW in self._weights:
                loss += 0.5 * options.l2 * float(np.vdot(W, W))
                np.add(dW, options.l2 * W, out=dW)
        if options.clip_norm is not None:
            g = self._gradients.flat
            norm = float(np.vdot(g, g)) ** 0.5
            if norm > options.clip_norm:
                g *= options.clip_norm / norm
        return loss

    def _sizes(self, size: int) -> dict[int, Batch]:
        """Return the passes over batches of each size that occurs; the full batch is the data itself."""
        rows = len(self._data)
        if size == rows:
            return {rows: self._passes.batch(self._data, self._options.loss, self._rng)}
        room = self._data.room(size)
        return {
            count: self._passes.batch(room.first(count), self._options.loss, self._rng)
            for count in {size, rows % size} - {0}
        }

    def _shuffled(self) -> Iterator[tuple[Batch, NDArray[np.intp] | None]]:
        """Yield the batches of an epoch with the rows to gather into them, none for the full batch."""
        rows = len(self._data)
        if rows in self._batches:
            yield self._batches[rows], None
            return
        size = max(self._batches)
        order = self._rng.permutation(rows) if self._options.shuffle else np.arange(rows)
        for start in range(0, rows, size):
            indices = order[start : start + size]
            yield self._batches[len(indices)], indices


def _rows(
    mlp: MLP,
    loss: Loss,
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[int, float] | None = None,
) -> Rows:
    """Check data against a network and return it in the network's type."""
    inputs, outputs, dtype = mlp.architecture.inputs, mlp.architecture.outputs, mlp.parameters.dtype
    X = np.ascontiguousarray(X, dtype)
    if X.ndim != 2 or X.shape[1] != inputs or not len(X):  # noqa: PLR2004 - a matrix
        raise ShapeError("X", expected=f"(at least 1 row, {inputs})", actual=X.shape)
    if not np.isfinite(X).all():
        row, column = np.argwhere(~np.isfinite(X))[0].tolist()
        raise ValueError(f"X: expected finite numbers, found {X[row, column]} in row {row}, column {column}")
    Y = targets(loss, np.asarray(y), rows=len(X), outputs=outputs, dtype=dtype)
    return Rows(X, Y, _row_weights(Y, sample_weight, class_weight, dtype))


def _row_weights(
    Y: Matrix, sample_weight: ArrayLike | None, class_weight: Mapping[int, float] | None, dtype: np.dtype[Any]
) -> Vector | None:
    """Return how much each row counts, (rows,), with a mean of one; None when all count the same."""
    if sample_weight is None and class_weight is None:
        return None
    rows = len(Y)
    weight = np.ones(rows) if sample_weight is None else np.array(sample_weight, np.float64)
    if weight.shape != (rows,):
        raise ShapeError("sample_weight", expected=f"({rows},)", actual=weight.shape)
    if class_weight is not None:
        classes = Y.argmax(axis=1) if Y.shape[1] > 1 else np.rint(Y[:, 0]).astype(int)
        missing = sorted(set(classes.tolist()) - set(class_weight))
        if missing:
            raise ValueError(f"class_weight: no weight for class {missing[0]}")
        weight *= np.array([class_weight[code] for code in classes.tolist()])
    if not np.isfinite(weight).all() or weight.min() < 0 or weight.sum() <= 0:
        raise ValueError("weights: expected finite numbers of at least 0, not all of them 0")
    scaled: Vector = (weight * (rows / weight.sum())).astype(dtype)
    return scaled


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
