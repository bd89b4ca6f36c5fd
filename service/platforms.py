"""What hosting platforms tell a container by environment variables, as settings of the service."""

from collections.abc import Mapping
from typing import Any

__all__ = ["platform_settings"]

VERTEX_PORT = "8080"


def platform_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that Vertex AI's `AIP_` variables ask for; empty elsewhere."""
    if not environment.get("AIP_MODE") and not environment.get("AIP_HTTP_PORT"):
        return {}
    found = {"bind": f"0.0.0.0:{environment.get('AIP_HTTP_PORT') or VERTEX_PORT}"}
    for name in ("predict_route", "health_route"):
        route = environment.get(f"AIP_{name.upper()}")
        if route:
            found[name] = route
    return found
