"""What the pipeline tells about its work: counters and log lines are behind one small interface."""

from typing import Literal, Protocol

__all__ = ["EVENTS", "Event", "Observer", "QuietObserver"]

Event = Literal[
    "out_of_range", "unknown_category", "not_finite", "refused_full", "refused_late", "reload_ok", "reload_failed"
]
EVENTS: tuple[Event, ...] = (
    "out_of_range", "unknown_category", "not_finite", "refused_full", "refused_late", "reload_ok", "reload_failed",
)  # fmt: skip


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
    ) -> None:
        """Note one finished request; `route` is a template and safe as a label, `path` is the client's text."""

    def noted(self, event: Event, amount: int = 1, *, model: str = "") -> None:
        """Count something that is neither a request nor an error of one."""

    def reported(self, level: str, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write a log line, with the traceback of `error` if there is one."""

    def exposition(self) -> tuple[str, bytes]:
        """Return the content type and the text of the metrics page."""


class QuietObserver:
    """An observer that keeps nothing: for embedding and tests."""

    def answered(self, **fields: object) -> None:
        """Ignore a request."""

    def noted(self, event: Event, amount: int = 1, *, model: str = "") -> None:
        """Ignore an event."""

    def reported(self, level: str, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Ignore a report."""

    def exposition(self) -> tuple[str, bytes]:
        """Return an empty metrics page."""
        return "text/plain; version=0.0.4; charset=utf-8", b""
