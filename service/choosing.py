"""Which version answers a request."""

from typing import TYPE_CHECKING

from service.catalog import Served
from service.messages import Request

if TYPE_CHECKING:
    from service.runtime import Runtime

__all__ = ["served_for"]


def served_for(request: Request, runtime: "Runtime") -> Served:
    """Find what the path's name, version or alias names; NotServedError or NotReadyError when nothing answers."""
    part = request.parameters.get
    served = runtime.registry.catalog.current(part("name"), version=part("version"), alias=part("alias"))
    request.served = served
    return served
