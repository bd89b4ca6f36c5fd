"""Watches over new versions, and what it means that one broke a limit: values that go from process to process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predictor import Promotion
from service.observer import RollbackReason

__all__ = ["Rollback", "Watch", "rollback_of", "watch_of"]


@dataclass(frozen=True)
class Watch:
    """A version behind an alias is compared with another, from one time on and up to another; both of `time.time`.

    `until` is None for a canary, which is watched as long as it is one. `number` is different for each watch.
    `judged` is what feedback had said of the version before that, a `service.observer.Judged`.
    """

    number: int
    alias: str
    version: int
    beside: int
    since: float
    until: float | None = None
    promotion: Promotion | None = None
    judged: Sequence[float] = ()


@dataclass(frozen=True)
class Rollback:
    """A version that broke a limit: which version answers in its place, why, and when that was, by `time.time`.

    `stands` is the version that the alias in the repository has since then: another, or still the same where the
    repository could not be changed; then the service holds the version back by itself (`is_held`).
    """

    alias: str
    version: int
    to: int
    reason: RollbackReason
    detail: str
    at: float
    stands: int
    promotion: Promotion | None = None

    @property
    def is_held(self) -> bool:
        """Whether the alias still names the version that was rolled back."""
        return self.stands == self.version


def watch_of(said: Mapping[str, Any]) -> Watch:
    """Read what `asdict` made of a watch."""
    return Watch(**{**said, "promotion": _promotion_of(said)})


def rollback_of(said: Mapping[str, Any]) -> Rollback:
    """Read what `asdict` made of a rollback; TypeError when it is none."""
    return Rollback(**{**said, "promotion": _promotion_of(said)})


def _promotion_of(said: Mapping[str, Any]) -> Promotion | None:
    found = said["promotion"]
    return None if found is None else Promotion(**found)
