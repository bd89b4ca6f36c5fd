"""What the outputs of a network mean: classes by name, or numbers in the target's own units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from predictor.features import checked_name, checked_text, finite, whole

__all__ = ["ClassOutputs", "NumberOutputs", "Outputs", "looked_up"]

Matrix = NDArray[Any]
Label = str | int
T = TypeVar("T")

LARGEST_LABEL = 2**53
"""Integers up to here survive every JSON reader."""
FEW_ROWS = 8
"""So many labels are looked up one by one in less time than together."""
MOST_AT_ONCE = 8192
"""Rows of which the largest output is found at a time: the interpreter's lock is kept for all of them."""
PIECE_ROWS = 4096
"""Labels that are looked up at a time: the interpreter's lock is kept for all of them."""


@dataclass(frozen=True)
class ClassOutputs:
    """Classes of a target column: one output each, or one output in all for the second of two.

    ``has_probabilities`` says whether the outputs are probabilities, which the network's last activation decides.
    """

    labels: tuple[Label, ...]
    target: str
    has_probabilities: bool = True
    _known: NDArray[np.object_] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked_name(self.target, "target")
        labels = tuple(_label(label, f"labels[{i}]") for i, label in enumerate(self.labels))
        if len(labels) < 2 or len(set(labels)) != len(labels):  # noqa: PLR2004 - one class needs no model
            raise ValueError("labels: expected at least two, and no duplicates")
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "_known", np.array(labels, dtype=object))

    def fits(self, outputs: int) -> bool:
        """Tell whether a network with so many outputs can tell these classes apart."""
        return outputs == len(self.labels) or (outputs == 1 and len(self.labels) == 2)  # noqa: PLR2004

    def decode(self, A: Matrix) -> tuple[list[Label], Matrix | None]:
        """Return the label of each row and the probabilities, (rows, labels), or None where the outputs are none.

        ``A`` is (rows, outputs). One output above one half means the second label.
        """
        return self.named(self.codes(A)), self.probabilities(A)

    def codes(self, A: Matrix) -> NDArray[np.intp]:
        """Return the place of each row's label among the labels, (rows,)."""
        if A.shape[1] == 1:
            return (A[:, 0] > 0.5).astype(np.intp)  # noqa: PLR2004 - even odds
        if len(A) <= MOST_AT_ONCE:
            codes: NDArray[np.intp] = A.argmax(axis=1)
            return codes
        return np.concatenate([A[i : i + MOST_AT_ONCE].argmax(axis=1) for i in range(0, len(A), MOST_AT_ONCE)])

    def named(self, codes: NDArray[np.intp]) -> list[Label]:
        """Return the labels at these places."""
        return looked_up(self._known, codes)

    def probabilities(self, A: Matrix) -> Matrix | None:
        """Return what ``decode`` does beside the labels."""
        if not self.has_probabilities:
            return None
        return np.hstack([1 - A, A]) if A.shape[1] == 1 else A


@dataclass(frozen=True)
class NumberOutputs:
    """Numbers: value = output * scale + offset, one each for the target columns.

    `low` and `high`, one each for the targets or none at all, are bounds that no answer leaves.
    """

    targets: tuple[str, ...]
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        targets = tuple(checked_name(target, f"targets[{i}]") for i, target in enumerate(self.targets))
        offset = tuple(finite(value, f"offset[{i}]") for i, value in enumerate(self.offset))
        scale = tuple(finite(value, f"scale[{i}]") for i, value in enumerate(self.scale))
        if not targets or len(set(targets)) != len(targets):
            raise ValueError("targets: expected at least one, and no duplicates")
        if not len(targets) == len(offset) == len(scale):
            raise ValueError(f"offset, scale: expected one each for {len(targets)} targets")
        if any(value == 0 or not math.isfinite(1 / value) for value in scale):
            raise ValueError("scale: expected numbers other than 0")
        for name, value in (("targets", targets), ("offset", offset), ("scale", scale)):
            object.__setattr__(self, name, value)
        self._check_bounds()

    def _check_bounds(self) -> None:
        low = tuple(finite(value, f"low[{i}]") for i, value in enumerate(self.low))
        high = tuple(finite(value, f"high[{i}]") for i, value in enumerate(self.high))
        if not len(low) == len(high) in (0, len(self.targets)):
            raise ValueError(f"low, high: expected none, or one each for {len(self.targets)} targets")
        if any(least > most for least, most in zip(low, high, strict=True)):
            raise ValueError("low: expected at most high")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def fits(self, outputs: int) -> bool:
        """Tell whether a network with so many outputs gives these numbers."""
        return outputs == len(self.targets)

    def decode(self, A: Matrix) -> NDArray[np.float32]:
        """Return the values, (rows, targets), in the targets' own units; what float32 cannot hold is infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            values: NDArray[np.float32] = self.values(A).astype(np.float32)
        return values

    def values(self, A: Matrix) -> NDArray[np.float64]:
        """Return the values, (rows, targets), before they are rounded to float32."""
        found: NDArray[np.float64] = A * np.array(self.scale) + np.array(self.offset)
        return np.clip(found, self.low, self.high, out=found) if self.low else found


Outputs = ClassOutputs | NumberOutputs


def looked_up(known: Sequence[T] | NDArray[np.object_], codes: NDArray[np.intp]) -> list[T]:
    """Return for each row what stands at its place, (rows,), among few things: names, or what stands for them."""
    if len(codes) <= FEW_ROWS:
        return [known[code] for code in codes.tolist()]
    things = np.asarray(known, dtype=object)
    found: list[T] = []
    for start in range(0, len(codes), PIECE_ROWS):
        found += things[codes[start : start + PIECE_ROWS]].tolist()
    return found


def _label(value: object, what: str) -> Label:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return whole(value, what, low=-LARGEST_LABEL, high=LARGEST_LABEL)
    return checked_text(value, what)
