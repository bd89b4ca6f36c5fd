"""Losses: what a fit makes small. Each is a mean over the rows of a batch of a loss per row.

A loss sees ``P``: the logits when it has a ``link`` (the activation of the last layer that it is fused with, so that
nothing overflows and the gradient is a difference), otherwise the activations of the last layer. ``rows(P, Y, out)``
returns the loss of each row, (rows,), and writes the gradient of that row's loss by P into ``out``, (rows, outputs).
The losses here tell ``do`` each operation of that, so that a fit can write them down once and play them for every
batch; a loss of your own needs ``prepare`` and ``rows`` alone.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from network.activations import sigmoid
from network.checks import between, positive
from network.errors import ShapeError
from network.tape import Do, Tape, copied, now

__all__ = ["LOSSES", "Loss", "name_of", "record", "targets"]

Matrix = NDArray[np.floating]
Vector = NDArray[np.floating]


class Loss(Protocol):
    """A differentiable penalty of predictions ``P`` against targets ``Y``, both (rows, outputs)."""

    link: ClassVar[str | None]

    def prepare(self, Y: Matrix) -> Matrix:
        """Return the targets as ``rows`` wants them; ValueError when they are outside the loss's domain."""

    def rows(self, P: Matrix, Y: Matrix, out: Matrix) -> Vector:
        """Return the loss of each row and write its gradient by P into ``out``."""


class _ByOperations:
    """A loss that tells its operations one by one."""

    link: ClassVar[str | None] = None

    def prepare(self, Y: Matrix) -> Matrix:
        """Take every target."""
        return Y

    def compute(self, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, do: Do) -> None:
        """Write the loss of each row into ``losses``, (rows,), and its gradient by P into ``out``."""
        raise NotImplementedError

    def rows(self, P: Matrix, Y: Matrix, out: Matrix) -> Vector:
        """Return the loss of each row and write its gradient by P into ``out``."""
        losses: Vector = np.empty(len(P), P.dtype)
        self.compute(P, Y, out, losses, now)
        return losses


def record(loss: Loss, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, *, tape: Tape) -> None:
    """Write down on a tape what computes the loss of each row and its gradient, for any loss."""
    if isinstance(loss, _ByOperations):
        loss.compute(P, Y, out, losses, tape)
    else:
        tape.append(lambda: np.copyto(losses, loss.rows(P, Y, out)))


def _cells(out: Matrix, losses: Vector) -> Matrix:
    """Return room for one number a prediction, (rows, outputs): for a single output the losses themselves."""
    return losses[:, None] if out.shape[1] == 1 else np.empty_like(out)


def _summed(cells: Matrix, losses: Vector, scale: float, do: Do) -> None:
    """Write the sum of each row of `_cells`, times ``scale``, into ``losses``."""
    if cells.shape[1] > 1:
        do(np.add.reduce, cells, axis=1, out=losses)
    if scale != 1:
        do(np.multiply, losses, scale, out=losses)


@dataclass(frozen=True)
class MeanSquared(_ByOperations):
    """(A - Y)^2, the mean over outputs; its gradient carries the factor 2."""

    def compute(self, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, do: Do) -> None:
        """Write the mean square of each row's errors."""
        cells, share = _cells(out, losses), 1 / P.shape[1]
        do(np.subtract, P, Y, out=out)
        do(np.multiply, out, out, out=cells)
        _summed(cells, losses, share, do)
        do(np.multiply, out, 2 * share, out=out)


@dataclass(frozen=True)
class HalfSquared(_ByOperations):
    """(A - Y)^2 / 2, the sum over outputs: the gradient is the error itself."""

    def compute(self, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, do: Do) -> None:
        """Write half the sum of each row's squared errors."""
        cells = _cells(out, losses)
        do(np.subtract, P, Y, out=out)
        do(np.multiply, out, out, out=cells)
        _summed(cells, losses, 0.5, do)


@dataclass(frozen=True)
class MeanAbsolute(_ByOperations):
    """|A - Y|, the mean over outputs; the derivative at 0 is taken as 0."""

    def compute(self, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, do: Do) -> None:
        """Write the mean size of each row's errors."""
        cells, share = _cells(out, losses), 1 / P.shape[1]
        do(np.subtract, P, Y, out=out)
        do(np.abs, out, out=cells)
        _summed(cells, losses, share, do)
        do(np.sign, out, out=out)
        do(np.multiply, out, share, out=out)


