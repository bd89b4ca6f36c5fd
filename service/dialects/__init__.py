"""The protocols that clients of other servers speak: each translates to and from the one prediction function."""

from service.dialects import invocations, oip, tensorflow
from service.dialects.vertex import platform_routes
from service.router import Route

__all__ = ["dialect_routes", "platform_routes"]


def dialect_routes(*, is_admin: bool) -> tuple[Route, ...]:
    """Return the routes of all dialects; the administrative ones only when they are switched on."""
    found = (*tensorflow.ROUTES, *oip.ROUTES, *invocations.ROUTES)
    return (*found, *oip.ADMIN_ROUTES) if is_admin else found
