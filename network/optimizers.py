"""First-order optimizers: a handful of operations on flat vectors, whatever the depth of the network.

An optimizer is a frozen set of options; ``start`` binds it to the parameters and gradients of one fit and returns
the ``Stepper`` that holds its state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from network.checks import at_least, between, positive
from network.parameters import Parameters
from network.tape import BLOCK, Tape, aligned, blocks

__all__ = ["SGD", "Adam", "AdamW", "Evaluate", "Moments", "Momentum", "Nesterov", "Optimizer", "RMSProp", "Stepper"]

Vector = NDArray[np.floating]
Evaluate = Callable[[], float]

FLUSH = 256
"""Steps after which what has come too close to zero is made zero; part of what a seed means, if only just."""


class Stepper(Protocol):
    """An optimizer at work on the parameters of one fit, in place."""

    @property
    def finished(self) -> str | None:
        """Why no further step can be taken or is worth while, or None."""

    @property
    def has_converged(self) -> bool:
        """Whether no further step is worth while."""

    def step(self, evaluate: Evaluate, rate: float) -> float:
        """Call ``evaluate`` for the loss (it leaves the gradients in place), move, and return the loss."""

    def state(self) -> dict[str, Any]:
        """Return copies of what is remembered between steps, by name."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what another stepper of the same options did."""


class Optimizer(Protocol):
    """The options of an optimizer."""

    @property
    def learning_rate(self) -> float:
        """The size of a step before any schedule."""

    def start(self, parameters: Parameters, gradients: Parameters) -> Stepper:
        """Bind to the vectors of one fit; the state begins at zero."""


class _FirstOrder:
    """A stepper that moves once by each gradient and remembers a vector for each of ``names``.

    What it does to a block of the vectors is a tape; the numbers that change from step to step are arrays of no axes.
    What is remembered of a gradient that stays zero - a unit that is never active - decays to subnormal numbers, and
    would stay among them; as processors take a hundred times as long over these, they are made zero now and then.
    """

    finished: str | None = None
    has_converged = False

    def __init__(self, parameters: Parameters, gradients: Parameters, *names: str) -> None:
        self.steps = 0
        self.vectors = {name: aligned(parameters.flat.size, parameters.dtype) for name in names}
        self.rate = np.zeros((), parameters.dtype)
        self._blocks = list(zip(*map(blocks, (parameters.flat, gradients.flat, *self.vectors.values())), strict=True))
        self._tape, self._flush = Tape(), Tape()

    def record(self, block: Callable[..., None]) -> None:
        """Write down ``block``'s operations on each block of theta, g and the remembered vectors."""
        for vectors in self._blocks:
            block(*vectors, self._tape)
            _, g, *remembered = vectors
            for vector in remembered:
                _flush(vector, g, self._flush)

    def step(self, evaluate: Evaluate, rate: float) -> float:
        loss = evaluate()
        self.steps += 1
        self.prepare(rate)
        self._tape.play()
        if self.steps % FLUSH == 0:
            self._flush.play()
        return loss

    def prepare(self, rate: float) -> None:
        """Set the numbers of this step."""
        self.rate[()] = rate

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, **{name: vector.copy() for name, vector in self.vectors.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.steps = state["steps"]
        for name, vector in self.vectors.items():
            np.copyto(vector, state[name])


def _flush(vector: Vector, scratch: Vector, do: Tape) -> None:
    """Write down what makes subnormal numbers zero: bits are multiplied by whether there is one in the exponent."""
    unsigned = np.dtype(f"u{vector.dtype.itemsize}")
    bits, exponent = vector.view(unsigned), scratch.view(unsigned)
    do(np.left_shift, bits, 1, out=exponent)
    do(np.right_shift, exponent, np.finfo(vector.dtype).nmant + 1, out=exponent)
    do(np.minimum, exponent, 1, out=exponent)
    do(np.multiply, bits, exponent, out=bits)


@dataclass(frozen=True)
class SGD:
    """Gradient descent: theta -= rate g (Robbins and Monro, 1951)."""

    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        positive(learning_rate=self.learning_rate)

    def start(self, parameters: Parameters, gradients: Parameters) -> Stepper:
        """Bind; there is no state."""
        return _Descent(parameters, gradients)


class _Descent(_FirstOrder):
    def __init__(self, parameters: Parameters, gradients: Parameters) -> None:
        super().__init__(parameters, gradients)
        self.record(self._block)

    def _block(self, theta: Vector, g: Vector, do: Tape) -> None:
        do(np.multiply, g, self.rate, out=g)
        do(np.subtract, theta, g, out=theta)


@dataclass(frozen=True)
class Momentum:
    """Heavy ball: v = momentum v - rate g; theta += v (Polyak, 1964; Sutskever et al., 2013, eq. 1-2)."""

    learning_rate: float = 0.01
    momentum: float = 0.9

    def __post_init__(self) -> None:
        positive(learning_rate=self.learning_rate)
        between(0, 1, momentum=self.momentum)

    def start(self, parameters: Parameters, gradients: Parameters) -> Stepper:
        """Begin at rest."""
        return _Rolling(parameters, gradients, self.momentum, looks_ahead=False)


@dataclass(frozen=True)
class Nesterov:
    """Nesterov's momentum, evaluated at the point looked ahead to (Sutskever et al., 2013, eq. 3-4).

    Written for the shifted parameters, so that one evaluation serves: v = momentum v - rate g;
    theta += momentum v - rate g.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    def __post_init__(self) -> None:
        positive(learning_rate=self.learning_rate)
        between(0, 1, momentum=self.momentum)

    def start(self, parameters: Parameters, gradients: Parameters) -> Stepper:
        """Begin at rest."""
        return _Rolling(parameters, gradients, self.momentum, looks_ahead=True)


class _Rolling(_FirstOrder):
    def __init__(self, parameters: Parameters, gradients: Parameters, momentum: float, *, looks_ahead: bool) -> None:
        super().__init__(parameters, gradients, "velocity")
        self._momentum = momentum
        self._looks_ahead = looks_ahead
        self.record(self._block)

    def _block(self, theta: Vector, g: Vector, v: Vector, do: Tape) -> None:
        do(np.multiply, g, self.rate, out=g)
        do(np.multiply, v, self._momentum, out=v)
        do(np.subtract, v, g, out=v)
        if self._looks_ahead:
            do(np.subtract, theta, g, out=theta)
            do(np.multiply, v, self._momentum, out=g)
            do(np.add, theta, g, out=theta)
        else:
            do(np.add, theta, v, out=theta)


@dataclass(frozen=True)
class RMSProp:
    """v = decay v + (1 - decay) g^2; theta -= rate g / (sqrt(v) + epsilon) (Tieleman and Hinton, 2012, lecture 6e)."""

    learning_rate: float = 0.001
    decay: float = 0.9
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        positive(learning_rate=self.learning_rate, epsilon=self.epsilon)
        between(0, 1, decay=self.decay)

    def start(self, parameters: Parameters, gradients: Parameters) -> Stepper:
        """Begin with a mean square of zero."""
        return _RootMeanSquare(self, parameters, gradients)


class _RootMeanSquare(_FirstOrder):
    def __init__(self, options: RMSProp, parameters: Parameters, gradients: Parameters) -> None:
        super().__init__(parameters, gradients, "mean_square")
        self._options = options
        self._scratch = aligned(min(BLOCK, parameters.flat.size), parameters.dtype)
        self.record(self._block)

    def _block(self, theta: Vector, g: Vector, v: Vector, do: Tape) -> None:
        options, scratch = self._options, self._scratch[: g.size]
        do(np.multiply, g, g, out=scratch)
        do(np.multiply, scratch, 1 - options.decay, out=scratch)
        do(np.multiply, v, options.decay, out=v)
        do(np.add, v, scratch, out=v)
        do(np.sqrt, v, out=scratch)
        do(np.add, scratch, options.epsilon, out=scratch)
        do(np.multiply, g, self.rate, out=g)
        do(np.divide, g, scratch, out=g)
        do(np.subtract, theta, g, out=theta)


@dataclass(frozen=True)
class Adam:
    """Adam with bias correction (Kingma and Ba, 2015, algorithm 1)."""

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        positive(learning_rate=self.learning_rate, epsilon=self.epsilon)
        between(0, 1, beta_1=self.beta_1, beta_2=self.beta_2)

    def start(self, parameters: Parameters, gradients: Parameters) -> Stepper:
        """Begin with moments of zero."""
        return Moments(self, parameters, gradients)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled decay of the weights, biases left out (Loshchilov and Hutter, 2019, algorithm 2)."""

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, weight_decay=self.weight_decay)


