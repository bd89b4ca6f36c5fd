"""The metrics page."""

from typing import TYPE_CHECKING

from service.messages import Request, Response
from service.router import Route

if TYPE_CHECKING:
    from service.runtime import Runtime

__all__ = ["ROUTES", "metrics"]


def metrics(_request: Request, runtime: "Runtime") -> Response:
    """Answer the counters of all workers in Prometheus' text format."""
    content_type, text = runtime.observer.exposition()
    return Response(200, text, content_type)


ROUTES = tuple(
    Route("GET", path, metrics, summary, produces=("text/plain", "application/openmetrics-text"))
    for path, summary in (
        ("/metrics", "Prometheus metrics, summed over the workers"),
        ("/monitoring/prometheus/metrics", "The same, where TensorFlow Serving has them"),
    )
)
