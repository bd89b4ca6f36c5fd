"""Which cell of the shared counters counts what: closed sets of labels, versions of models as they come."""

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Literal

from service.observer import (
    EVENTS,
    LOGGED,
    ROLLBACK_REASONS,
    SHED_REASONS,
    Event,
    Judged,
    Logged,
    RollbackReason,
    ShedReason,
)
from service.sharing.counters import SharedNames

__all__ = [
    "BATCH_ROWS",
    "BUCKETS",
    "CONNECTIONS",
    "GAUGES",
    "JUDGED",
    "OF_SHADOW",
    "OUTCOMES",
    "SHADOW",
    "STAGES",
    "WORKERS",
    "Layout",
    "Outcome",
    "histogram",
]

Outcome = Literal["ok", "invalid", "refused", "late", "failed"]
Histogram = tuple[list[tuple[str, float]], float]
"""Cumulative counts by upper bound, and the sum of what was counted."""

BUCKETS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
BATCH_ROWS = tuple(float(2**power) for power in range(15))
STAGES = ("decode", "queue", "compute", "encode")
OUTCOMES: tuple[Outcome, ...] = ("ok", "invalid", "refused", "late", "failed")
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "other")
STATUSES = tuple(code.value for code in HTTPStatus if code >= HTTPStatus.OK and code != HTTPStatus.IM_A_TEAPOT)
UNMATCHED = "unmatched"
OTHER = "other"
MOST_MODELS = 64
MOST_VERSIONS = 512
VERSION_BYTES = 80
GAUGES = ("connections", "workers")
CONNECTIONS, WORKERS = range(len(GAUGES))
OF_SHADOW = ("agree", "differ", "failed", "skipped")
SECONDS = tuple(f"{part}_seconds" for part in ("ok", "other", *STAGES))
OF_FEEDBACK = tuple(f"feedback_{name}" for name in Judged._fields)
OF_VERSION = (
    *OUTCOMES, "rows", "executions", *SECONDS, *(f"shadow_{name}" for name in (*OF_SHADOW, "difference")), *OF_FEEDBACK,
)  # fmt: skip
SHADOW = OF_VERSION.index("shadow_agree")
JUDGED = OF_VERSION.index(OF_FEEDBACK[0])


