"""A network on the move: its optimizer's state and its buffers, one epoch at a time."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from network.errors import ShapeError
from network.lbfgs import LBFGS
from network.losses import Loss, targets
from network.mlp import MLP
from network.options import FitOptions
from network.passes import Batch, Passes, Rows, check_link

__all__ = ["Trainer", "training_rows"]

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
        check_link(mlp.architecture, options.loss)
        if isinstance(options.optimizer, LBFGS) and any(layer.dropout for layer in mlp.architecture.layers):
            raise ValueError("dropout: lbfgs needs a loss that is the same at every evaluation")
        self.options = options
        self.mlp = MLP(mlp.architecture, mlp.parameters.copy())
        self.gradients = self.mlp.parameters.like()
        self.rate = options.optimizer.learning_rate
        self.epochs = 0
        self._rng = rng
        weights = self.mlp.parameters.weights()
        self._weights = list(zip(weights, self.gradients.weights(), strict=True))
        self._stepper = options.optimizer.start(self.mlp.parameters, self.gradients)
        self._pace = options.schedule.start(options.epochs)
        self._data: Rows | None = None
        self._batches: dict[int, Batch] = {}

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
        if data is not self._data:
            self._data, self._batches = data, self._sizes(data)
        total = 0.0
        batches = list(self._shuffled(data))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for index, (batch, indices) in enumerate(batches):
                if indices is not None:
                    data.gather(indices, batch.data)
                self.rate = self.options.optimizer.learning_rate * self._pace.factor(
                    self.epochs + (part + index / len(batches)) / parts
                )
                total += self._step(batch) * len(batch.data)
                if not np.isfinite(total):
                    break
        self.epochs += part + 1 == parts
        return total / len(data)

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

    def _step(self, batch: Batch) -> float:
        options = self.options
        if options.l2 or options.clip_norm is not None:
            return self._stepper.step(lambda: self._penalised(batch), self.rate)
        return self._stepper.step(batch.evaluate, self.rate)

    def _penalised(self, batch: Batch) -> float:
        """Evaluate with the penalty on the weights, then clip."""
        options = self.options
        loss = batch.evaluate()
        if options.l2:
            for W, dW in self._weights:
                loss += 0.5 * options.l2 * float(np.vdot(W, W))
                np.add(dW, options.l2 * W, out=dW)
        if options.clip_norm is not None:
            g = self.gradients.flat
            norm = float(np.vdot(g, g)) ** 0.5
            if norm > options.clip_norm:
                g *= options.clip_norm / norm
        return loss

    def _sizes(self, data: Rows) -> dict[int, Batch]:
        """Return the passes over batches of each size that occurs; the full batch is the data itself."""
        rows = len(data)
        size = min(self.options.batch_size or rows, rows)
        passes = Passes(self.mlp.architecture, self.mlp.parameters, self.gradients, size)
        if size == rows:
            return {rows: passes.batch(data, self.options.loss, self._rng)}
        room = data.room(size)
        return {
            count: passes.batch(room.first(count), self.options.loss, self._rng) for count in {size, rows % size} - {0}
        }

    def _shuffled(self, data: Rows) -> Iterator[tuple[Batch, NDArray[np.intp] | None]]:
        """Yield the batches of an epoch with the rows to gather into them, none for the full batch."""
        rows = len(data)
        if rows in self._batches:
            yield self._batches[rows], None
            return
        size = max(self._batches)
        order = self._rng.permutation(rows) if self.options.shuffle else np.arange(rows)
        for start in range(0, rows, size):
            indices = order[start : start + size]
            yield self._batches[len(indices)], indices


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
