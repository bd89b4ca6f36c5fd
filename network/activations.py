"""Activation functions: one small value each, with a forward and a backward pass.

``forward(Z, out)`` writes the activation of Z into ``out``: both (rows, units), or any parts of them where it
``is_elementwise``; ``out`` may be Z itself unless ``keeps_input``. ``backward(dA, Z, A)`` turns the gradient by A into
the gradient by Z, in place in ``dA``; it is the last to need Z and A and may use them as scratch. Both tell ``do`` each
operation, to be done `now` or written down on a `Tape`; what else they need is allocated there and then.
"""

import math
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from network.tape import Do, constant, copied, now

Matrix = NDArray[np.floating]

FEW, MANY = 8, 512
"""Columns under which, and numbers beyond which, NumPy reduces rows slower than columns are taken one by one."""
ZERO = np.zeros((), np.float32)
"""An array, which NumPy compares with in half the time of a Python number."""

__all__ = ["ACTIVATIONS", "Activation", "sigmoid"]


class Activation(Protocol):
    """An elementwise or row-wise function with its derivative."""

    keeps_input: ClassVar[bool]
    is_elementwise: ClassVar[bool]

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Write the activation of Z, (rows, units), into ``out``."""

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Turn dA into dZ in place; what is in Z and A afterwards is undefined."""

    def apply(self, Z: Matrix, out: Matrix) -> None:
        """Write the activation of Z into ``out`` now."""


