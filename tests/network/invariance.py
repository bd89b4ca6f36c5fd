"""Networks of many shapes, and how to tell whether a row's bits depend on the rows that it arrives with.

``python -m tests.network.invariance`` tries some shapes with the kernels that the environment asks for.
"""

import sys

import numpy as np

from network import ACTIVATIONS, MLP, Layer
from tests.network.networks import Matrix, mlp

HIDDEN = [name for name in ACTIVATIONS if name != "exp"]


def network_of(sizes: list[int], kinds: tuple[str, str], members: int, dtype: type, *, is_loaded: bool = True) -> MLP:
    """A network of these widths with a hidden and a last activation; with parameters that do not change, if loaded."""
    hidden, last = kinds
    layers = [Layer(units, hidden) for units in sizes[1:-1]]
    network = mlp(*layers, Layer(sizes[-1], last), inputs=sizes[0], members=members, dtype=dtype)
    return MLP(network.architecture, network.parameters.read_only()) if is_loaded else network


def rows_for(network: MLP, rows: int) -> Matrix:
    X: Matrix = np.random.default_rng(rows).normal(size=(rows, network.architecture.inputs))
    return X.astype(network.parameters.dtype)


def is_invariant(network: MLP, rows: int, start: int, stop: int) -> bool:
    """Whether all rows, some of them, the first of these alone and all in another order have the same bits."""
    X = rows_for(network, rows)
    order = np.random.default_rng(start).permutation(rows)
    for answered in (network.infer, network.logits):
        whole = answered(X)
        some = answered(X[start:stop]).tobytes() == whole[start:stop].tobytes()
        alone = answered(X[start : start + 1]).tobytes() == whole[start : start + 1].tobytes()
        turned = answered(X[order]).tobytes() == whole[order].tobytes()
        if not (some and alone and turned):
            return False
    return True


def main() -> int:
    """Print the shapes whose rows differ; return how many there are."""
    wrong = 0
    for sizes in ([8, 64, 64, 3], [784, 512, 10], [300, 300, 1], [500, 200, 50], [30, 100, 17], [64, 16]):
        for dtype in (np.float32, np.float64):
            network = network_of(sizes, ("relu", "identity"), 1, dtype)
            if not all(is_invariant(network, rows, rows // 3, rows // 2) for rows in (3, 13, 40, 150, 500)):
                wrong += 1
                sys.stdout.write(f"{sizes} {dtype.__name__}\n")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
