"""How the weights begin. Every initializer draws from the generator that it is given; biases begin at zero."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["INITIALIZERS", "Initializer"]

Matrix = NDArray[np.float64]


class Initializer(Protocol):
    """A distribution for a weight matrix of (fan_in, fan_out)."""

    def draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> Matrix:
        """Return float64 weights of the shape."""


@dataclass(frozen=True)
class Normal:
    """Independent normal weights of standard deviation ``sigma``."""

    sigma: float = 0.01

    def draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> Matrix:
        """Draw N(0, sigma^2)."""
        return rng.normal(0.0, self.sigma, shape)


@dataclass(frozen=True)
class Uniform:
    """Independent weights, uniform on [low, high)."""

    low: float = -1.0
    high: float = 1.0

    def draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> Matrix:
        """Draw U(low, high)."""
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class HeNormal:
    """N(0, 2 / fan_in) (He et al., 2015, eq. 10)."""

    def draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> Matrix:
        """Draw normal weights that keep the variance through rectifiers."""
        return rng.normal(0.0, (2 / shape[0]) ** 0.5, shape)


@dataclass(frozen=True)
class HeUniform:
    """U(-r, r) with r = sqrt(6 / fan_in), the uniform law of He's variance."""

    def draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> Matrix:
        """Draw uniform weights that keep the variance through rectifiers."""
        bound = (6 / shape[0]) ** 0.5
        return rng.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class GlorotNormal:
    """N(0, 2 / (fan_in + fan_out)) (Glorot and Bengio, 2010, eq. 12)."""

    def draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> Matrix:
        """Draw normal weights that balance both passes."""
        return rng.normal(0.0, (2 / sum(shape)) ** 0.5, shape)


@dataclass(frozen=True)
class GlorotUniform:
    """U(-r, r) with r = sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010, eq. 16)."""

    def draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> Matrix:
        """Draw uniform weights that balance both passes."""
        bound = (6 / sum(shape)) ** 0.5
        return rng.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class Zeros:
    """All zeros: for a single linear layer, or to see why symmetry must be broken."""

    def draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> Matrix:
        """Return zeros."""
        return np.zeros(shape)


INITIALIZERS: dict[str, type[Initializer]] = {
    "normal": Normal,
    "uniform": Uniform,
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "glorot_normal": GlorotNormal,
    "glorot_uniform": GlorotUniform,
    "zeros": Zeros,
}
