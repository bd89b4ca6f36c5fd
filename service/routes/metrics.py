"""The metrics page."""

from service.messages import Request, Response
from service.router import Route
from service.runtime import Runtime

__all__ = ["ROUTES"]


def metrics(_request: Request, runtime: Runtime) -> Response:
    """Answer the counters of all workers in Prometheus' text format."""
    from service.routes.gauges import gauges  # noqa: PLC0415 - it is heavy, and of no use to predictions

    content_type, text = runtime.observer.exposition(gauges(runtime))
    return Response(200, text, content_type)


ROUTES = tuple(
    Route("GET", path, metrics, summary, access="observe", produces=("text/plain", "application/openmetrics-text"))
    for path, summary in (
        ("/metrics", "Prometheus metrics, summed over the workers"),
        ("/monitoring/prometheus/metrics", "The same, where TensorFlow Serving has them"),
    )
)
