"""What the rooms of the service tell of their work, and whom: counters and log lines behind one small interface."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, get_args

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = [
    "EVENTS",
    "LOGGED",
    "ROLLBACK_REASONS",
    "SHED_REASONS",
    "Comparison",
    "Event",
    "Judged",
    "Logged",
    "Observer",
    "QuietObserver",
    "Refused",
    "RollbackReason",
    "ShedReason",
    "Stages",
]

Event = Literal[
    "out_of_range",
    "unknown_category",
    "left_out",
    "not_finite",
    "reload_ok",
    "reload_failed",
    "webhook_sent",
    "webhook_failed",
]
EVENTS: tuple[Event, ...] = get_args(Event)
ShedReason = Literal["full", "late", "limit"]
SHED_REASONS: tuple[ShedReason, ...] = get_args(ShedReason)
Logged = Literal[
    "written", "full", "lost", "told", "untold", "repeated", "unmatched", "mismatched", "failed"
]  # fmt: skip
"""What became of what the log store was to keep: requests written, dropped for want of room, never taken; feedback
written, never taken, of rows that something was told of before, of requests that are not found, of another number of
rows than the request had; and times that the store failed."""
LOGGED: tuple[Logged, ...] = get_args(Logged)
RollbackReason = Literal["errors", "latency", "shift", "difference", "live"]
ROLLBACK_REASONS: tuple[RollbackReason, ...] = get_args(RollbackReason)
Stages = tuple[float, float, float, float, float]
"""Seconds that a prediction was decoded, waited, was computed, was encoded; rows of the product, 0 for all but the
first of the requests that share one."""


class Comparison(NamedTuple):
    """Rows that a shadow computed: how many agree and differ, could not be computed or were too many; how far apart."""

    agree: int = 0
    differ: int = 0
    failed: int = 0
    skipped: int = 0
    difference: float = 0.0


class Judged(NamedTuple):
    """Rows with a known truth: how many, how many classes were right, the sum of the errors of numbers.

    The error of a row is |prediction - truth|, the mean of it over several targets. `bounded` rows have an interval or
    a set that is to hold nine in ten outcomes, and `covered` of these did hold the truth.
    """

    rows: float = 0.0
    correct: float = 0.0
    error: float = 0.0
    bounded: float = 0.0
    covered: float = 0.0

    def said(self, *, is_classes: bool) -> dict[str, float | int | None]:
        """Return the figures by name; None where there is no row to tell one by."""
        figure, total = ("accuracy", self.correct) if is_classes else ("mean_absolute_error", self.error)
        return {
            "rows": int(self.rows),
            figure: total / self.rows if self.rows else None,
            "coverage": self.covered / self.bounded if self.bounded else None,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """What requests have in common that are refused by their header section and size; `sent` bytes are their answer.

    `is_traced` tells that each of them belongs to a trace.
    """

    method: str
    route: str
    path: str
    status: int
    sent: int
    is_traced: bool = False


class Observer(Protocol):
    """Counts, times and logs; every method is safe from any thread, and none of them raises."""

    def answered(
        self,
        *,
        request_id: str,
        method: str,
        route: str,
        path: str,
        status: int,
        seconds: float,
        received: int,
        sent: int,
        model: str | None,
        version: int | None,
        rows: int,
        stages: Stages | None = None,
        trace_id: str | None = None,
    ) -> None:
        """Note one finished request; `route` is a template and safe as a label, `path` is the client's text."""

    def refused(
        self,
        what: Refused,
        request_id: str,
        began: float,
        ended: float,
        received: int,
        *,
        trace_id: str | None = None,
    ) -> None:
        """Note a request that was refused because there was too much to do, from one monotonic time to another.

        `trace_id` names its trace, where it `is_traced`.
        """

    def noted(self, event: Event, amount: int = 1, *, model: str = "") -> None:
        """Count something that is neither a request nor an error of one."""

    def compared(self, model: str, version: int, found: Comparison) -> None:
        """Count rows that a version computed beside the champion."""

    def logged(self, what: Logged, amount: int) -> None:
        """Count what became of records for the log store."""

    def judged(self, model: str, version: int, found: Judged) -> None:
        """Count rows of a version whose truth became known."""

    def rolled_back(self, model: str, reason: RollbackReason) -> None:
        """Count that a version of a model broke a limit and does not answer any more."""

    def shed(self, reason: ShedReason) -> None:
        """Count a request that was refused because there was too much to do."""

    def reported(self, level: str, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write a log line, with the traceback of `error` if there is one."""

    def exposition(self, more: Iterable["Metric"] = ()) -> tuple[str, bytes]:
        """Return the content type and the text of the metrics page, with `more` at its end."""

    def statistics(self, model: str, version: int) -> Mapping[str, float]:
        """Return what is counted of a version by name; what is not kept is absent."""


class QuietObserver:
    """An observer that keeps nothing: for embedding and tests."""

    def answered(self, **fields: object) -> None:
        """Ignore a request."""

    def refused(self, *_: object, trace_id: str | None = None) -> None:
        """Ignore a refusal."""

    def noted(self, event: Event, amount: int = 1, *, model: str = "") -> None:
        """Ignore an event."""

    def compared(self, model: str, version: int, found: Comparison) -> None:
        """Ignore a comparison."""

    def logged(self, what: Logged, amount: int) -> None:
        """Ignore records."""

    def judged(self, model: str, version: int, found: Judged) -> None:
        """Ignore truths."""

    def rolled_back(self, model: str, reason: RollbackReason) -> None:
        """Ignore a rollback."""

    def shed(self, reason: ShedReason) -> None:
        """Ignore a refusal."""

    def reported(self, level: str, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Ignore a report."""

    def exposition(self, more: Iterable["Metric"] = ()) -> tuple[str, bytes]:  # noqa: ARG002 - as the others have it
        """Return an empty metrics page."""
        return "text/plain; version=0.0.4; charset=utf-8", b""

    def statistics(self, model: str, version: int) -> Mapping[str, float]:  # noqa: ARG002 - as the others have it
        """Return nothing."""
        return {}
