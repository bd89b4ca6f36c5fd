"""What is found out about a watched version beside another, which limits there are, and what breaks one."""

from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.watching import RollbackReason
from service.yardstick import Shift, Yardstick

__all__ = ["CELLS", "HUNDREDTHS", "Breach", "Figures", "Limits", "Tally"]

HUNDREDTHS = 100


@dataclass(frozen=True)
class Limits:
    """For how long a new champion is watched, after how many answers it is judged, and what it may not exceed.

    `error_rate` is a share of the answers, beyond that of the version beside it; `latency` a multiple of the other's
    processor time, in more than half of the requests; `shift` a stability index of the predictions; `difference` the
    mean distance of the predictions for a row.
    """

    window_s: float
    answers: int = 100
    error_rate: float = 0.02
    latency: float = 3.0
    shift: float = 0.25
    difference: float = 0.75


@dataclass(frozen=True)
class Tally:
    """What one request, or many of them, said of two versions that were asked the same."""

    answers: int = 0
    failed: int = 0
    failed_beside: int = 0
    timed: int = 0
    slower: int = 0
    rows: int = 0
    apart: int = 0  # in hundredths

    def counts(self, predictions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return it as cells to be added up, with the counts of the predictions behind it."""
        return np.concatenate([np.array(list(asdict(self).values()), dtype=np.int64), predictions])


CELLS = len(fields(Tally))


class Figures(NamedTuple):
    """What is known of a watched version: shares of the answers, and how its predictions differ."""

    answers: int
    errors: float
    errors_beside: float
    slower: float
    shift: Shift
    difference: float

    @classmethod
    def of(cls, counts: NDArray[np.int64], yardstick: Yardstick) -> "Figures":
        """Read cells that were added up."""
        tally = Tally(*counts[:CELLS].tolist())
        answers = max(1, tally.answers)
        return cls(
            tally.answers,
            tally.failed / answers,
            tally.failed_beside / answers,
            tally.slower / max(1, tally.timed),
            yardstick.shift(counts[CELLS:]),
            tally.apart / HUNDREDTHS / max(1, tally.rows),
        )

    def said(self) -> dict[str, float | int | None]:
        """Return them for an answer or a line of the log."""
        values = {
            "answers": self.answers,
            "errors": self.errors,
            "errors_beside": self.errors_beside,
            "slower": self.slower,
            "shift": self.shift.psi,
            "shift_by_chance": self.shift.chance,
            "shift_from_training": self.shift.own,
            "difference": self.difference,
        }
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}


class Breach(NamedTuple):
    """A limit that is broken, and the sentence that says so."""

    reason: RollbackReason
    detail: str

    @classmethod
    def found(cls, figures: Figures, limits: Limits, beside: int) -> "Breach | None":
        """Return the first limit that is broken, None when none is or too little is known."""
        if figures.answers < limits.answers:
            return None
        of = f"of {figures.answers} answers"
        if figures.errors - figures.errors_beside > limits.error_rate:
            return cls(
                "errors",
                f"{figures.errors:.1%} {of} were errors, {figures.errors_beside:.1%} of those of version {beside} to "
                f"the same requests; the limit is {limits.error_rate:.1%} more",
            )
        if figures.slower > 1 / 2:
            return cls(
                "latency",
                f"{figures.slower:.0%} {of} took more than {limits.latency:g} times the processor time of version "
                f"{beside}; the limit is half of them",
            )
        psi, chance, own = figures.shift
        if psi is not None and psi > max(limits.shift, chance or 0.0) and (own is None or own > limits.shift):
            beside_own = "" if own is None else f", and {own:.2f} away from those of training"
            return cls(
                "shift",
                f"its predictions have a stability index of {psi:.2f} against those of version {beside} for the same "
                f"rows{beside_own}; the limit is {limits.shift:g}",
            )
        if figures.difference > limits.difference:
            return cls(
                "difference",
                f"its predictions are {figures.difference:.2f} away from those of version {beside} in the mean row; "
                f"the limit is {limits.difference:g}",
            )
        return None
