"""Alive, and ready to predict."""

from service.messages import Request, Response, json_response
from service.router import Route
from service.runtime import Runtime

__all__ = ["ROUTES", "alive", "ready"]


def alive(_request: Request, _runtime: Runtime) -> Response:
    """Say that the process answers."""
    return json_response({"status": "alive"})


def ready(_request: Request, runtime: Runtime) -> Response:
    """Say whether every alias that should serve is proven; 503 with the reasons when not.

    An older proven version that still answers for an alias keeps the service ready, and the reason is told.
    """
    catalog = runtime.registry.catalog
    reasons = catalog.faults()
    if runtime.is_ending:
        reasons.append("the service is ending")
    if runtime.is_ready:
        return json_response({"status": "ready", "reasons": reasons} if reasons else {"status": "ready"})
    return json_response(
        {"status": "not ready", "reasons": reasons or ["no model is loaded"]}, 503, [("retry-after", "1")]
    )


ROUTES = (
    Route("GET", "/healthz", alive, "Whether the process is alive"),
    Route("GET", "/readyz", ready, "Whether every model that should serve does; 503 with the reasons when not"),
)