class _Activation:
    """What most activations have in common."""

    keeps_input: ClassVar[bool] = False
    is_elementwise: ClassVar[bool] = True

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Write the activation of Z, (rows, units), into ``out``."""
        raise NotImplementedError

    def apply(self, Z: Matrix, out: Matrix) -> None:
        """Write the activation of Z into ``out`` now."""
        self.forward(Z, out, now)


class Identity(_Activation):
    """A = Z."""

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Copy Z where ``out`` is another array."""
        if out is not Z:
            do(copied, Z, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Leave dA as it is: the derivative is one."""


class ReLU(_Activation):
    """A = max(Z, 0) (Nair and Hinton, 2010); the derivative at 0 is taken as 0."""

    def apply(self, Z: Matrix, out: Matrix) -> None:
        """Keep the positive part, without the cost of a tape: it is what most networks answer with."""
        np.maximum(Z, ZERO, out=out)

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Keep the positive part."""
        do(np.maximum, Z, constant(0, Z), out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Pass the gradient where the unit was active: the bits of a positive number are an integer of 1 or more.

        A comparison would write booleans, and to multiply by those NumPy converts them through buffers that it
        allocates for each call.
        """
        unsigned = np.dtype(f"u{A.dtype.itemsize}")
        active, bits = A.view(unsigned), dA.view(unsigned)
        do(np.minimum, active, constant(1, active), out=active)
        do(np.multiply, bits, active, out=bits)


class LeakyReLU(_Activation):
    """A = Z where Z > 0, else 0.01 Z (Maas et al., 2013)."""

    slope: ClassVar[float] = 0.01

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Take the larger of Z and its small multiple."""
        small = np.empty_like(Z)
        do(np.multiply, Z, self.slope, out=small)
        do(np.maximum, Z, small, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Choose, bit by bit, the gradient where the unit was active and its small multiple elsewhere."""
        small = np.empty_like(dA)
        signed = np.dtype(f"i{A.dtype.itemsize}")
        mask, bits, other = A.view(signed), dA.view(signed), small.view(signed)
        do(np.negative, mask, out=mask)  # the sign bit of what was a positive number, which the shift spreads
        do(np.right_shift, mask, 8 * A.dtype.itemsize - 1, out=mask)
        do(np.multiply, dA, self.slope, out=small)
        do(np.bitwise_xor, bits, other, out=bits)
        do(np.bitwise_and, bits, mask, out=bits)
        do(np.bitwise_xor, bits, other, out=bits)


class ELU(_Activation):
    """A = Z where Z > 0, else exp(Z) - 1 (Clevert et al., 2016, eq. 16 with alpha 1)."""

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Use expm1 of the negative part, which cannot overflow."""
        negative = np.empty_like(Z)
        do(np.minimum, Z, 0, out=negative)
        do(np.expm1, negative, out=negative)
        do(np.maximum, Z, 0, out=out)
        do(np.add, out, negative, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Use that the derivative is A + 1 where Z is negative, else 1."""
        do(np.minimum, A, 0, out=A)
        do(np.add, A, 1, out=A)
        do(np.multiply, dA, A, out=dA)


class GELU(_Activation):
    """A = Z Phi(Z) with the tanh approximation of Phi (Hendrycks and Gimpel, 2016, section 2)."""

    keeps_input: ClassVar[bool] = True
    _root: ClassVar[float] = math.sqrt(2 / math.pi)
    _cubic: ClassVar[float] = 0.044715

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Compute Z (1 + tanh u) / 2 with u = sqrt(2/pi) (Z + 0.044715 Z^3)."""
        do(np.multiply, Z, Z, out=out)
        self._tanh(Z, out, do)
        do(np.add, out, 1, out=out)
        do(np.multiply, out, 0.5, out=out)
        do(np.multiply, out, Z, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Differentiate the product: (1 + T + Z (1 - T^2) u') / 2 with T = tanh u."""
        T = np.empty_like(Z)
        do(np.multiply, Z, Z, out=A)
        do(np.positive, A, out=T)
        self._tanh(Z, T, do)
        do(np.multiply, A, 3 * self._cubic, out=A)
        do(np.add, A, 1, out=A)
        do(np.multiply, A, self._root, out=A)
        do(np.multiply, A, Z, out=A)
        _one_minus_square(T, Z, do)
        do(np.multiply, A, Z, out=A)
        do(np.add, A, T, out=A)
        do(np.add, A, 1, out=A)
        do(np.multiply, A, 0.5, out=A)
        do(np.multiply, dA, A, out=dA)

    def _tanh(self, Z: Matrix, T: Matrix, do: Do) -> None:
        """Turn the square of Z into tanh u, in place in T."""
        do(np.multiply, T, self._cubic, out=T)
        do(np.add, T, 1, out=T)
        do(np.multiply, T, Z, out=T)
        do(np.multiply, T, self._root, out=T)
        do(np.tanh, T, out=T)


class SiLU(_Activation):
    """A = Z sigmoid(Z) (Elfwing et al., 2018; swish with beta 1 in Ramachandran et al., 2017)."""

    keeps_input: ClassVar[bool] = True

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Multiply Z by its sigmoid."""
        sigmoid(Z, out, do)
        do(np.multiply, out, Z, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Use that the derivative is S (1 + Z (1 - S))."""
        rest = np.empty_like(Z)
        sigmoid(Z, A, do)
        do(np.subtract, 1, A, out=rest)
        do(np.multiply, Z, rest, out=Z)
        do(np.add, Z, 1, out=Z)
        do(np.multiply, Z, A, out=Z)
        do(np.multiply, dA, Z, out=dA)


class Mish(_Activation):
    """A = Z tanh(softplus(Z)) (Misra, 2019, eq. 1)."""

    keeps_input: ClassVar[bool] = True

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Use logaddexp for a softplus that cannot overflow."""
        self._tanh(Z, out, do)
        do(np.multiply, out, Z, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Use that the derivative is T + Z (1 - T^2) sigmoid(Z)."""
        S = np.empty_like(Z)
        self._tanh(Z, A, do)
        sigmoid(Z, S, do)
        do(np.multiply, S, Z, out=S)
        _one_minus_square(A, Z, do)
        do(np.multiply, S, Z, out=S)
        do(np.add, S, A, out=S)
        do(np.multiply, dA, S, out=dA)

    def _tanh(self, Z: Matrix, T: Matrix, do: Do) -> None:
        do(np.logaddexp, Z, 0, out=T)
        do(np.tanh, T, out=T)


class Tanh(_Activation):
    """A = tanh(Z)."""

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Apply the hyperbolic tangent."""
        do(np.tanh, Z, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Use that the derivative is 1 - A^2."""
        _one_minus_square(A, A, do)
        do(np.multiply, dA, A, out=dA)


class Sigmoid(_Activation):
    """A = 1 / (1 + exp(-Z))."""

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Apply the logistic function."""
        sigmoid(Z, out, do)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Use that the derivative is A (1 - A)."""
        do(np.multiply, dA, A, out=dA)
        do(np.subtract, 1, A, out=A)
        do(np.multiply, dA, A, out=dA)


class Softmax(_Activation):
    """A = exp(Z) / sum exp(Z) over each row (Bridle, 1990), shifted by the row's maximum."""

    is_elementwise: ClassVar[bool] = False

    def apply(self, Z: Matrix, out: Matrix) -> None:
        """Normalise the exponentials of each row, without the cost of a tape."""
        if Z.size == Z.shape[-1]:
            _softmax_of(Z.reshape(-1), out.reshape(-1))
            return
        by_column = Z.shape[-1] < FEW and Z.size > MANY
        highest = _by_column(np.maximum, Z) if by_column else np.maximum.reduce(Z, axis=-1, keepdims=True)
        np.subtract(Z, highest, out=out)
        np.exp(out, out=out)
        total = _by_column(np.add, out) if by_column else np.add.reduce(out, axis=-1, keepdims=True)
        np.divide(out, total, out=out)

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Normalise the exponentials of each row."""
        column, whole = np.empty_like(Z[..., :1]), np.empty_like(Z)
        do(np.maximum.reduce, Z, out=column, axis=-1, keepdims=True)
        do(copied, column, out=whole)
        do(np.subtract, Z, whole, out=out)
        do(np.exp, out, out=out)
        do(np.add.reduce, out, out=column, axis=-1, keepdims=True)
        do(copied, column, out=whole)
        do(np.divide, out, whole, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Apply the Jacobian diag(A) - A A^T of each row."""
        products, column = np.empty_like(A), np.empty_like(A[..., :1])
        do(np.multiply, dA, A, out=products)
        do(np.add.reduce, products, out=column, axis=-1, keepdims=True)
        do(copied, column, out=products)
        do(np.subtract, dA, products, out=dA)
        do(np.multiply, dA, A, out=dA)


class Exp(_Activation):
    """A = exp(Z): the inverse of the log link, for counts and rates."""

    def forward(self, Z: Matrix, out: Matrix, do: Do) -> None:
        """Exponentiate; what is too large for the type becomes an infinity."""
        do(np.exp, Z, out=out)

    def backward(self, dA: Matrix, Z: Matrix, A: Matrix, do: Do) -> None:
        """Use that the derivative is A."""
        do(np.multiply, dA, A, out=dA)


def sigmoid(Z: Matrix, out: Matrix, do: Do) -> None:
    """Write the logistic function by tanh, which cannot overflow: (1 + tanh(Z / 2)) / 2."""
    do(np.multiply, Z, 0.5, out=out)
    do(np.tanh, out, out=out)
    do(np.add, out, 1, out=out)
    do(np.multiply, out, 0.5, out=out)


def _softmax_of(Z: Matrix, out: Matrix) -> None:
    """Do the same to the same bits for a single row, (units,): NumPy reduces a vector faster than one row of a matrix.

    ``out`` is a view of the result.
    """
    np.subtract(Z, np.maximum.reduce(Z), out=out)
    np.exp(out, out=out)
    np.divide(out, np.add.reduce(out), out=out)


def _by_column(operation: np.ufunc, Z: Matrix) -> Matrix:
    """Reduce rows to the bits that ``reduce`` gives: it takes fewer than eight numbers one after the other, too."""
    found = Z[..., :1].copy()
    for index in range(1, Z.shape[-1]):
        operation(found, Z[..., index : index + 1], out=found)
    return found


def _one_minus_square(T: Matrix, out: Matrix, do: Do) -> None:
    do(np.multiply, T, T, out=out)
    do(np.subtract, 1, out, out=out)


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
