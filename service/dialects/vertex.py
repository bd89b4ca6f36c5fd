"""Vertex AI's custom containers: TensorFlow Serving's rows at the paths that the platform names."""

from service.dialects.oip_status import server_ready
from service.dialects.tensorflow import predict, render
from service.router import Dialect, Route

__all__ = ["VERTEX", "platform_routes"]

VERTEX = Dialect("vertex", "Vertex AI", render)


def platform_routes(*, predict_route: str | None, health_route: str | None) -> tuple[Route, ...]:
    """Return the routes at the paths that are named; they stand before any other route at the same path."""
    found: list[Route] = []
    if predict_route:
        summary = "Predict with the default model, where the platform wants it"
        found.append(
            Route(
                "POST", predict_route, predict, summary, access="predict", consumes=None, dialect=VERTEX,
                is_prediction=True,
            )
        )  # fmt: skip
    if health_route:
        summary = "Whether every model that should serve does, where the platform wants it"
        found.append(Route("GET", health_route, server_ready, summary, dialect=VERTEX))
    return tuple(found)
