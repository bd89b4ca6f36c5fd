"""An ensemble of five beside five fits one after the other: the same rows, batches and epochs, float32, Adam.

``python -m benchmarks.ensembles`` takes both in turn and prints medians.
"""

import statistics
import time

import numpy as np
from threadpoolctl import threadpool_limits

from network import INITIALIZERS, LOSSES, MLP, Adam, Architecture, FitOptions, Layer, fit

MEMBERS = 5
ROUNDS = 7
TASKS = (
    ((8, 50, 5, 1), 20_640, 256, 5),
    ((8, 64, 64, 1), 20_640, 128, 3),
    ((500, 128, 128, 1), 8_000, 128, 2),
)
"""Sizes of the network, rows, rows a batch, epochs."""


def seconds(sizes: tuple[int, ...], rows: int, batch: int, epochs: int, members: int) -> float:
    """Return the processor time of a fit."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, sizes[0]), dtype=np.float32)
    layers = (*(Layer(units) for units in sizes[1:-1]), Layer(sizes[-1], "identity"))
    mlp = MLP.initialized(Architecture(sizes[0], layers, members), INITIALIZERS["he_normal"](), rng=rng)
    options = FitOptions(LOSSES["half_squared"](), Adam(), epochs=epochs, batch_size=batch)
    start = time.process_time()
    fit(mlp, X, X[:, 0], options, rng=rng)
    return time.process_time() - start


def main() -> None:
    """Print both times and their ratio, the median of each round's."""
    for sizes, rows, batch, epochs in TASKS:
        task = sizes, rows, batch, epochs
        with threadpool_limits(1):
            rounds = [(seconds(*task, MEMBERS), sum(seconds(*task, 1) for _ in range(MEMBERS))) for _ in range(ROUNDS)]
        together, alone = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(one / both for both, one in rounds)
        print(f"{'-'.join(map(str, sizes)):<14} together {together:.3f} s, one by one {alone:.3f} s: {ratio:.2f}x")


if __name__ == "__main__":
    main()
