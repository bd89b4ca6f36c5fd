"""What the service counts and logs of its requests, and the page that shows it, summed over the workers."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from service.observer import Comparison, Event, Judged, Logged, Refused, RollbackReason, ShedReason, Stages
from service.observing.layout import CONNECTIONS, JUDGED, SHADOW, WORKERS, Layout
from service.observing.logs import LogWriter, trace_of
from service.observing.refused import RefusedRequests, request_record
from service.observing.tallies import Tallies
from service.sharing.counters import SharedCounters

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["SharedObserver"]

MOST_REFUSED = 256
"""How many refusals are counted and logged together: thousands would keep all that arrives waiting for milliseconds."""
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class SharedObserver:
    """Counts into shared memory and writes log lines; made before the fork, `begin` is called in each worker.

    In a worker requests are tallied as they are answered, which costs little, and counted at the next tick.
    """

    def __init__(self, layout: Layout, counters: SharedCounters, log: LogWriter) -> None:
        self.layout = layout
        self.counters = counters
        self.log = log
        self._logs_requests = log.level <= 20  # noqa: PLR2004 - the level "info"
        self._tallies = Tallies(layout, counters)
        self._refused = RefusedRequests(self._tallies, log, partial(counters.add, layout.shed("full")))
        self._is_ticked = False

    def begin(self, row: int) -> None:
        """Count in `row` from now on, and gather log lines and requests until the next tick."""
        self.counters.use(row)
        self.counters.set(WORKERS, 1)
        self.log.is_gathering = True
        self._is_ticked = True

    def connected(self, connections: int) -> None:
        """Note how many connections this worker has."""
        self.counters.set(CONNECTIONS, connections)

    def fewest_connections(self) -> float:
        """Return how many connections the worker has that has fewest."""
        connections, running = self.counters.gauges(CONNECTIONS), self.counters.gauges(WORKERS)
        return min((n for n, is_running in zip(connections, running, strict=True) if is_running), default=0.0)

    def tick(self) -> None:
        """Count and write what was gathered; called about ten times a second."""
        for _ in self.parts():
            pass

    def parts(self) -> Iterator[None]:
        """Do what `tick` does in parts, with time for requests in between."""
        self._refused.count(is_logged=self._logs_requests)
        yield from self._tallies.parts()
        self.log.flush()

    def end(self) -> None:
        """Count and write what is left; later lines are written at once."""
        self._is_ticked = False
        self._count()
        self.log.is_gathering = False
        self.log.flush()

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
        """Count one finished request and write its line."""
        self._tallies.add((route, method, status, model, version), seconds, rows, stages)
        if not self._is_ticked:
            self._tallies.count()
        if not self._logs_requests:
            return
        record = request_record(
            when=self.log.stamp(), request_id=request_id, method=method, route=route, path=path, status=status,
            ms=round(seconds * 1000, 3), received=received, sent=sent,
        )  # fmt: skip
        if model is not None:
            record["model"] = model
            record["version"] = version
            record["rows"] = rows
        if trace_id is not None:
            record["trace_id"] = trace_id
        self.log.put(self.log.rendered(record))

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
        """Count one request that was refused, and write its line, with the next tick."""
        trace = () if trace_id is None else (trace_id.encode("ascii"),)
        waiting = self._refused.add(what, (request_id, began, ended, received, trace))
        if not self._is_ticked:
            self._count()
        elif waiting >= MOST_REFUSED:
            self._refused.count(is_logged=self._logs_requests)

    def _count(self) -> None:
        self._refused.count(is_logged=self._logs_requests)
        self._tallies.count()

    def noted(self, event: Event, amount: int = 1, *, model: str = "") -> None:
        """Count an event."""
        self.counters.add(self.layout.event(event, model), amount)

    def compared(self, model: str, version: int, found: Comparison) -> None:
        """Count rows that a version computed beside the champion."""
        start = self.layout.version(model, version) + SHADOW
        self.counters.add_range(start, np.array(found, dtype=np.float64))

    def logged(self, what: Logged, amount: int) -> None:
        """Count what became of records for the log store."""
        self.counters.add(self.layout.logged(what), amount)

    def judged(self, model: str, version: int, found: Judged) -> None:
        """Count rows of a version whose truth became known."""
        start = self.layout.version(model, version) + JUDGED
        self.counters.add_range(start, np.array(found, dtype=np.float64))

    def rolled_back(self, model: str, reason: RollbackReason) -> None:
        """Count a version that broke a limit."""
        self.counters.add(self.layout.rollback(model, reason))

    def shed(self, reason: ShedReason) -> None:
        """Count a request that was refused because there was too much to do."""
        self.counters.add(self.layout.shed(reason))

    def reported(self, level: str, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write a log line, with the traceback of `error` if there is one."""
        if error is not None:
            fields["trace"] = trace_of(error)
        self.log.write(level, message, fields)

    def exposition(self, more: Iterable["Metric"] = ()) -> tuple[str, bytes]:
        """Return the metrics page, with `more` at its end."""
        from service.observing.page import rendered  # noqa: PLC0415 - it is heavy, and of no use to predictions

        self._count()
        return CONTENT_TYPE, rendered(self.layout, self.counters.sums(), more)

    def statistics(self, model: str, version: int) -> Mapping[str, float]:
        """Return what all workers counted of a version: requests by outcome, rows, executions, seconds, `last`."""
        self._count()
        layout = self.layout
        found = layout.of_version(self.counters.sums(), layout.version(model, version))
        return found | {"last": max(self.counters.gauges(layout.last(model, version)))}