class Layout:
    """Places are given out once, before the fork; models and versions take theirs when they are first met.

    The first 63 models and 511 versions have labels of their own, the rest is counted as "other".
    """

    def __init__(self, routes: Iterable[str]) -> None:
        self.routes = (*dict.fromkeys(routes), UNMATCHED)
        self._models = SharedNames(MOST_MODELS - 1)
        self._versions = SharedNames(MOST_VERSIONS - 1, VERSION_BYTES)
        self._route = {name: i for i, name in enumerate(self.routes)}
        self._method = {name: i for i, name in enumerate(METHODS)}
        self._status = {code: i for i, code in enumerate(STATUSES)}
        self._event: dict[str, int] = {name: i for i, name in enumerate(EVENTS)}
        self.width = len(GAUGES)
        self._requests = self._take(len(self.routes) * len(METHODS) * len(STATUSES))
        self._latencies = self._take(len(self.routes) * (len(BUCKETS) + 2))
        self._stages = self._take(len(STAGES) * (len(BUCKETS) + 2))
        self.batches = self._take(len(BATCH_ROWS) + 2)
        self._shed = self._take(len(SHED_REASONS))
        self._logged = self._take(len(LOGGED))
        self._events = self._take(len(EVENTS) * MOST_MODELS)
        self._rollbacks = self._take(len(ROLLBACK_REASONS) * MOST_MODELS)
        self._of_versions = self._take(MOST_VERSIONS * len(OF_VERSION))
        self._last = self._take(MOST_VERSIONS)

    def _take(self, cells: int) -> int:
        start = self.width
        self.width += cells
        return start

    @property
    def models(self) -> tuple[str, ...]:
        """The labels of models."""
        return (OTHER, *self._models.names())

    @property
    def versions(self) -> tuple[tuple[str, str], ...]:
        """The labels of versions, each with its model."""
        pairs = (name.rpartition("/") for name in self._versions.names())
        return ((OTHER, OTHER), *((model, version) for model, _, version in pairs))

    def request(self, route: str, method: str, status: int) -> int:
        """Return the cell of one kind of request."""
        kind = self._place(route) * len(METHODS) + self._method.get(method, len(METHODS) - 1)
        return self._requests + kind * len(STATUSES) + self._status.get(status, len(STATUSES) - 1)

    def latency(self, route: str) -> int:
        """Return the first cell of a route's histogram of seconds; the sum is the last."""
        return self._latencies + self._place(route) * (len(BUCKETS) + 2)

    def stage(self, stage: int) -> int:
        """Return the first cell of a stage's histogram of seconds; the sum is the last."""
        return self._stages + stage * (len(BUCKETS) + 2)

    def shed(self, reason: ShedReason) -> int:
        """Return the cell of requests that were refused for a reason."""
        return self._shed + SHED_REASONS.index(reason)

    def logged(self, what: Logged) -> int:
        """Return the cell of what became of records for the log store."""
        return self._logged + LOGGED.index(what)

    def event(self, event: Event, model: str) -> int:
        """Return the cell of an event."""
        return self._events + self._event[event] * MOST_MODELS + self._model(model)

    def rollback(self, model: str, reason: RollbackReason) -> int:
        """Return the cell of versions of a model that were rolled back for a reason."""
        return self._rollbacks + ROLLBACK_REASONS.index(reason) * MOST_MODELS + self._model(model)

    def version(self, model: str, version: int) -> int:
        """Return the first cell of a version: requests by outcome, rows, executions, seconds."""
        return self._of_versions + self._version(model, version) * len(OF_VERSION)

    def last(self, model: str, version: int) -> int:
        """Return the cell of the time at which a version last answered; rows of workers are not to be added."""
        return self._last + self._version(model, version)

    def requests(self, sums: Sequence[float]) -> Iterator[tuple[list[str], float]]:
        """Yield the labels and the count of every kind of request that happened."""
        for i, value in enumerate(sums[self._requests : self._latencies]):
            if value:
                kind, status = divmod(i, len(STATUSES))
                route, method = divmod(kind, len(METHODS))
                yield [self.routes[route], METHODS[method], str(STATUSES[status])], value

    def latencies(self, sums: Sequence[float]) -> Iterator[tuple[str, Histogram]]:
        """Yield every route that was asked for, with its histogram."""
        for route in self.routes:
            buckets, total = histogram(sums, self.latency(route), BUCKETS)
            if buckets[-1][1]:
                yield route, (buckets, total)

    def by_version(self, sums: Sequence[float]) -> Iterator[tuple[list[str], dict[str, float]]]:
        """Yield the labels of every version that was met, with requests by outcome, rows, executions and seconds."""
        for place, labels in enumerate(self.versions):
            found = self.of_version(sums, self._of_versions + place * len(OF_VERSION))
            if place or any(found.values()):
                yield list(labels), found

    @staticmethod
    def of_version(sums: Sequence[float], start: int) -> dict[str, float]:
        """Return what is counted of the version whose cells begin at `start`, by name."""
        return dict(zip(OF_VERSION, sums[start : start + len(OF_VERSION)], strict=True))

    def _model(self, model: str) -> int:
        place = self._models.place(model) if model and model != OTHER else None
        return 0 if place is None else place + 1

    def _version(self, model: str, version: int) -> int:
        place = self._versions.place(f"{model}/{version}")
        return 0 if place is None else place + 1

    def _place(self, route: str) -> int:
        return self._route.get(route, len(self.routes) - 1)


def histogram(sums: Sequence[float], start: int, bounds: Sequence[float]) -> Histogram:
    """Read a histogram whose cells are one for each bound, one for what is beyond, and the sum."""
    total = 0.0
    buckets = []
    for bound, value in zip((*map(str, bounds), "+Inf"), sums[start:], strict=False):
        total += value
        buckets.append((bound, total))
    return buckets, sums[start + len(bounds) + 1]
