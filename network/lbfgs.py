"""L-BFGS: a quasi-Newton method for full batches of small networks."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network.checks import at_least, positive
from network.optimizers import Evaluate, Stepper
from network.parameters import Parameters

__all__ = ["LBFGS"]

Vector = NDArray[np.float64]

SUFFICIENT = 1e-4
CURVATURE = 0.9
TRIALS = 30


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS (Nocedal and Wright, 2006, algorithms 7.4 and 7.5), one iteration an epoch.

    The line search brackets a step of the weak Wolfe conditions by doubling and bisection (Lewis and Overton, 2013,
    algorithm 2.6). It ends when no entry of the gradient is above ``tolerance``, when no step lowers the loss, or
    after ``max_evaluations`` of the loss.
    """

    learning_rate: float = 1.0
    memory: int = 10
    tolerance: float = 1e-6
    max_evaluations: int | None = None

    def __post_init__(self) -> None:
        positive(learning_rate=self.learning_rate)
        at_least(1, memory=self.memory)
        at_least(0, tolerance=self.tolerance)
        if self.max_evaluations is not None:
            at_least(1, max_evaluations=self.max_evaluations)

    def start(self, parameters: Parameters, gradients: Parameters) -> Stepper:
        """Begin with no memory of earlier steps."""
        return _QuasiNewton(self, parameters, gradients)


class _QuasiNewton:
    """The last pairs of steps and gradient changes, in float64 whatever the parameters are kept in."""

    def __init__(self, options: LBFGS, parameters: Parameters, gradients: Parameters) -> None:
        self.finished: str | None = None
        self.has_converged = False
        self._options = options
        self._theta = parameters.flat
        self._gradient = gradients.flat
        self._pairs: deque[tuple[Vector, Vector, float]] = deque(maxlen=options.memory)
        self._loss: float | None = None
        self._evaluations = 0

    def step(self, evaluate: Evaluate, rate: float) -> float:
        """Search along the quasi-Newton direction and return the loss that was reached."""
        if self._loss is None:
            self._evaluations += 1
            self._loss = evaluate()
        loss = self._loss
        if self._is_spent():
            return loss
        point, gradient = self._here()
        if np.abs(gradient).max() <= self._options.tolerance:
            self.finished = f"no entry of the gradient is above {self._options.tolerance:g}"
            self.has_converged = True
            return loss
        reached = self._search(evaluate, loss, point, gradient, rate)
        if reached is None and self._pairs and self.finished is None:
            self._pairs.clear()
            reached = self._search(evaluate, loss, point, gradient, rate)
        if reached is None:
            self.has_converged = self.finished is None
            self.finished = self.finished or "no step lowers the loss any further"
            reached = loss
        self._loss = reached
        return reached

    def _is_spent(self) -> bool:
        """Note when there are no evaluations left."""
        if self._evaluations == self._options.max_evaluations:
            self.finished = f"the loss was evaluated {self._evaluations} times"
        return self.finished is not None

    def state(self) -> dict[str, Any]:
        """Return the loss and gradient of the present point, the pairs, (pairs, parameters) each, and the counters."""
        empty = np.empty((0, self._theta.size))
        return {
            "gradient": self._gradient.copy(),
            "steps": np.array([s for s, _, _ in self._pairs]) if self._pairs else empty,
            "changes": np.array([y for _, y, _ in self._pairs]) if self._pairs else empty,
            "curvatures": [curvature for _, _, curvature in self._pairs],
            "loss": self._loss,
            "evaluations": self._evaluations,
            "finished": self.finished,
            "has_converged": self.has_converged,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with the same data; what is known of the curvature holds for no other."""
        np.copyto(self._gradient, state["gradient"])
        self._pairs.clear()
        self._pairs.extend(zip(state["steps"], state["changes"], state["curvatures"], strict=True))
        self._loss, self._evaluations = state["loss"], state["evaluations"]
        self.finished, self.has_converged = state["finished"], state["has_converged"]

    def _here(self) -> tuple[Vector, Vector]:
        return self._theta.astype(np.float64), self._gradient.astype(np.float64)

    def _direction(self, gradient: Vector) -> Vector:
        """Apply the two-loop recursion to the gradient."""
        direction = -gradient
        shares: list[float] = []
        for s, y, curvature in reversed(self._pairs):
            share = float(s @ direction) / curvature
            direction -= share * y
            shares.append(share)
        if self._pairs:
            _, y, curvature = self._pairs[-1]
            direction *= curvature / float(y @ y)
        else:
            direction /= max(1.0, float(np.linalg.norm(gradient)))
        for (s, y, curvature), share in zip(self._pairs, reversed(shares), strict=True):
            direction += (share - float(y @ direction) / curvature) * s
        return direction

    def _search(self, evaluate: Evaluate, loss: float, point: Vector, gradient: Vector, rate: float) -> float | None:
        """Move to a step of the weak Wolfe conditions and return its loss; stay and return None without one."""
        direction = self._direction(gradient)
        slope = float(gradient @ direction)
        low, high, size = 0.0, np.inf, rate
        for _ in range(TRIALS):
            if self._is_spent():
                break
            self._theta[:] = point + size * direction
            self._evaluations += 1
            reached = evaluate()
            if not reached <= loss + SUFFICIENT * size * slope:
                high = size
            elif float(self._gradient.astype(np.float64) @ direction) < CURVATURE * slope:
                low = size
            else:
                self._remember(point, gradient)
                return reached
            size = (low + high) / 2 if high < np.inf else 2 * low
        self._theta[:] = point
        self._gradient[:] = gradient
        return None

    def _remember(self, point: Vector, gradient: Vector) -> None:
        s, y = (after - before for after, before in zip(self._here(), (point, gradient), strict=True))
        if (curvature := float(s @ y)) > 0:
            self._pairs.append((s, y, curvature))
