"""The protocols that clients of other servers speak: each translates to and from the one prediction function."""

from service.dialects import tensorflow
from service.router import Route

__all__ = ["dialect_routes"]


def dialect_routes() -> tuple[Route, ...]:
    """Return the routes of all dialects."""
    return tensorflow.ROUTES
