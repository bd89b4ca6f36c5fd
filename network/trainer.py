"""A network on the move: its optimizer's state and its buffers, one epoch at a time."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from network.architecture import Architecture
from network.errors import ShapeError
from network.lbfgs import LBFGS
from network.losses import Loss, targets
from network.mlp import MLP
from network.optimizers import Evaluate
from network.options import FitOptions
from network.passes import Batch, Rows, check_link
from network.penalty import penalised
from network.shuffling import shuffle, write_in_order

__all__ = ["Trainer", "check_options", "training_rows"]

Matrix = NDArray[np.floating]
Vector = NDArray[np.floating]
State = dict[str, Any]


class Trainer:
    """Moves a copy of a network down a loss, for as many epochs and over whatever data the caller brings.

    ``mlp`` views the parameters that move, ``gradients`` holds those of the last step, ``rate`` is its learning rate,
    ``finished`` says why no further epoch is worth while. `fit` is a loop around this; so is an estimator that learns
    from one part of its data after another. Raises ValueError for options that do not fit the network.
    """

    def __init__(self, mlp: MLP, options: FitOptions, rng: np.random.Generator) -> None:
        check_options(mlp.architecture, options)
        self.options = options
        self.mlp = MLP(mlp.architecture, mlp.parameters.copy())
        self.gradients = self.mlp.parameters.like()
        self.rate = options.optimizer.learning_rate
        self.epochs = 0
        self._rng = rng
        self._stepper = options.optimizer.start(self.mlp.parameters, self.gradients)
        self._pace = options.schedule.start(options.epochs)
        self._order = np.empty(0, np.int64)
        self._data: Rows | None = None
        self._batches: dict[int, tuple[Batch, Evaluate]] = {}

    @property
    def finished(self) -> str | None:
        """Why no further epoch is worth while, or None."""
        return self._stepper.finished

    @property
    def has_converged(self) -> bool:
        """Whether the optimizer itself found an end; those of the first order never do."""
        return self._stepper.has_converged

    def epoch(self, data: Rows, *, part: int = 0, parts: int = 1) -> float:
        """Take one step for each batch of the data and return the mean loss of its rows.

        ``data`` may be one part of an epoch, counted from 0, where the whole does not fit into memory. A loss that is
        not finite ends the epoch there and is returned. Buffers are allocated when the data changes.
        """
        rows = len(data)
        size = min(self.options.batch_size or rows, rows)
        if data is not self._data or parts > 1:
            self._bind(data, size)
        if size < rows:
            self._shuffle()
        total, steps = 0.0, -(-rows // size)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for index in range(steps):
                start = index * size
                count = min(size, rows - start)
                batch, evaluate = self._batches[count]
                if count < rows:
                    batch.gather(data, self._order[start : start + count])
                now = self.epochs + (part + index / steps) / parts
                self.rate = self.options.optimizer.learning_rate * self._pace.factor(now)
                total += self._stepper.step(evaluate, self.rate) * count
                if not math.isfinite(total):
                    break
        self.epochs += part + 1 == parts
        return total / rows

    def observe(self, value: float) -> None:
        """Tell the schedule what the epoch ended with: the validation loss where there is one, else the loss."""
        self._pace.observe(value)

    def state(self) -> State:
        """Return what the optimizer remembers, by name: arrays and numbers of its own."""
        return {"epochs": self.epochs, **self._stepper.state()}

    def restore(self, state: State) -> None:
        """Take up where a trainer of the same options was when it gave this state."""
        self.epochs = state["epochs"]
        self._stepper.restore(state)

    def checkpoint(self) -> State:
        """Return all that the coming epochs depend on beside data and options: `state`, the parameters, the generator.

        What `observe` was told is the caller's to tell again.
        """
        return {
            "optimizer": self.state(),
            "parameters": self.mlp.parameters.flat.copy(),
            "rng": self._rng.bit_generator.state,
        }

    def resume(self, checkpoint: State) -> None:
        """Go on, to the same bits, where a trainer of the same network and options gave this checkpoint."""
        np.copyto(self.mlp.parameters.flat, checkpoint["parameters"])
        self.restore(checkpoint["optimizer"])
        self._rng.bit_generator.state = checkpoint["rng"]

    def _bind(self, data: Rows, size: int) -> None:
        """Have passes over batches of each size that occurs; the full batch is loaded here, once."""
        rows, before = len(data), self._batches
        is_alike = self._data is not None and (self._data.weight is None) == (data.weight is None)
        self._data = data
        self._batches = {
            count: before[count] if is_alike and count in before else self._passes(data, count)
            for count in {size, rows % size} - {0}
        }
        if size == rows:
            self._batches[rows][0].load(data)
        elif self._order.size != rows:
            self._order = np.empty(rows, np.int64)

    def _passes(self, data: Rows, count: int) -> tuple[Batch, Evaluate]:
        """Allocate the passes over batches of ``count`` rows."""
        mlp, gradients, options = self.mlp, self.gradients, self.options
        is_weighted = data.weight is not None
        batch = Batch(mlp, gradients, count, options.loss, is_weighted=is_weighted, rng=self._rng)
        return batch, penalised(batch.evaluate, mlp.parameters, gradients, l2=options.l2, clip_norm=options.clip_norm)

    def _shuffle(self) -> None:
        """Put the rows in a new order, or in their own."""
        if self.options.shuffle:
            shuffle(self._order, self._rng)
        else:
            write_in_order(self._order)


def check_options(architecture: Architecture, options: FitOptions) -> None:
    """Raise ValueError for options that do not fit a network."""
    check_link(architecture, options.loss)
    if not isinstance(options.optimizer, LBFGS):
        return
    if any(layer.dropout for layer in architecture.layers):
        raise ValueError("dropout: lbfgs needs a loss that is the same at every evaluation")
    if architecture.members > 1:
        raise ValueError("members: lbfgs searches along one line for all parameters; use adam for an ensemble")


def training_rows(
    mlp: MLP,
    loss: Loss,
    X: ArrayLike,
    y: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[int, float] | None = None,
) -> Rows:
    """Check data against a network and a loss, and return it in the network's type.

    X, y and the weights are what `fit` takes. Raises ShapeError and ValueError.
    """
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