class Moments(_FirstOrder):
    """Adam at work: both moments divided by (1 - beta), which saves a pass over each; two scalars make up for it."""

    def __init__(self, options: Adam, parameters: Parameters, gradients: Parameters) -> None:
        super().__init__(parameters, gradients, "first_moment", "second_moment")
        self.options = options
        self.epsilon, self._kept = np.ones_like(self.rate), np.ones_like(self.rate)
        self._weight_decay = options.weight_decay if isinstance(options, AdamW) else 0.0
        self._decay = Tape()
        for W in parameters.weights() if self._weight_decay else []:
            self._decay(np.multiply, W, self._kept, out=W)
        self.record(self.block)

    def prepare(self, rate: float) -> None:
        """Let the weights decay, and correct the bias of both moments in the size of the step."""
        options = self.options
        self._kept[()] = 1 - rate * self._weight_decay
        self._decay.play()
        spread = ((1 - options.beta_2) / (1 - options.beta_2**self.steps)) ** 0.5
        self.rate[()] = rate * (1 - options.beta_1) / (1 - options.beta_1**self.steps) / spread
        self.epsilon[()] = options.epsilon / spread

    def block(self, theta: Vector, g: Vector, m: Vector, v: Vector, do: Tape) -> None:
        """Write down what moves a block; g may be used up. A faster way to the same bits overrides this."""
        options = self.options
        do(np.multiply, m, options.beta_1, out=m)
        do(np.add, m, g, out=m)
        do(np.multiply, g, g, out=g)
        do(np.multiply, v, options.beta_2, out=v)
        do(np.add, v, g, out=v)
        do(np.sqrt, v, out=g)
        do(np.add, g, self.epsilon, out=g)
        do(np.divide, m, g, out=g)
        do(np.multiply, g, self.rate, out=g)
        do(np.subtract, theta, g, out=theta)
