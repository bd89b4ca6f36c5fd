"""What the service counts and logs of its requests, and the page that shows it, summed over the workers."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from service.counters import SharedCounters, SharedNames
from service.logs import LONGEST_TEXT, LogWriter, trace_of
from service.observing import EVENTS, Event
from service.routes import all_routes
from service.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["Layout", "SharedObserver", "create_observer"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "other")
STATUSES = tuple(code.value for code in HTTPStatus if code >= HTTPStatus.OK and code != HTTPStatus.IM_A_TEAPOT)
UNMATCHED = "unmatched"
OTHER = "other"
MOST_MODELS = 64
SPARE_ROWS = 64
GAUGES = ("connections", "workers")


class Layout:
    """Which cell counts what: routes, methods and statuses from fixed tables, models as they come.

    The first 63 models have labels of their own, the rest is counted as "other".
    """

    def __init__(self, routes: Iterable[str]) -> None:
        self.routes = (*dict.fromkeys(routes), UNMATCHED)
        self._models = SharedNames(MOST_MODELS - 1)
        self._route = {name: i for i, name in enumerate(self.routes)}
        self._method = {name: i for i, name in enumerate(METHODS)}
        self._status = {code: i for i, code in enumerate(STATUSES)}
        self._event: dict[str, int] = {name: i for i, name in enumerate(EVENTS)}
        self._statuses = len(STATUSES)
        self._per_route = len(METHODS) * self._statuses
        self._first_count = len(GAUGES)
        self._first_bucket = self._first_count + len(self.routes) * self._per_route
        self._first_sum = self._first_bucket + len(self.routes) * (len(BUCKETS) + 1)
        self._first_rows = self._first_sum + len(self.routes)
        self._first_event = self._first_rows + MOST_MODELS
        self.width = self._first_event + len(EVENTS) * MOST_MODELS

    @property
    def models(self) -> tuple[str, ...]:
        """The labels of models."""
        return (OTHER, *self._models.names())

    def request(self, route: str, method: str, status: int, seconds: float) -> tuple[int, int, int]:
        """Return the cells of one request: its count, its bucket, its route's sum of seconds."""
        place = self._route.get(route)
        if place is None:
            place = len(self.routes) - 1
        kind = self._method.get(method, len(METHODS) - 1)
        code = self._status.get(status, self._statuses - 1)
        return (
            self._first_count + place * self._per_route + kind * self._statuses + code,
            self._first_bucket + place * (len(BUCKETS) + 1) + bisect_left(BUCKETS, seconds),
            self._first_sum + place,
        )

    def rows(self, model: str) -> int:
        """Return the cell of the rows that a model answered."""
        return self._first_rows + self._model(model)

    def event(self, event: str, model: str) -> int:
        """Return the cell of an event."""
        return self._first_event + self._event[event] * MOST_MODELS + self._model(model)

    def _model(self, name: str) -> int:
        place = self._models.place(name) if name and name != OTHER else None
        return 0 if place is None else place + 1

    def requests(self, sums: Sequence[float]) -> Iterator[tuple[list[str], float]]:
        """Yield the labels and the count of every kind of request that happened."""
        for i, value in enumerate(sums[self._first_count : self._first_bucket]):
            if value:
                place, rest = divmod(i, self._per_route)
                kind, code = divmod(rest, self._statuses)
                yield [self.routes[place], METHODS[kind], str(STATUSES[code])], value

    def latencies(self, sums: Sequence[float]) -> Iterator[tuple[str, list[tuple[str, float]], float]]:
        """Yield every route that was asked for: its cumulative buckets and the sum of its seconds."""
        for place, route in enumerate(self.routes):
            first = self._first_bucket + place * (len(BUCKETS) + 1)
            total = 0.0
            buckets = []
            for bound, value in zip((*map(str, BUCKETS), "+Inf"), sums[first:], strict=False):
                total += value
                buckets.append((bound, total))
            if total:
                yield route, buckets, sums[self._first_sum + place]


