"""From a path and a method to a route."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from service.batching import Work
from service.messages import JSON, Headers, Request, Response
from service.problems import Problem, problem_response

if TYPE_CHECKING:
    from service.runtime import Runtime

__all__ = ["Access", "Handler", "Match", "Route", "Router"]

Handler = Callable[[Request, "Runtime"], Response | Work]
Access = str
CACHED_PATHS = 512


@dataclass(frozen=True)
class Route:
    """One route: a method, a path template, the function that answers, and what surrounds it.

    `access` is "public", "predict" (an API key where the service needs one) or "admin" (the administrator's token).
    `consumes` are the media types that a body may have, None for any. `render` answers a problem in the route's
    own shape, so that a protocol with another one brings it along.
    """

    method: str
    template: str
    handler: Handler
    summary: str
    access: Access = "public"
    consumes: tuple[str, ...] | None = (JSON,)
    produces: tuple[str, ...] = (JSON,)
    headers: Headers = ()
    render: Callable[[Problem, Request], Response] = problem_response
    is_prediction: bool = False


@dataclass(frozen=True)
class Match:
    """The routes of one path by method, and the parts of the path that its template names."""

    template: str
    routes: Mapping[str, Route]
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def allow(self) -> str:
        """The value of the Allow header."""
        methods = {*self.routes, "OPTIONS"}
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods))


class Router:
    """Finds routes by the undecoded path: what is escaped, doubled or dotted is simply not there."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        by_template: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            by_template.setdefault(route.template, {})[route.method] = route
        self._exact = {path: Match(path, methods) for path, methods in by_template.items() if "<" not in path}
        self._patterns = [
            (_pattern(template), template, methods) for template, methods in by_template.items() if "<" in template
        ]
        self._search: Callable[[str], Match | None] = lru_cache(CACHED_PATHS)(self._scan)

    def match(self, path: str) -> Match | None:
        """Return what stands at a path, None when nothing does."""
        return self._exact.get(path) or self._search(path)

    def _scan(self, path: str) -> Match | None:
        for pattern, template, methods in self._patterns:
            found = pattern.fullmatch(path)
            if found:
                return Match(template, methods, found.groupdict())
        return None


def _pattern(template: str) -> "re.Pattern[str]":
    """Turn "/models/<name>" into an expression; a part is any text without a slash or an escape."""
    parts = re.split(r"<(\w+)>", template)
    text = "".join(re.escape(p) if i % 2 == 0 else rf"(?P<{p}>[A-Za-z0-9_-]+)" for i, p in enumerate(parts))
    return re.compile(text, re.ASCII)


def media_type(value: str) -> tuple[str, dict[str, str]]:
    """Split a Content-Type or one range of an Accept header into its lower-case type and its parameters."""
    kind, *rest = value.split(";")
    pairs = (part.partition("=") for part in rest)
    parameters: dict[str, Any] = {name.strip().lower(): text.strip().strip('"').lower() for name, _, text in pairs}
    return kind.strip().lower(), parameters
