"""The table of routes."""

from collections.abc import Iterable

from service.dialects import dialect_routes, platform_routes
from service.router import Dialect, Route
from service.routes import admin, drift, feedback, health, metrics, models, pages, predict
from service.routes.openapi import openapi_route
from service.settings import Settings

__all__ = ["all_routes", "routes_of", "routes_table"]


def all_routes(*, is_admin: bool, named: Iterable[Route] = ()) -> tuple[Route, ...]:
    """Return every route, those of further names at the end; the administrative ones only when they are switched on."""
    found = (
        *predict.ROUTES, *models.ROUTES, *drift.ROUTES, *feedback.ROUTES, *health.ROUTES, *metrics.ROUTES,
        *pages.ROUTES, *(admin.ROUTES if is_admin else ()), *dialect_routes(is_admin=is_admin), *named,
    )  # fmt: skip
    return (*found, openapi_route(found))


def routes_of(settings: Settings) -> tuple[Route, ...]:
    """Return the routes of a service with these settings."""
    named = platform_routes(predict_route=settings.predict_route, health_route=settings.health_route)
    return all_routes(is_admin=settings.admin, named=named)


def routes_table(dialect: Dialect) -> str:
    """Return the Markdown table of all routes of one protocol."""
    lines = ["| route | what | access |", "|---|---|---|"]
    lines += [
        f"| `{r.method} {r.template}` | {r.summary} | {r.access} |"
        for r in all_routes(is_admin=True)
        if r.dialect == dialect
    ]
    return "\n".join(lines) + "\n"
