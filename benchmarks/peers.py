"""The same fits by PyTorch and JAX, where they are installed: eager with plain and fused Adam; jit over lax.scan."""

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

__all__ = ["PEERS", "Fit"]

Array = np.ndarray
Fit = Callable[[Any, Array, Array], None]


def torch_plain(task: Any, X: Array, y: Array) -> None:
    """Fit with PyTorch's optimizer as it comes."""
    _torch(task, X, y, fused=False)


def torch_fused(task: Any, X: Array, y: Array) -> None:
    """Fit with PyTorch's optimizer in one kernel."""
    _torch(task, X, y, fused=True)


def _torch(task: Any, X: Array, y: Array, *, fused: bool) -> None:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers: list[Any] = []
    for fan_in, fan_out in zip(task.sizes, task.sizes[1:], strict=False):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1])
    kind = torch.optim.Adam if task.optimizer == "adam" else torch.optim.SGD
    optimizer = kind(network.parameters(), lr=task.learning_rate, fused=fused)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y if task.is_classes else y[:, None])
    loss = torch.nn.CrossEntropyLoss() if task.is_classes else torch.nn.MSELoss()
    for _ in range(task.epochs):
        for rows in [slice(None)] if task.batch == task.rows else torch.randperm(task.rows).split(task.batch):
            optimizer.zero_grad()
            value = loss(network(inputs[rows]), targets[rows])
            value.backward()
            optimizer.step()


def jax_scan(task: Any, X: Array, y: Array) -> None:
    """Fit with JAX, an epoch being one compiled scan over its batches; the last, smaller batch is left out."""
    jax = importlib.import_module("jax")
    epoch, start = _compiled(task)
    carried = start()
    key = jax.random.PRNGKey(0)
    for _ in range(task.epochs):
        key, own = jax.random.split(key)
        carried = epoch(carried, X, y, own)
    jax.block_until_ready(carried)


@cache
def _compiled(task: Any) -> tuple[Callable[..., Any], Callable[[], Any]]:
    """Return the compiled epoch and what makes the first weights, with Adam's moments."""
    jax = importlib.import_module("jax")
    jnp, tree = jax.numpy, jax.tree
    steps = max(1, task.rows // task.batch)

    def value(parameters: Any, X: Any, y: Any) -> Any:
        A = X
        for W, b in parameters[:-1]:
            A = jnp.maximum(A @ W + b, 0)
        Z = A @ parameters[-1][0] + parameters[-1][1]
        if task.is_classes:
            return -jnp.take_along_axis(jax.nn.log_softmax(Z), y[:, None], axis=1).mean()
        return 0.5 * ((Z[:, 0] - y) ** 2).mean()

    def step(carried: Any, batch: Any) -> Any:
        parameters, m, v, count = carried
        g = jax.grad(value)(parameters, *batch)
        count = count + 1
        if task.optimizer == "sgd":
            return (tree.map(lambda p, d: p - task.learning_rate * d, parameters, g), m, v, count), None
        m = tree.map(lambda a, d: 0.9 * a + 0.1 * d, m, g)
        v = tree.map(lambda a, d: 0.999 * a + 0.001 * d * d, v, g)
        size, spread = task.learning_rate / (1 - 0.9**count), (1 - 0.999**count) ** 0.5
        moved = tree.map(lambda p, a, b: p - size * a / (jnp.sqrt(b) / spread + 1e-8), parameters, m, v)
        return (moved, m, v, count), None

    def epoch(carried: Any, X: Any, y: Any, key: Any) -> Any:
        if steps == 1:
            return step(carried, (X, y))[0]
        order = jax.random.permutation(key, task.rows)[: steps * task.batch].reshape(steps, task.batch)
        return jax.lax.scan(lambda carried, rows: step(carried, (X[rows], y[rows])), carried, order)[0]

    def start() -> Any:
        rng = np.random.default_rng(0)
        shapes = zip(task.sizes, task.sizes[1:], strict=False)
        parameters = [
            (rng.normal(0, (2 / i) ** 0.5, (i, o)).astype(np.float32), np.zeros(o, np.float32)) for i, o in shapes
        ]
        zeros = tree.map(np.zeros_like, parameters)
        return parameters, zeros, zeros, np.float32(0)

    return jax.jit(epoch), start


PEERS: dict[str, Fit] = {
    **({"torch": torch_plain, "fused": torch_fused} if importlib.util.find_spec("torch") else {}),
    **({"jax": jax_scan} if importlib.util.find_spec("jax") else {}),
}
"""Those of the peers that are installed."""
