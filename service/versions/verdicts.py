"""What is found out about a watched version beside another, which limits there are, and what breaks one."""

import math
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.observer import Judged, RollbackReason
from service.versions.yardstick import Shift, Yardstick

__all__ = ["CELLS", "HUNDREDTHS", "Breach", "Figures", "Limits", "Live", "Tally"]

HUNDREDTHS = 100
HALF = 0.5
USUAL_Z = 1.645  # nineteen times in twenty
DEVIATION = 0.756  # of the size of a normal error, sqrt(pi / 2 - 1) of its mean
TINY = 1e-12


@dataclass(frozen=True)
class Limits:
    """For how long a new champion is watched, after how many answers it is judged, and what it may not exceed.

    `error_rate` is a share of the answers, beyond that of the version beside it; `latency` a multiple of the other's
    processor time, in more than half of the requests; `shift` a stability index of the predictions; `difference` the
    mean distance of the predictions for a row; `live` a share of wrong answers, or a part of the mean absolute error,
    beyond that of the version beside it, by what feedback says.
    """

    window_s: float
    answers: int = 100
    error_rate: float = 0.02
    latency: float = 3.0
    shift: float = 0.25
    difference: float = 0.75
    live: float = 0.1


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


class Live(NamedTuple):
    """What feedback says of a version and of the one beside it: rows, and the loss in the mean row of them.

    The loss is the share of wrong answers, or where numbers are predicted the mean absolute error.
    """

    rows: int
    rows_beside: int
    loss: float
    loss_beside: float
    is_classes: bool

    @classmethod
    def of(cls, found: Judged, beside: Judged, *, is_classes: bool) -> "Live":
        """Read what was judged of both."""
        loss, other = ((j.rows - j.correct if is_classes else j.error) / max(1.0, j.rows) for j in (found, beside))
        return cls(int(found.rows), int(beside.rows), loss, other, is_classes)

    def excess(self) -> tuple[float, float]:
        """Return by how much the loss is larger, for numbers as a part of the other's, and what chance may give.

        Nineteen of twenty samples stay under the latter: by the normal approximation of two shares, or as if errors
        were normal, whose sizes deviate by 0.756 of their mean.
        """
        spread = USUAL_Z * math.sqrt(1 / max(1, self.rows) + 1 / max(1, self.rows_beside))
        if self.is_classes:
            share = (self.loss * self.rows + self.loss_beside * self.rows_beside) / (self.rows + self.rows_beside)
            return self.loss - self.loss_beside, spread * math.sqrt(share * (1 - share))
        return self.loss / max(self.loss_beside, TINY) - 1, spread * DEVIATION


class Figures(NamedTuple):
    """What is known of a watched version: shares of the answers, and how its predictions differ."""

    answers: int
    errors: float
    errors_beside: float
    slower: float
    shift: Shift
    difference: float
    live: Live | None = None

    @classmethod
    def of(cls, counts: NDArray[np.int64], yardstick: Yardstick, live: Live | None = None) -> "Figures":
        """Read cells that were added up, with what feedback says beside them."""
        tally = Tally(*counts[:CELLS].tolist())
        answers = max(1, tally.answers)
        return cls(
            tally.answers,
            tally.failed / answers,
            tally.failed_beside / answers,
            tally.slower / max(1, tally.timed),
            yardstick.shift(counts[CELLS:]),
            tally.apart / HUNDREDTHS / max(1, tally.rows),
            live,
        )

    def said(self) -> dict[str, float | int | None]:
        """Return them for an answer or a line of the log."""
        values: dict[str, float | int | None] = {
            "answers": self.answers,
            "errors": self.errors,
            "errors_beside": self.errors_beside,
            "slower": self.slower,
            "shift": self.shift.psi,
            "shift_by_chance": self.shift.chance,
            "shift_from_training": self.shift.own,
            "difference": self.difference,
        }
        if self.live is not None:
            values |= {"live_rows": self.live.rows, "live_rows_beside": self.live.rows_beside}
            values |= {"live_loss": self.live.loss, "live_loss_beside": self.live.loss_beside}
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
        tried = (_by_errors, _by_latency, _by_shift, _by_difference, _by_feedback)
        return next((found for one in tried if (found := one(figures, limits, beside)) is not None), None)


def _by_errors(figures: Figures, limits: Limits, beside: int) -> Breach | None:
    if figures.errors - figures.errors_beside <= limits.error_rate:
        return None
    detail = (
        f"{figures.errors:.1%} of {figures.answers} answers were errors, {figures.errors_beside:.1%} of those of "
        f"version {beside} to the same requests; the limit is {limits.error_rate:.1%} more"
    )
    return Breach("errors", detail)


def _by_latency(figures: Figures, limits: Limits, beside: int) -> Breach | None:
    if figures.slower <= HALF:
        return None
    detail = (
        f"{figures.slower:.0%} of {figures.answers} answers took more than {limits.latency:g} times the processor "
        f"time of version {beside}; the limit is half of them"
    )
    return Breach("latency", detail)


def _by_shift(figures: Figures, limits: Limits, beside: int) -> Breach | None:
    psi, chance, own = figures.shift
    # A version that predicts as in training was trained on such rows: it may well know better than the other.
    if psi is None or psi <= max(limits.shift, chance or 0.0) or (own is not None and own <= limits.shift):
        return None
    of_training = "" if own is None else f", and of {own:.2f} against those of training"
    detail = (
        f"its predictions have a stability index of {psi:.2f} against those of version {beside} for the same rows"
        f"{of_training}; the limit is {limits.shift:g}"
    )
    return Breach("shift", detail)


def _by_difference(figures: Figures, limits: Limits, beside: int) -> Breach | None:
    if figures.difference <= limits.difference:
        return None
    detail = (
        f"its predictions are {figures.difference:.2f} away from those of version {beside} in the mean row; "
        f"the limit is {limits.difference:g}"
    )
    return Breach("difference", detail)


def _by_feedback(figures: Figures, limits: Limits, beside: int) -> Breach | None:
    live = figures.live
    if live is None or min(live.rows, live.rows_beside) < limits.answers:
        return None
    excess, chance = live.excess()
    if excess <= max(limits.live, chance):
        return None
    what = "share of wrong answers" if live.is_classes else "mean absolute error"
    detail = (
        f"its {what} is {live.loss:.4g} by feedback on {live.rows} rows, that of version {beside} is "
        f"{live.loss_beside:.4g} on {live.rows_beside}; the limit is {limits.live:.0%} more"
    )
    return Breach("live", detail)
