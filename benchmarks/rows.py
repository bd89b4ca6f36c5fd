"""The cost of a row, from ten thousand to ten million of them: shuffled epochs of 20-50-1, Adam, batches of 256.

``python -m benchmarks.rows`` needs 2 GB of memory.
"""

import statistics
import time

import numpy as np
from threadpoolctl import threadpool_limits

from network import INITIALIZERS, LOSSES, MLP, Adam, Architecture, FitOptions, Layer, Trainer, training_rows

COUNTS = (10_000, 100_000, 1_000_000, 10_000_000)
INPUTS = 20
SEEN = 2_000_000
"""Rows that a measurement sees at least."""
ROUNDS = 3


def seconds_a_row(X: np.ndarray, y: np.ndarray) -> list[float]:
    """Return the seconds of processor time that epochs over the rows take for each row, round by round."""
    rng = np.random.default_rng(0)
    architecture = Architecture(INPUTS, (Layer(50), Layer(1, "identity")))
    mlp = MLP.initialized(architecture, INITIALIZERS["he_normal"](), rng=rng)
    trainer = Trainer(mlp, FitOptions(LOSSES["half_squared"](), Adam(), batch_size=256), rng)
    data = training_rows(mlp, trainer.options.loss, X, y)
    trainer.epoch(data)
    epochs = max(1, SEEN // len(X))
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(epochs):
            trainer.epoch(data)
        found.append((time.process_time() - start) / (epochs * len(X)))
    return found


def main() -> None:
    """Print the median for each number of rows."""
    X = np.random.default_rng(0).standard_normal((max(COUNTS), INPUTS), dtype=np.float32)
    y = X[:, 0] * X[:, 1]
    with threadpool_limits(1):
        for rows in COUNTS:
            print(f"{rows:>12,} rows: {1e9 * statistics.median(seconds_a_row(X[:rows], y[:rows])):6.0f} ns a row")


if __name__ == "__main__":
    main()
