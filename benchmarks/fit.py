"""Fits beside scikit-learn's MLP: the same data, network, epochs, batches and optimizer, float32, one thread.

``python -m benchmarks.fit`` interleaves both in one process, a round of each at a time, and prints the medians. The
limit is the time that the matrix products of the same steps take alone.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

import training
from network import INITIALIZERS, LOSSES, MLP, SGD, Adam, Architecture, FitOptions, Layer, fit

ROUNDS = 7
RULES = {"sgd": SGD, "adam": Adam}


@dataclass(frozen=True)
class Task:
    """A network of ``sizes`` (inputs, hidden ..., outputs) over random rows."""

    name: str
    sizes: tuple[int, ...]
    rows: int
    batch: int
    epochs: int
    optimizer: str
    learning_rate: float

    @property
    def is_classes(self) -> bool:
        """More than one output means classes."""
        return self.sizes[-1] > 1

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Draw inputs and targets that depend on them."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.rows, self.sizes[0]), dtype=np.float32)
        signal = X @ rng.standard_normal((self.sizes[0], self.sizes[-1])).astype(np.float32)
        return X, signal.argmax(axis=1) if self.is_classes else signal[:, 0] / signal.std()


TASKS = (
    Task("4-100-20-3, 120 rows, full batch, 1,000 epochs, SGD", (4, 100, 20, 3), 120, 120, 1000, "sgd", 0.01),
    Task("8-50-5-1, 20,640 rows, batch 256, 20 epochs, Adam", (8, 50, 5, 1), 20_640, 256, 20, "adam", 1e-3),
    Task("784-512-512-10, 20,000 rows, batch 128, 2 epochs, Adam", (784, 512, 512, 10), 20_000, 128, 2, "adam", 1e-3),
)


def ours(task: Task, X: np.ndarray, y: np.ndarray) -> None:
    """Fit with this project's network."""
    rng = np.random.default_rng(0)
    hidden = (Layer(units) for units in task.sizes[1:-1])
    last = Layer(task.sizes[-1], "softmax" if task.is_classes else "identity")
    mlp = MLP.initialized(Architecture(task.sizes[0], (*hidden, last)), INITIALIZERS["glorot_uniform"](), rng=rng)
    loss = LOSSES["categorical_cross_entropy" if task.is_classes else "half_squared"]()
    optimizer = RULES[task.optimizer](learning_rate=task.learning_rate)
    batch = None if task.batch == task.rows else task.batch
    result = fit(mlp, X, y, FitOptions(loss, optimizer, epochs=task.epochs, batch_size=batch), rng=rng)
    if len(result.history) != task.epochs:
        raise SystemExit(f"{task.name}: stopped after {len(result.history)} epochs: {result.stopped}")


def drop_in(task: Task, X: np.ndarray, y: np.ndarray) -> None:
    """Fit with this project's estimator of scikit-learn's interface."""
    _fit_estimator(training.MLPClassifier if task.is_classes else training.MLPRegressor, task, X, y)


def theirs(task: Task, X: np.ndarray, y: np.ndarray) -> None:
    """Fit with scikit-learn's estimator."""
    _fit_estimator(MLPClassifier if task.is_classes else MLPRegressor, task, X, y)


def _fit_estimator(kind: Any, task: Task, X: np.ndarray, y: np.ndarray) -> None:
    """Fit with nothing that could end it early."""
    estimator = kind(
        hidden_layer_sizes=task.sizes[1:-1],
        solver=task.optimizer,
        batch_size=task.batch,
        learning_rate_init=task.learning_rate,
        momentum=0.0,
        alpha=0.0,
        max_iter=task.epochs,
        tol=0.0,
        n_iter_no_change=task.epochs,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y)
    if estimator.n_iter_ != task.epochs:
        raise SystemExit(f"{task.name}: {kind.__module__} stopped after {estimator.n_iter_} epochs")


def products(task: Task, X: np.ndarray, _: np.ndarray) -> None:
    """Make only the matrix products of the same steps."""
    A = [np.ones((task.batch, units), np.float32) for units in task.sizes]
    W = [np.ones(shape, np.float32) for shape in zip(task.sizes, task.sizes[1:], strict=False)]
    Z, dW = [np.empty_like(a) for a in A], [np.empty_like(weights) for weights in W]
    for _step in range(task.epochs * round(len(X) / task.batch)):
        for i, weights in enumerate(W):
            np.dot(A[i], weights, out=Z[i + 1])
        for i in reversed(range(len(W))):
            np.dot(A[i].T, A[i + 1], out=dW[i])
            if i:
                np.dot(A[i + 1], W[i].T, out=Z[i])


def timed(run: Callable[[Task, np.ndarray, np.ndarray], None], task: Task, X: np.ndarray, y: np.ndarray) -> float:
    """Return the seconds of one run."""
    start = time.perf_counter()
    run(task, X, y)
    return time.perf_counter() - start


def main() -> None:
    """Print one row a task; ratios are the medians of each round's."""
    print(f"{'task':<56} {'network':>8} {'drop-in':>8} {'sklearn':>8} {'products':>8} {'ratios':>12} {'of limit':>8}")
    for task in TASKS:
        X, y = task.data()
        with threadpool_limits(1):
            rounds = [[timed(run, task, X, y) for run in (ours, drop_in, theirs, products)] for _ in range(ROUNDS)]
        mine, estimator, other, limit = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = [statistics.median(row[2] / row[place] for row in rounds) for place in (0, 1)]
        print(
            f"{task.name:<56} {mine:7.3f}s {estimator:7.3f}s {other:7.3f}s {limit:7.3f}s "
            f"{ratios[0]:5.2f}x{ratios[1]:5.2f}x {mine / limit:7.2f}x"
        )


if __name__ == "__main__":
    main()
