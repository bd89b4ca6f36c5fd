"""The machine-readable description of the service."""

from collections.abc import Sequence

from service.messages import Request, Response, json_response
from service.openapi import describe
from service.router import Route
from service.runtime import Runtime

__all__ = ["openapi_route"]


def openapi_route(others: Sequence[Route]) -> Route:
    """Return the route that describes itself and all others."""

    def openapi(_request: Request, runtime: Runtime) -> Response:
        """Answer the OpenAPI 3.1 document of the models that are loaded now."""
        needs_key = runtime.settings.api_key_file is not None
        return json_response(describe((*others, route), runtime.registry.catalog, needs_key=needs_key))

    route = Route("GET", "/openapi.json", openapi, "OpenAPI 3.1, generated from the loaded models")
    return route
