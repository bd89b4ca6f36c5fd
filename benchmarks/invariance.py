"""What it costs that a row's answer has the same bits in every batch: networks with that promise and without.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.invariance

Processor time of one answer in microseconds, the least of several rounds in turn. ``OPENBLAS_CORETYPE=Haswell`` asks
OpenBLAS for its kernels for processors with AVX2.
"""

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from network import INITIALIZERS, MLP, Architecture, Layer

SHAPES = ((8, 64, 64, 3), (200, 200, 200, 3), (784, 512, 512, 10))
ROWS = (1, 2, 32, 100, 1000, 1024)
ROUNDS = 9
BUDGET_S = 0.005


def main() -> int:
    """Measure and print a Markdown table; return 0."""
    print("| network | rows | with the promise, us | without, us | ratio |")
    print("|---|---:|---:|---:|---:|")
    for sizes in SHAPES:
        promised = network_of(sizes, batch_invariant=True)
        plain = network_of(sizes, batch_invariant=False)
        for rows in ROWS:
            X = np.random.default_rng(1).standard_normal((rows, sizes[0]), dtype=np.float32)
            with_us, without_us = least_us(partial(promised.infer, X), partial(plain.infer, X))
            name = "-".join(map(str, sizes))
            print(f"| {name} | {rows:,} | {with_us:,.1f} | {without_us:,.1f} | {with_us / without_us:.2f} |")
    return 0


def network_of(sizes: tuple[int, ...], *, batch_invariant: bool) -> MLP:
    """Return a classifier of these layers with random weights, as a loaded model has them."""
    layers = tuple(Layer(units, "relu" if i < len(sizes) - 2 else "softmax") for i, units in enumerate(sizes[1:]))
    architecture = Architecture(sizes[0], layers)
    drawn = MLP.initialized(architecture, INITIALIZERS["he_normal"](), rng=np.random.default_rng(0))
    return MLP(architecture, drawn.parameters.read_only(), batch_invariant)


def least_us(*functions: Callable[[], object]) -> list[float]:
    """Return the least microseconds of processor time of a call of each, measured in turn."""
    least = [float("inf")] * len(functions)
    counts = [max(1, int(BUDGET_S / _seconds(function, 1))) for function in functions]
    for _ in range(ROUNDS):
        for index, function in enumerate(functions):
            least[index] = min(least[index], _seconds(function, counts[index]))
    return [1e6 * seconds for seconds in least]


def _seconds(function: Callable[[], object], count: int) -> float:
    function()
    began = time.thread_time()
    for _ in range(count):
        function()
    return max((time.thread_time() - began) / count, 1e-7)


if __name__ == "__main__":
    sys.exit(main())