@dataclass(frozen=True)
class Huber(_ByOperations):
    """Squared up to an error of ``delta`` and linear beyond (Huber, 1964), the mean over outputs."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        positive(delta=self.delta)

    def compute(self, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, do: Do) -> None:
        """Write the mean of c (|e| - c / 2) over each row, with c = min(|e|, delta)."""
        cells, bent, share = _cells(out, losses), np.empty_like(out), 1 / P.shape[1]
        do(np.subtract, P, Y, out=out)
        do(np.abs, out, out=cells)
        do(np.minimum, cells, self.delta, out=bent)
        do(np.subtract, cells, bent, out=cells)
        do(np.multiply, cells, bent, out=cells)
        do(np.multiply, bent, bent, out=bent)
        do(np.multiply, bent, 0.5, out=bent)
        do(np.add, cells, bent, out=cells)
        _summed(cells, losses, share, do)
        do(np.maximum, out, -self.delta, out=out)
        do(np.minimum, out, self.delta, out=out)
        do(np.multiply, out, share, out=out)


@dataclass(frozen=True)
class Quantile(_ByOperations):
    """The pinball loss max(q e, (q - 1) e) of e = Y - A (Koenker and Bassett, 1978), the mean over outputs.

    Its minimum is the quantile ``q`` of the target; the derivative at e = 0 is taken as 0.
    """

    quantile: float = 0.5

    def __post_init__(self) -> None:
        positive(quantile=self.quantile)
        between(0, 1, quantile=self.quantile)

    def compute(self, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, do: Do) -> None:
        """Write the mean pinball loss of each row: the error times sign / 2 + (1 / 2 - q) |sign|."""
        cells, tilt, share = _cells(out, losses), np.empty_like(out), 1 / P.shape[1]
        do(np.subtract, P, Y, out=out)
        do(np.sign, out, out=tilt)
        do(np.abs, tilt, out=cells)
        do(np.multiply, cells, 0.5 - self.quantile, out=cells)
        do(np.multiply, tilt, 0.5, out=tilt)
        do(np.add, tilt, cells, out=tilt)
        do(np.multiply, tilt, out, out=cells)
        _summed(cells, losses, share, do)
        do(np.multiply, tilt, share, out=out)


@dataclass(frozen=True)
class Poisson(_ByOperations):
    """The negative log-likelihood of counts, exp(Z) - Y Z without the constant log Y!, summed over outputs.

    Fused with the activation exp (McCullagh and Nelder, 1989, section 6.2); targets are not negative.
    """

    link: ClassVar[str | None] = "exp"

    def prepare(self, Y: Matrix) -> Matrix:
        """Refuse negative counts."""
        if Y.min(initial=0) < 0:
            raise ValueError(f"y: poisson expects counts or rates of at least 0, found {Y.min():.4g}")
        return Y

    def compute(self, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, do: Do) -> None:
        """Write exp(Z) - Y Z summed over each row."""
        cells = _cells(out, losses)
        do(np.exp, P, out=out)
        do(np.multiply, Y, P, out=cells)
        do(np.subtract, out, cells, out=cells)
        _summed(cells, losses, 1, do)
        do(np.subtract, out, Y, out=out)


@dataclass(frozen=True)
class BinaryCrossEntropy(_ByOperations):
    """The negative log-likelihood of independent yes-or-no outputs, log(1 + exp(Z)) - Y Z, summed over outputs.

    Fused with the activation sigmoid. ``label_smoothing`` s moves targets to (1 - s) Y + s / 2
    (Szegedy et al., 2016, section 7).
    """

    label_smoothing: float = 0.0
    link: ClassVar[str | None] = "sigmoid"

    def __post_init__(self) -> None:
        between(0, 1, label_smoothing=self.label_smoothing)

    def prepare(self, Y: Matrix) -> Matrix:
        """Smooth the targets, which are probabilities."""
        _check_probabilities(Y, "binary_cross_entropy")
        return Y * (1 - self.label_smoothing) + self.label_smoothing / 2

    def compute(self, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, do: Do) -> None:
        """Write log(1 + exp(Z)) - Y Z summed over each row."""
        cells = _cells(out, losses)
        do(np.multiply, Y, P, out=out)
        do(np.logaddexp, P, 0, out=cells)
        do(np.subtract, cells, out, out=cells)
        _summed(cells, losses, 1, do)
        sigmoid(P, out, do)
        do(np.subtract, out, Y, out=out)


@dataclass(frozen=True)
class CategoricalCrossEntropy(_ByOperations):
    """The negative log-likelihood of one class of several, log sum exp(Z) - Y Z.

    Fused with the activation softmax. ``label_smoothing`` s moves targets to (1 - s) Y + s / classes
    (Szegedy et al., 2016, section 7).
    """

    label_smoothing: float = 0.0
    link: ClassVar[str | None] = "softmax"

    def __post_init__(self) -> None:
        between(0, 1, label_smoothing=self.label_smoothing)

    def prepare(self, Y: Matrix) -> Matrix:
        """Smooth the targets, which are the probabilities of the classes."""
        _check_probabilities(Y, "categorical_cross_entropy")
        off = np.abs(Y.sum(axis=1) - 1)
        if off.max(initial=0) > 1e-3:  # noqa: PLR2004 - float32 rounding of many classes stays well under it
            row = int(off.argmax())
            raise ValueError(f"y: expected rows that sum to 1, row {row} sums to {Y[row].sum():.4g}")
        smoothed: Matrix = Y * (1 - self.label_smoothing) + self.label_smoothing / Y.shape[1]
        return smoothed

    def compute(self, P: Matrix, Y: Matrix, out: Matrix, losses: Vector, do: Do) -> None:
        """Write log sum exp(Z) - Y Z of each row, shifted by the row's maximum."""
        cells, chosen = np.empty_like(out), np.empty_like(losses)
        column = losses[:, None]
        do(np.maximum.reduce, P, axis=1, out=losses)
        do(copied, column, out=cells)
        do(np.subtract, P, cells, out=out)
        do(np.multiply, Y, out, out=cells)
        do(np.add.reduce, cells, axis=1, out=chosen)
        do(np.exp, out, out=out)
        do(np.add.reduce, out, axis=1, out=losses)
        do(copied, column, out=cells)
        do(np.divide, out, cells, out=out)
        do(np.subtract, out, Y, out=out)
        do(np.log, losses, out=losses)
        do(np.subtract, losses, chosen, out=losses)


