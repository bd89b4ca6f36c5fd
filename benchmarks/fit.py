"""Fits beside scikit-learn, PyTorch and JAX: the same data, network, epochs, batches and optimizer, float32, one core.

``python -m benchmarks.fit`` interleaves all that are installed in one process, a round of each at a time, and prints
the medians; ``python -m benchmarks.fit A C`` takes these tasks alone. The limit is the time that the matrix products
of the same steps take alone.
"""

import os
import statistics
import sys
import time
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

import training
from benchmarks.peers import PEERS, Fit
from network import INITIALIZERS, LOSSES, MLP, SGD, Adam, Architecture, FitOptions, Layer, Optimizer, fit
from training.compiled import CompiledAdam, is_available

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
    Task("C: 4-100-20-3, 120 rows, full batch, 1,000 epochs, SGD", (4, 100, 20, 3), 120, 120, 1000, "sgd", 0.01),
    Task("A: 8-50-5-1, 20,640 rows, batch 256, 20 epochs, Adam", (8, 50, 5, 1), 20_640, 256, 20, "adam", 1e-3),
    Task(
        "B: 784-512-512-10, 20,000 rows, batch 128, 2 epochs, Adam", (784, 512, 512, 10), 20_000, 128, 2, "adam", 1e-3
    ),
)


def ours(task: Task, X: np.ndarray, y: np.ndarray) -> None:
    """Fit with this project's network."""
    _fit_network(task, X, y, RULES[task.optimizer](learning_rate=task.learning_rate))


def compiled(task: Task, X: np.ndarray, y: np.ndarray) -> None:
    """Fit with this project's network and the optimizer compiled, where it can be."""
    rule = RULES[task.optimizer](learning_rate=task.learning_rate)
    _fit_network(task, X, y, CompiledAdam(rule) if isinstance(rule, Adam) else rule)


def _fit_network(task: Task, X: np.ndarray, y: np.ndarray, optimizer: Optimizer) -> None:
    rng = np.random.default_rng(0)
    hidden = (Layer(units) for units in task.sizes[1:-1])
    last = Layer(task.sizes[-1], "softmax" if task.is_classes else "identity")
    mlp = MLP.initialized(Architecture(task.sizes[0], (*hidden, last)), INITIALIZERS["glorot_uniform"](), rng=rng)
    loss = LOSSES["categorical_cross_entropy" if task.is_classes else "half_squared"]()
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
    """Make only the matrix products of the same steps, with rows first or last: whichever is faster."""
    steps = task.epochs * round(len(X) / task.batch)
    calls = _products(task, rows_last=_is_faster_with_rows_last(task))
    for _step in range(steps):
        for A, B, out in calls:
            np.dot(A, B, out)


@cache
def _is_faster_with_rows_last(task: Task) -> bool:
    def seconds(calls: list[tuple[np.ndarray, ...]]) -> float:
        start = time.perf_counter()
        for _ in range(max(5, int(2e8 // (task.batch * task.sizes[0] * task.sizes[1])))):
            for A, B, out in calls:
                np.dot(A, B, out)
        return time.perf_counter() - start

    first, last = _products(task, rows_last=False), _products(task, rows_last=True)
    rounds = [(seconds(first), seconds(last)) for _ in range(7)]
    return min(last for _, last in rounds) < min(first for first, _ in rounds)


def _products(task: Task, *, rows_last: bool) -> list[tuple[np.ndarray, ...]]:
    """Return the operands and the result of each product of one step."""
    rng = np.random.default_rng(0)
    shapes = [(units, task.batch) if rows_last else (task.batch, units) for units in task.sizes]
    A, dZ = ([rng.standard_normal(shape, dtype=np.float32) for shape in shapes] for _ in range(2))
    W = [rng.standard_normal(shape, dtype=np.float32) for shape in zip(task.sizes, task.sizes[1:], strict=False)]
    calls: list[tuple[np.ndarray, ...]] = []
    for i, weights in enumerate(W):
        operands = (weights.T, A[i]) if rows_last else (A[i], weights)
        calls.append((*operands, np.empty_like(A[i + 1])))
    for i in reversed(range(len(W))):
        operands = (A[i], dZ[i + 1].T) if rows_last else (A[i].T, dZ[i + 1])
        calls.append((*operands, np.empty_like(W[i])))
        if i:
            operands = (W[i], dZ[i + 1]) if rows_last else (dZ[i + 1], W[i].T)
            calls.append((*operands, np.empty_like(A[i])))
    return calls


def timed(run: Fit, task: Task, X: np.ndarray, y: np.ndarray) -> float:
    """Return the seconds of one run, less those in which the machine did other things than this process."""
    start, busy = time.perf_counter(), time.process_time()
    run(task, X, y)
    return min(time.perf_counter() - start, time.process_time() - busy)


RUNS: dict[str, Fit] = {
    "network": ours,
    **({"compiled": compiled} if is_available() else {}),
    "drop-in": drop_in,
    "sklearn": theirs,
    **PEERS,
    "products": products,
}


def measured(task: Task) -> list[dict[str, float]]:
    """Return the seconds of everybody in each round, after one round that nobody counts: it compiles and warms up."""
    X, y = task.data()
    with threadpool_limits(1):
        rounds = [{name: timed(run, task, X, y) for name, run in RUNS.items()} for _ in range(ROUNDS + 1)]
    return rounds[1:]


def main() -> None:
    """Print the median seconds of everybody, and how many times those of the network they are, round by round."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core, whatever a library thinks of threads
    print(f"{'':<56}" + "".join(f"{name:>10}" for name in RUNS))
    for task in (task for task in TASKS if task.name[0] in (sys.argv[1:] or "ABC")):
        rounds = measured(task)
        seconds = [statistics.median(row[name] for row in rounds) for name in RUNS]
        ratios = [statistics.median(row[name] / row["network"] for row in rounds) for name in RUNS]
        print(f"{task.name:<56}" + "".join(f"{value:>9.3f}s" for value in seconds))
        print(
            f"{'':<56}" + "".join(f"{value:>9.2f}x" for value in ratios[:-1]) + f"   {1 / ratios[-1]:.2f}x of the limit"
        )


if __name__ == "__main__":
    main()
