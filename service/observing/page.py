"""The metrics page: what all workers have counted, as families of Prometheus.

To be imported at the first scrape: prometheus_client costs a worker time and memory that predictions do not need.
"""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from service.observer import EVENTS, ROLLBACK_REASONS, SHED_REASONS, Logged
from service.observing.layout import (
    BATCH_ROWS,
    BUCKETS,
    CONNECTIONS,
    OF_SHADOW,
    OUTCOMES,
    STAGES,
    WORKERS,
    Layout,
    histogram,
)

__all__ = ["rendered"]

Sums = Sequence[float]
OfVersions = Sequence[tuple[list[str], dict[str, float]]]
"""The labels of each version, and what is counted of it by name."""

VERSION = ("model", "version")
LOG: tuple[tuple[str, str, dict[str, Logged]], ...] = (
    ("log_requests", "Requests for the log store.", {"written": "written", "full": "full", "lost": "lost"}),
    (
        "feedback_requests",
        "Feedback that was taken, by request.",
        {
            "written": "told",
            "lost": "untold",
            "repeated": "repeated",
            "unmatched": "unmatched",
            "mismatched": "mismatched",
        },
    ),
)
FEEDBACK = (
    ("rows", "rows", "Rows whose truth became known."),
    ("correct", "correct", "Rows of these whose class was right."),
    ("error", "absolute_error", "Sum of how far predicted numbers were off."),
    ("bounded", "bounded", "Rows of these with an interval or set for nine in ten."),
    ("covered", "covered", "Rows of these whose interval or set held the truth."),
)


class _Page:
    """What prometheus_client takes metrics from."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield from self._families


def rendered(layout: Layout, sums: Sums, more: Iterable[Metric]) -> bytes:
    """Return the text of the page, with `more` at its end."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Page([*_families(layout, sums), *more]))
    return generate_latest(registry)


def _families(layout: Layout, sums: Sums) -> Iterator[Metric]:
    yield from _requests(layout, sums)
    yield from _work(layout, sums)
    yield from _events(layout, sums)
    yield from _log(layout, sums)
    versions = list(layout.by_version(sums))
    yield from _predictions(versions)
    yield from _shadows(versions)
    yield from _feedback(versions)
    yield GaugeMetricFamily("ganglion_connections", "Open connections.", value=sums[CONNECTIONS])
    yield GaugeMetricFamily("ganglion_workers", "Workers running.", value=sums[WORKERS])


def _requests(layout: Layout, sums: Sums) -> Iterator[Metric]:
    requests = CounterMetricFamily("ganglion_requests", "Requests answered.", labels=("route", "method", "status"))
    for labels, value in layout.requests(sums):
        requests.add_metric(labels, value)
    yield requests
    seconds = HistogramMetricFamily("ganglion_request_seconds", "Time to answer a request.", labels=("route",))
    for route, (buckets, total) in layout.latencies(sums):
        seconds.add_metric([route], buckets, total)
    yield seconds


def _work(layout: Layout, sums: Sums) -> Iterator[Metric]:
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


def _events(layout: Layout, sums: Sums) -> Iterator[Metric]:
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


def _log(layout: Layout, sums: Sums) -> Iterator[Metric]:
    for name, text, results in LOG:
        family = CounterMetricFamily(f"ganglion_{name}", text, labels=("result",))
        for result, what in results.items():
            family.add_metric([result], sums[layout.logged(what)])
        yield family
    failed = sums[layout.logged("failed")]
    yield CounterMetricFamily("ganglion_log_failures", "Times that the log store could not be used.", value=failed)


def _predictions(versions: OfVersions) -> Iterator[Metric]:
    answered = CounterMetricFamily(
        "ganglion_predictions", "Prediction requests of a version.", labels=(*VERSION, "outcome")
    )
    rows = CounterMetricFamily("ganglion_rows", "Rows predicted.", labels=VERSION)
    executions = CounterMetricFamily("ganglion_executions", "Matrix products, shared or not.", labels=VERSION)
    for labels, found in versions:
        for outcome in OUTCOMES:
            if found[outcome]:
                answered.add_metric([*labels, outcome], found[outcome])
        rows.add_metric(labels, found["rows"])
        executions.add_metric(labels, found["executions"])
    yield from (answered, rows, executions)


def _shadows(versions: OfVersions) -> Iterator[Metric]:
    rows = CounterMetricFamily(
        "ganglion_shadow_rows", "Rows that a version computed beside the champion.", labels=(*VERSION, "result")
    )
    apart = CounterMetricFamily(
        "ganglion_shadow_difference", "Sum of how far rows of a shadow and the champion are apart.", labels=VERSION
    )
    for labels, found in versions:
        if any(found[f"shadow_{name}"] for name in OF_SHADOW):
            for name in OF_SHADOW:
                rows.add_metric([*labels, name], found[f"shadow_{name}"])
            apart.add_metric(labels, found["shadow_difference"])
    yield from (rows, apart)


def _feedback(versions: OfVersions) -> Iterator[Metric]:
    for key, name, text in FEEDBACK:
        family = CounterMetricFamily(f"ganglion_feedback_{name}", text, labels=VERSION)
        for labels, found in versions:
            value = found[f"feedback_{key}"]
            if found["feedback_rows"] and (value or key == "rows"):
                family.add_metric(labels, value)
        yield family