class SharedObserver:
    """Counts into shared memory and writes log lines; made before the fork, `begin` is called in each worker."""

    def __init__(self, layout: Layout, counters: SharedCounters, log: LogWriter) -> None:
        self.layout = layout
        self.counters = counters
        self.log = log
        self._logs_requests = log.level <= 20  # noqa: PLR2004 - the level "info"

    def begin(self, row: int) -> None:
        """Count in `row` from now on, and gather log lines until the next tick."""
        self.counters.use(row)
        self.counters.set(GAUGES.index("workers"), 1)
        self.log.is_gathering = True

    def connected(self, connections: int) -> None:
        """Note how many connections this worker has."""
        self.counters.set(0, connections)

    def fewest_connections(self) -> float:
        """Return how many connections the worker has that has fewest."""
        connections, running = self.counters.gauges(0), self.counters.gauges(1)
        return min((n for n, is_running in zip(connections, running, strict=True) if is_running), default=0.0)

    def tick(self) -> None:
        """Write what was gathered; called about ten times a second."""
        self.log.flush()

    def end(self) -> None:
        """Write what is left; later lines are written at once."""
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
    ) -> None:
        """Count one finished request and write its line."""
        layout = self.layout
        self.counters.add_all(*layout.request(route, method, status, seconds), seconds)
        if rows and model is not None:
            self.counters.add(layout.rows(model), rows)
        if not self._logs_requests:
            return
        fields: dict[str, Any] = {
            "request_id": request_id,
            "method": method,
            "route": route,
            "path": path if len(path) <= LONGEST_TEXT else path[:LONGEST_TEXT],
            "status": status,
            "ms": round(seconds * 1000, 3),
            "bytes_in": received,
            "bytes_out": sent,
        }
        if model is not None:
            fields |= {"model": model, "version": version, "rows": rows}
        self.log.put(self.log.line("info", "request", fields))

    def noted(self, event: Event, amount: int = 1, *, model: str = "") -> None:
        """Count an event."""
        self.counters.add(self.layout.event(event, model), amount)

    def reported(self, level: str, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write a log line, with the traceback of `error` if there is one."""
        if error is not None:
            fields["trace"] = trace_of(error)
        self.log.write(level, message, fields)

    def exposition(self) -> tuple[str, bytes]:
        """Return the metrics page."""
        # Imported at the first scrape: it costs a worker start-up time and memory that predictions do not need.
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return CONTENT_TYPE, generate_latest(registry)

    def describe(self) -> list["Metric"]:
        """Describe nothing in advance: `collect` says it all."""
        return []

    def collect(self) -> Iterator["Metric"]:
        """Yield all metrics: prometheus_client's collector interface."""
        from prometheus_client.core import (  # noqa: PLC0415 - see `exposition`
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        layout = self.layout
        sums = self.counters.sums()
        requests = CounterMetricFamily("ganglion_requests", "Requests answered.", labels=("route", "method", "status"))
        for labels, value in layout.requests(sums):
            requests.add_metric(labels, value)
        yield requests
        seconds = HistogramMetricFamily("ganglion_request_seconds", "Time to answer a request.", labels=("route",))
        for route, buckets, total in layout.latencies(sums):
            seconds.add_metric([route], buckets, total)
        yield seconds
        rows = CounterMetricFamily("ganglion_rows", "Rows predicted.", labels=("model",))
        events = CounterMetricFamily("ganglion_events", "What happened beside requests.", labels=("event", "model"))
        for model in layout.models:
            rows.add_metric([model], sums[layout.rows(model)])
            for event in EVENTS:
                value = sums[layout.event(event, model)]
                if value:
                    events.add_metric([event, model], value)
        yield rows
        yield events
        for i, (name, text) in enumerate((("connections", "Open connections."), ("workers", "Workers running."))):
            yield GaugeMetricFamily(f"ganglion_{name}", text, value=sums[i])


def create_observer(settings: Settings, log: LogWriter | None = None) -> SharedObserver:
    """Build the observer that all workers share; call it before the fork."""
    layout = Layout(route.template for route in all_routes(is_admin=settings.admin))
    counters = SharedCounters(SPARE_ROWS, layout.width, len(GAUGES))
    return SharedObserver(
        layout, counters, log or LogWriter(level=settings.log_level, is_json=settings.log_format == "json")
    )
