"""Learning-rate schedules: the factor on an optimizer's rate at each moment of a fit."""

import math
from dataclasses import dataclass
from typing import Protocol

from network.checks import at_least, between, positive

__all__ = ["SCHEDULES", "Constant", "Pace", "Schedule"]


class Pace(Protocol):
    """A schedule under way in one fit."""

    def factor(self, epoch: float) -> float:
        """Return the factor after ``epoch`` epochs, counted from 0 in fractions: 2.5 is the middle of the third."""

    def observe(self, value: float) -> None:
        """Take note of what an epoch ended with: the validation loss where there is one, else the loss."""


class Schedule(Protocol):
    """How a learning rate changes over a fit."""

    def start(self, epochs: int) -> Pace:
        """Begin a fit of at most ``epochs`` epochs."""


@dataclass(frozen=True)
class _Fixed:
    """A pace that depends on nothing but the time."""

    schedule: "_Timed"
    epochs: int

    def factor(self, epoch: float) -> float:
        return self.schedule.at(epoch, self.epochs)

    def observe(self, value: float) -> None:
        """Need nothing of it."""


class _Timed:
    """A schedule that is a function of the time alone."""

    def at(self, epoch: float, epochs: int) -> float:
        """Return the factor after ``epoch`` of ``epochs`` epochs."""
        raise NotImplementedError

    def start(self, epochs: int) -> Pace:
        """Begin a fit of at most ``epochs`` epochs."""
        return _Fixed(self, epochs)


@dataclass(frozen=True)
class Constant(_Timed):
    """The same rate throughout."""

    def at(self, epoch: float, epochs: int) -> float:
        """Return one."""
        return 1.0


@dataclass(frozen=True)
class Step(_Timed):
    """Multiply the rate by ``factor`` every ``every`` epochs."""

    every: int = 30
    factor: float = 0.1

    def __post_init__(self) -> None:
        at_least(1, every=self.every)
        positive(factor=self.factor)

    def at(self, epoch: float, epochs: int) -> float:
        """Return factor^floor(epoch / every)."""
        return float(self.factor ** (epoch // self.every))


@dataclass(frozen=True)
class InverseScaling(_Timed):
    """The rate divided by (1 + epoch)^power (Robbins and Monro, 1951, for powers above one half)."""

    power: float = 0.5

    def __post_init__(self) -> None:
        positive(power=self.power)

    def at(self, epoch: float, epochs: int) -> float:
        """Return (1 + epoch)^-power."""
        return float((1 + epoch) ** -self.power)


@dataclass(frozen=True)
class Cosine(_Timed):
    """Half a cosine from the rate down to ``floor`` times it (Loshchilov and Hutter, 2017, eq. 5).

    The first ``warmup_epochs`` climb to it in a straight line (Goyal et al., 2017, section 2.2).
    """

    warmup_epochs: float = 0.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        at_least(0, warmup_epochs=self.warmup_epochs)
        between(0, 1, floor=self.floor)

    def at(self, epoch: float, epochs: int) -> float:
        """Climb, then follow the cosine."""
        if epoch < self.warmup_epochs:
            return max(epoch, 1e-3) / self.warmup_epochs
        done = (epoch - self.warmup_epochs) / max(epochs - self.warmup_epochs, 1e-9)
        return _cosine(1.0, self.floor, done)


@dataclass(frozen=True)
class OneCycle(_Timed):
    """Up to the rate in the first part of the fit and far below it in the rest (Smith and Topin, 2018).

    ``rise`` is the part of all epochs that climbs, from 1 / ``start_divisor`` of the rate; the end is at
    1 / ``end_divisor`` of it.
    """

    rise: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 10_000.0

    def __post_init__(self) -> None:
        positive(rise=self.rise)
        between(0, 1, rise=self.rise)
        at_least(1, start_divisor=self.start_divisor, end_divisor=self.end_divisor)

    def at(self, epoch: float, epochs: int) -> float:
        """Follow a half cosine up, then one down."""
        done = epoch / epochs
        if done < self.rise:
            return _cosine(1 / self.start_divisor, 1.0, done / self.rise)
        return _cosine(1.0, 1 / self.end_divisor, (done - self.rise) / (1 - self.rise))


@dataclass(frozen=True)
class Plateau:
    """Multiply the rate by ``factor`` when ``patience`` epochs have brought no better validation loss (or loss)."""

    factor: float = 0.5
    patience: int = 10

    def __post_init__(self) -> None:
        positive(factor=self.factor)
        between(0, 1, factor=self.factor)
        at_least(1, patience=self.patience)

    def start(self, epochs: int) -> Pace:
        """Begin at the full rate."""
        return _PlateauPace(self)


class _PlateauPace:
    """What a plateau has seen."""

    def __init__(self, schedule: Plateau) -> None:
        self._schedule = schedule
        self._factor = 1.0
        self._best = math.inf
        self._waited = 0

    def factor(self, epoch: float) -> float:
        return self._factor

    def observe(self, value: float) -> None:
        if value < self._best:
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited >= self._schedule.patience:
            self._factor *= self._schedule.factor
            self._waited = 0


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "inverse_scaling": InverseScaling,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "plateau": Plateau,
}
