"""Activation functions: one small frozen value each, with a forward and a backward pass.

``forward(Z, out)`` writes the activation of Z into ``out`` (both (rows, units); ``out`` may be Z itself unless
``keeps_input``). ``backward(dA, Z, A)`` turns the gradient by A into the gradient by Z, in place in ``dA``; it is the
last to need Z and A and may use them as scratch.
"""

import math
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating]

__all__ = ["ACTIVATIONS", "Activation"]


class Activation(Protocol):
    """An elementwise or row-wise function with its derivative."""

    keeps_input: ClassVar[bool]

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Write the activation of Z, (rows, units), into ``out``."""

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Turn dA into dZ in place; what is in Z and A afterwards is undefined."""


class Identity:
    """A = Z."""

    keeps_input: ClassVar[bool] = False

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Copy Z where ``out`` is another array."""
        if out is not Z:
            np.copyto(out, Z)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Leave dA as it is: the derivative is one."""


class ReLU:
    """A = max(Z, 0) (Nair and Hinton, 2010); the derivative at 0 is taken as 0."""

    keeps_input: ClassVar[bool] = False

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Keep the positive part."""
        np.maximum(Z, 0, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Pass the gradient where the unit was active."""
        np.multiply(dA, A > 0, out=dA)


class LeakyReLU:
    """A = Z where Z > 0, else 0.01 Z (Maas et al., 2013)."""

    keeps_input: ClassVar[bool] = False
    slope: ClassVar[float] = 0.01

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Take the larger of Z and its small multiple."""
        np.maximum(Z, Z * Z.dtype.type(self.slope), out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Scale the gradient by the slope where the unit was inactive."""
        np.multiply(dA, self.slope, out=dA, where=A <= 0)


class ELU:
    """A = Z where Z > 0, else exp(Z) - 1 (Clevert et al., 2016, eq. 16 with alpha 1)."""

    keeps_input: ClassVar[bool] = False

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Use expm1 of the negative part, which cannot overflow."""
        negative = np.expm1(np.minimum(Z, 0))
        np.maximum(Z, 0, out=out)
        out += negative

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Use that the derivative is A + 1 where Z is negative, else 1."""
        np.minimum(A, 0, out=A)
        A += 1
        dA *= A


class GELU:
    """A = Z Phi(Z) with the tanh approximation of Phi (Hendrycks and Gimpel, 2016, section 2)."""

    keeps_input: ClassVar[bool] = True
    _root: ClassVar[float] = math.sqrt(2 / math.pi)
    _cubic: ClassVar[float] = 0.044715

    def _tanh(self, Z: Matrix) -> Matrix:
        T = Z * Z
        T *= self._cubic
        T += 1
        T *= Z
        T *= self._root
        return np.tanh(T, out=T)

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Compute Z (1 + tanh u) / 2 with u = sqrt(2/pi) (Z + 0.044715 Z^3)."""
        T = self._tanh(Z)
        T += 1
        T *= 0.5
        np.multiply(Z, T, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Differentiate the product."""
        T = self._tanh(Z)
        slope = 0.5 * (1 + T) + 0.5 * Z * (1 - T * T) * (self._root * (1 + 3 * self._cubic * Z * Z))
        dA *= slope


class SiLU:
    """A = Z sigmoid(Z) (Elfwing et al., 2018; swish with beta 1 in Ramachandran et al., 2017)."""

    keeps_input: ClassVar[bool] = True

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Multiply Z by its sigmoid."""
        np.multiply(Z, sigmoid(Z), out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Use that the derivative is S (1 + Z (1 - S))."""
        S = sigmoid(Z, out=A)
        Z *= 1 - S
        Z += 1
        Z *= S
        dA *= Z


class Mish:
    """A = Z tanh(softplus(Z)) (Misra, 2019, eq. 1)."""

    keeps_input: ClassVar[bool] = True

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Use logaddexp for a softplus that cannot overflow."""
        np.multiply(Z, np.tanh(np.logaddexp(Z, Z.dtype.type(0))), out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Use that the derivative is T + Z (1 - T^2) sigmoid(Z)."""
        T = np.tanh(np.logaddexp(Z, Z.dtype.type(0)))
        dA *= T + Z * (1 - T * T) * sigmoid(Z)


class Tanh:
    """A = tanh(Z)."""

    keeps_input: ClassVar[bool] = False

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Apply the hyperbolic tangent."""
        np.tanh(Z, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Use that the derivative is 1 - A^2."""
        np.multiply(A, A, out=A)
        np.subtract(1, A, out=A)
        dA *= A


class Sigmoid:
    """A = 1 / (1 + exp(-Z))."""

    keeps_input: ClassVar[bool] = False

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Apply the logistic function."""
        sigmoid(Z, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Use that the derivative is A (1 - A)."""
        dA *= A
        np.subtract(1, A, out=A)
        dA *= A


class Softmax:
    """A = exp(Z) / sum exp(Z) over each row (Bridle, 1990), shifted by the row's maximum."""

    keeps_input: ClassVar[bool] = False

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Normalise the exponentials of each row."""
        np.subtract(Z, np.maximum.reduce(Z, axis=-1, keepdims=True), out=out)
        np.exp(out, out=out)
        np.divide(out, np.add.reduce(out, axis=-1, keepdims=True), out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Apply the Jacobian diag(A) - A A^T of each row."""
        dA -= np.einsum("ij,ij->i", dA, A)[:, None]
        dA *= A


class Exp:
    """A = exp(Z): the inverse of the log link, for counts and rates."""

    keeps_input: ClassVar[bool] = False

    def forward(self, Z: Matrix, out: Matrix) -> None:
        """Exponentiate; what is too large for the type becomes an infinity."""
        np.exp(Z, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix) -> None:
        """Use that the derivative is A."""
        dA *= A


def sigmoid(Z: Matrix, out: Matrix | None = None) -> Matrix:
    """Return the logistic function by tanh, which cannot overflow: (1 + tanh(Z / 2)) / 2."""
    out = np.multiply(Z, Z.dtype.type(0.5), out=out)
    np.tanh(out, out=out)
    out += 1
    out *= 0.5
    return out


ACTIVATIONS: dict[str, Activation] = {
    "relu": ReLU(),
    "leaky_relu": LeakyReLU(),
    "elu": ELU(),
    "gelu": GELU(),
    "silu": SiLU(),
    "mish": Mish(),
    "tanh": Tanh(),
    "sigmoid": Sigmoid(),
    "softmax": Softmax(),
    "identity": Identity(),
    "exp": Exp(),
}