LOSSES: dict[str, type[Loss]] = {
    "mean_squared": MeanSquared,
    "half_squared": HalfSquared,
    "mean_absolute": MeanAbsolute,
    "huber": Huber,
    "quantile": Quantile,
    "poisson": Poisson,
    "binary_cross_entropy": BinaryCrossEntropy,
    "categorical_cross_entropy": CategoricalCrossEntropy,
}


def name_of(loss: Loss) -> str:
    """Return the loss's name in ``LOSSES``, or its class's name."""
    return next((name for name, kind in LOSSES.items() if kind is type(loss)), type(loss).__name__)


def targets(loss: Loss, y: NDArray[Any], *, rows: int, outputs: int, dtype: DTypeLike) -> Matrix:
    """Return ``y`` as the (rows, outputs) targets of a loss.

    Accepted: (rows, outputs) numbers, (rows,) numbers for one output, and (rows,) integer class codes for the
    categorical cross-entropy. Raises ShapeError for another shape and ValueError for values outside the domain.
    """
    y = np.asarray(y)
    if isinstance(loss, CategoricalCrossEntropy) and y.shape == (rows,) and y.dtype.kind in "iu":
        Y = _one_hot(y, outputs, dtype)
    elif y.shape == (rows, outputs) or (outputs == 1 and y.shape == (rows,)):
        Y = np.ascontiguousarray(y.reshape(rows, outputs), dtype)
    else:
        raise ShapeError("y", expected=f"({rows}, {outputs})", actual=y.shape)
    if not np.isfinite(Y).all():
        row = int(np.flatnonzero(~np.isfinite(Y).all(axis=1))[0])
        raise ValueError(f"y: expected finite numbers, found {Y[row].tolist()} in row {row}")
    prepared: Matrix = np.ascontiguousarray(loss.prepare(Y), dtype)
    return prepared


def _one_hot(codes: NDArray[Any], classes: int, dtype: DTypeLike) -> Matrix:
    if codes.min(initial=0) < 0 or codes.max(initial=0) >= classes:
        raise ValueError(f"y: expected class codes from 0 to {classes - 1}, found {codes.min()} to {codes.max()}")
    Y = np.zeros((len(codes), classes), dtype)
    Y[np.arange(len(codes)), codes] = 1
    return Y


def _check_probabilities(Y: Matrix, name: str) -> None:
    if Y.min(initial=0) < 0 or Y.max(initial=0) > 1:
        raise ValueError(f"y: {name} expects probabilities from 0 to 1, found {Y.min():.4g} to {Y.max():.4g}")
