"""From a path and a method to a route."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from service.computing.batching import Work
from service.messages import JSON, Headers, Request, Response
from service.problems import PROBLEM_TYPE, Problem, problem_response
from service.runtime import Runtime

__all__ = ["NATIVE", "Access", "Dialect", "Handler", "Match", "Route", "Router"]

Handler = Callable[[Request, Runtime], Response | Work]
Access = str
CACHED_PATHS = 512


@dataclass(frozen=True)
class Dialect:
    """One protocol: how it words what goes wrong, and below which path all is its own, also what is not there.

    `title` is what people call it.

    `negotiates` tells that Accept is heeded; protocols that always answer in one form leave it alone. `encodings` are
    the compressions that a body may have, `fault_types` the media types of what `render` makes. `compresses` tells that
    Accept-Encoding is heeded by predictions: many clients send it unasked, and compressing costs more than computing.
    `ignores_case` tells that the words of its paths may be written in any case; the names between them are exact.
    """

    name: str
    title: str
    render: Callable[[Problem, Request], Response]
    prefix: str | None = None
    negotiates: bool = False
    encodings: tuple[str, ...] = ("gzip",)
    fault_types: tuple[str, ...] = (JSON,)
    compresses: bool = False
    ignores_case: bool = False


NATIVE = Dialect("native", "Native routes", problem_response, negotiates=True, fault_types=(PROBLEM_TYPE,))


@dataclass(frozen=True)
class Route:
    """One route: a method, a path template, the function that answers, and what surrounds it.

    `access` is "public", or the scope that an API key needs where the service has keys: "predict", "feedback",
    "observe", and "admin", which the administrator's token has, too. `status` is that of a good answer.
    `consumes` are the media types that a body may have, None for any. `needs_body` tells that a POST without a body's
    length is refused, as one that was forgotten.
    """

    method: str
    template: str
    handler: Handler
    summary: str
    access: Access = "public"
    consumes: tuple[str, ...] | None = (JSON,)
    produces: tuple[str, ...] = (JSON,)
    headers: Headers = ()
    dialect: Dialect = NATIVE
    is_prediction: bool = False
    needs_body: bool = True
    status: int = 200


@dataclass(frozen=True)
class Match:
    """The routes of one path by method, and the parts of the path that its template names."""

    template: str
    routes: Mapping[str, Route]
    parameters: Mapping[str, str] = field(default_factory=dict)

    def needs_body(self, method: str) -> bool:
        """Whether a request of this method without a body lacks something; nothing, where it is not allowed at all."""
        route = self.routes.get(method)
        return route is not None and route.needs_body

    @property
    def allow(self) -> str:
        """The value of the Allow header."""
        methods = {*self.routes, "OPTIONS"}
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods))


_Pattern = tuple[re.Pattern[str], str, Mapping[str, Route]]


class Router:
    """Finds routes by the undecoded path: what is escaped, doubled or dotted is simply not there.

    A path without parts to fill in is looked up; of the others only those with its first part and its number of
    parts are tried, and what was found is remembered.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        by_template: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            by_template.setdefault(route.template, {})[route.method] = route
        self._exact = {path: Match(path, methods) for path, methods in by_template.items() if "<" not in path}
        self._patterns: dict[tuple[str, int], list[_Pattern]] = {}
        for template, methods in by_template.items():
            ignores_case = any(route.dialect.ignores_case for route in methods.values())
            if "<" in template or ignores_case:
                pattern = _pattern(template, re.IGNORECASE if ignores_case else re.NOFLAG)
                self._patterns.setdefault(_shape(template), []).append((pattern, template, methods))
        self._search: Callable[[str], Match | None] = lru_cache(CACHED_PATHS)(self._scan)
        self._dialects = {route.dialect for route in self.routes if route.dialect.prefix is not None}

    def match(self, path: str) -> Match | None:
        """Return what stands at a path, None when nothing does."""
        return self._exact.get(path) or self._search(path)

    def dialect(self, path: str, match: Match | None) -> Dialect:
        """Return the protocol that an error at a path is worded in."""
        if match is not None:
            return next(iter(match.routes.values())).dialect
        return next((d for d in self._dialects if _is_below(path, d)), NATIVE)

    def _scan(self, path: str) -> Match | None:
        for pattern, template, methods in self._patterns.get(_shape(path), ()):
            found = pattern.fullmatch(path)
            if found:
                return Match(template, methods, found.groupdict())
        return None


def _is_below(path: str, dialect: Dialect) -> bool:
    whole = f"{path.lower() if dialect.ignores_case else path}/"
    return whole.startswith(f"{dialect.prefix}/")


def _shape(path: str) -> tuple[str, int]:
    return path.split("/", 2)[1].lower() if path.startswith("/") else "", path.count("/")


def _pattern(template: str, flags: re.RegexFlag) -> "re.Pattern[str]":
    """Turn "/models/<name>" into an expression; a part is any text without a slash or an escape."""
    parts = re.split(r"<(\w+)>", template)
    text = "".join(re.escape(p) if i % 2 == 0 else rf"(?P<{p}>[A-Za-z0-9_-]+)" for i, p in enumerate(parts))
    return re.compile(text, re.ASCII | flags)
