"""What the service counts and logs of its requests, and the page that shows it, summed over the workers."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from service.observer import (
    EVENTS,
    ROLLBACK_REASONS,
    SHED_REASONS,
    Comparison,
    Event,
    Judged,
    Logged,
    Refused,
    RollbackReason,
    ShedReason,
    Stages,
)
from service.observing.layout import (
    BATCH_ROWS,
    BUCKETS,
    GAUGES,
    JUDGED,
    OF_SHADOW,
    OUTCOMES,
    SHADOW,
    STAGES,
    Layout,
    histogram,
)
from service.observing.logs import LogWriter, trace_of
from service.observing.refused import RefusedRequests, request_record
from service.observing.tallies import Tallies
from service.sharing.counters import SharedCounters

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["SharedObserver"]

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
        self.counters.set(GAUGES.index("workers"), 1)
        self.log.is_gathering = True
        self._is_ticked = True

    def connected(self, connections: int) -> None:
        """Note how many connections this worker has."""
        self.counters.set(0, connections)

    def fewest_connections(self) -> float:
        """Return how many connections the worker has that has fewest."""
        connections, running = self.counters.gauges(0), self.counters.gauges(1)
        return min((n for n, is_running in zip(connections, running, strict=True) if is_running), default=0.0)

    def tick(self) -> None:
        """Count and write what was gathered; called about ten times a second."""
        self._count()
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

    def refused(self, what: Refused, request_id: str, began: float, ended: float, received: int) -> None:
        """Count one request that was refused, and write its line, with the next tick."""
        self._refused.add(what, (request_id, began, ended, received))
        if not self._is_ticked:
            self._count()

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
        # Imported at the first scrape: it costs a worker start-up time and memory that predictions do not need.
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

        self._count()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Page([*self.collect(), *more]))
        return CONTENT_TYPE, generate_latest(registry)

    def statistics(self, model: str, version: int) -> Mapping[str, float]:
        """Return what all workers counted of a version: requests by outcome, rows, executions, seconds, `last`."""
        self._count()
        layout = self.layout
        found = layout.of_version(self.counters.sums(), layout.version(model, version))
        return found | {"last": max(self.counters.gauges(layout.last(model, version)))}

    def collect(self) -> Iterator["Metric"]:
        """Yield all metrics that are counted."""
        from prometheus_client.core import (  # noqa: PLC0415 - see `exposition`
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        layout, sums = self.layout, self.counters.sums()
        requests = CounterMetricFamily("ganglion_requests", "Requests answered.", labels=("route", "method", "status"))
        for labels, value in layout.requests(sums):
            requests.add_metric(labels, value)
        yield requests
        seconds = HistogramMetricFamily("ganglion_request_seconds", "Time to answer a request.", labels=("route",))
        for route, (buckets, total) in layout.latencies(sums):
            seconds.add_metric([route], buckets, total)
        yield seconds
        stages = HistogramMetricFamily("ganglion_stage_seconds", "Time in a stage of a prediction.", labels=("stage",))
        for place, stage in enumerate(STAGES):
            stages.add_metric([stage], *histogram(sums, layout.stage(place), BUCKETS))
        yield stages
        batch = HistogramMetricFamily("ganglion_batch_rows", "Rows that shared an execution.")
        batch.add_metric([], *histogram(sums, layout.batches, BATCH_ROWS))
        yield batch
        shed = CounterMetricFamily("ganglion_shed", "Requests refused for too much work.", labels=("reason",))
        for reason in SHED_REASONS:
            shed.add_metric([reason], sums[layout.shed(reason)])
        yield shed
        yield from self._by_model(sums)
        yield from self._log(sums)
        yield from self._by_version(sums)
        for i, (name, text) in enumerate((("connections", "Open connections."), ("workers", "Workers running."))):
            yield GaugeMetricFamily(f"ganglion_{name}", text, value=sums[i])

    def _by_model(self, sums: list[float]) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - see `exposition`

        layout = self.layout
        events = CounterMetricFamily("ganglion_events", "What happened beside requests.", labels=("event", "model"))
        for model in layout.models:
            for event in EVENTS:
                if value := sums[layout.event(event, model)]:
                    events.add_metric([event, model], value)
        yield events
        rollbacks = CounterMetricFamily(
            "ganglion_rollbacks", "Versions that broke a limit and were rolled back.", labels=("model", "reason")
        )
        for model in layout.models:
            for cause in ROLLBACK_REASONS:
                if value := sums[layout.rollback(model, cause)]:
                    rollbacks.add_metric([model, cause], value)
        yield rollbacks

    def _log(self, sums: list[float]) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - see `exposition`

        results: dict[str, tuple[str, dict[str, Logged]]] = {
            "log_requests": ("Requests for the log store.", {"written": "written", "full": "full", "lost": "lost"}),
            "feedback_requests": (
                "Feedback that was taken, by request.",
                {
                    "written": "told",
                    "lost": "untold",
                    "repeated": "repeated",
                    "unmatched": "unmatched",
                    "mismatched": "mismatched",
                },
            ),
        }
        for name, (text, of) in results.items():
            family = CounterMetricFamily(f"ganglion_{name}", text, labels=("result",))
            for result, what in of.items():
                family.add_metric([result], sums[self.layout.logged(what)])
            yield family
        failed = sums[self.layout.logged("failed")]
        yield CounterMetricFamily("ganglion_log_failures", "Times that the log store could not be used.", value=failed)

    def _by_version(self, sums: list[float]) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 - see `exposition`

        labels = ("model", "version")
        answered = CounterMetricFamily(
            "ganglion_predictions", "Prediction requests of a version.", labels=(*labels, "outcome")
        )
        rows = CounterMetricFamily("ganglion_rows", "Rows predicted.", labels=labels)
        executions = CounterMetricFamily("ganglion_executions", "Matrix products, shared or not.", labels=labels)
        shadow = CounterMetricFamily(
            "ganglion_shadow_rows", "Rows that a version computed beside the champion.", labels=(*labels, "result")
        )
        apart = CounterMetricFamily(
            "ganglion_shadow_difference", "Sum of how far rows of a shadow and the champion are apart.", labels=labels
        )
        judged = {
            f"feedback_{key}": CounterMetricFamily(f"ganglion_feedback_{name}", text, labels=labels)
            for key, name, text in (
                ("rows", "rows", "Rows whose truth became known."),
                ("correct", "correct", "Rows of these whose class was right."),
                ("error", "absolute_error", "Sum of how far predicted numbers were off."),
                ("bounded", "bounded", "Rows of these with an interval or set for nine in ten."),
                ("covered", "covered", "Rows of these whose interval or set held the truth."),
            )
        }
        for of, found in self.layout.by_version(sums):
            if found["feedback_rows"]:
                for key, family in judged.items():
                    if found[key] or key == "feedback_rows":
                        family.add_metric(of, found[key])
            for outcome in OUTCOMES:
                if found[outcome]:
                    answered.add_metric([*of, outcome], found[outcome])
            if any(found[f"shadow_{name}"] for name in OF_SHADOW):
                for name in OF_SHADOW:
                    shadow.add_metric([*of, name], found[f"shadow_{name}"])
                apart.add_metric(of, found["shadow_difference"])
            rows.add_metric(of, found["rows"])
            executions.add_metric(of, found["executions"])
        yield from (answered, rows, executions, shadow, apart, *judged.values())


class _Page:
    """What prometheus_client takes metrics from."""

    def __init__(self, families: list["Metric"]) -> None:
        self._families = families

    def collect(self) -> Iterator["Metric"]:
        """Yield the metrics."""
        yield from self._families
