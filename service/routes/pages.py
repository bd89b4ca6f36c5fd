"""The pages for people: a list of models with a form to try one, and the description of the routes."""

from functools import cache
from importlib.resources import files

from service.messages import HTML, JSON, Request, Response, json_response
from service.router import Route
from service.runtime import Runtime
from service.versions.catalog import NotServedError

__all__ = ["ROUTES"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = (("content-security-policy", POLICY), ("referrer-policy", "no-referrer"))
ASSETS = {
    "page-css": ("page.css", "text/css; charset=utf-8"),
    "playground-js": ("playground.js", "text/javascript; charset=utf-8"),
    "docs-js": ("docs.js", "text/javascript; charset=utf-8"),
}


@cache
def _file(name: str) -> bytes:
    return (files("service") / "pages" / name).read_bytes()


def index(request: Request, _runtime: Runtime) -> Response:
    """Answer the playground; a program that asks for no page, as KServe's client does, is told that all is well."""
    accept = request.headers.get("accept")
    if accept is not None and "text/html" not in accept:
        return json_response({"status": "alive"})
    return Response(200, _file("index.html"), HTML, PAGE_HEADERS)


def docs(_request: Request, _runtime: Runtime) -> Response:
    """Answer the page that describes every route."""
    return Response(200, _file("docs.html"), HTML, PAGE_HEADERS)


def asset(request: Request, _runtime: Runtime) -> Response:
    """Answer a script or style sheet of the pages, by its name in a fixed table."""
    found = ASSETS.get(request.parameters["asset"])
    if found is None:
        raise NotServedError("There is nothing at this path.")
    return Response(200, _file(found[0]), found[1], PAGE_HEADERS)


ROUTES = (
    Route("GET", "/", index, "A page that lists the models, with a form to try them", produces=(HTML, JSON)),
    Route("GET", "/docs", docs, "A page that describes every route", produces=(HTML,)),
    Route("GET", "/assets/<asset>", asset, "Scripts and styles of the pages", produces=("text/css", "text/javascript")),
)
