"""The cost of a row, from ten thousand to ten million of them: shuffled epochs of 20-50-1, Adam, batches of 256.

``python -m benchmarks.rows`` needs 2 GB of memory. Every number of rows has its turn in every round.
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
ROUNDS = 5


class Fit:
    """A fit of some rows that goes on from one measurement to the next."""

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        rng = np.random.default_rng(0)
        architecture = Architecture(INPUTS, (Layer(50), Layer(1, "identity")))
        mlp = MLP.initialized(architecture, INITIALIZERS["he_normal"](), rng=rng)
        self.trainer = Trainer(mlp, FitOptions(LOSSES["half_squared"](), Adam(), batch_size=256), rng)
        self.data = training_rows(mlp, self.trainer.options.loss, X, y)
        self.trainer.epoch(self.data)

    def ns_a_row(self) -> float:
        """Return the nanoseconds of processor time that an epoch takes for each row."""
        epochs = max(1, SEEN // len(self.data))
        start = time.process_time_ns()
        for _ in range(epochs):
            self.trainer.epoch(self.data)
        return (time.process_time_ns() - start) / (epochs * len(self.data))


def main() -> None:
    """Print the median for each number of rows, and how many times that of the smallest it is, round by round."""
    X = np.random.default_rng(0).standard_normal((max(COUNTS), INPUTS), dtype=np.float32)
    y = X[:, 0] * X[:, 1]
    with threadpool_limits(1):
        fits = [Fit(X[:rows], y[:rows]) for rows in COUNTS]
        rounds = [[fit.ns_a_row() for fit in fits] for _ in range(ROUNDS)]
    for index, rows in enumerate(COUNTS):
        taken = statistics.median(row[index] for row in rounds)
        ratio = statistics.median(row[index] / row[0] for row in rounds)
        print(f"{rows:>12,} rows: {taken:6.0f} ns a row, {ratio:.2f}x")


if __name__ == "__main__":
    main()
