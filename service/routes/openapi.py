"""The machine-readable description of the service."""

from typing import TYPE_CHECKING

from service.messages import Request, Response, json_response
from service.openapi import describe
from service.router import Route

if TYPE_CHECKING:
    from service.runtime import Runtime

__all__ = ["ROUTES"]


def openapi(_request: Request, runtime: "Runtime") -> Response:
    """Answer the OpenAPI 3.1 document of the models that are loaded now."""
    needs_key = runtime.settings.api_key_file is not None
    return json_response(describe(runtime.router.routes, runtime.registry.catalog, needs_key=needs_key))


ROUTES = (Route("GET", "/openapi.json", openapi, "OpenAPI 3.1, generated from the loaded models"),)
