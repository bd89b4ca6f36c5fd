"""Promote and roll back over HTTP; these routes exist only when they are switched on and a token guards them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from predictor import RepositoryError
from service.documents import read_document
from service.messages import Request, Response, json_response
from service.problems import Problem, one_fault
from service.router import Route

if TYPE_CHECKING:
    from service.runtime import Runtime

__all__ = ["ROUTES", "promote", "rollback"]

HIGHEST_VERSION = 999_999_999


def promote(request: Request, runtime: "Runtime") -> Response:
    """Make one published version the champion: ``{"version": n}``."""
    name = runtime.registry.catalog.entry(request.parameters["name"]).name
    version = _version(request.body)
    if version not in runtime.registry.repository.versions(name):
        raise one_fault(422, "/version", "unknown_version", f"model '{name}' has no version {version}")
    return _changed(runtime, name, lambda: runtime.registry.repository.promote(name, version))


def rollback(request: Request, runtime: "Runtime") -> Response:
    """Make the previous champion the champion again."""
    name = runtime.registry.catalog.entry(request.parameters["name"]).name
    return _changed(runtime, name, lambda: runtime.registry.repository.rollback(name))


def _changed(runtime: "Runtime", name: str, change: Callable[[], object]) -> Response:
    try:
        change()
    except RepositoryError as error:
        raise Problem(409, f"The aliases of model '{name}' were not changed.") from error
    entry = runtime.registry.refresh().models[name]
    serving = {alias: served.version for alias, served in entry.serving.items()}
    return json_response({"model": name, "aliases": dict(entry.aliases), "serving": serving, "reasons": entry.faults()})


def _version(body: bytes) -> int:
    document = read_document(body)
    if not isinstance(document, dict) or set(document) != {"version"}:
        raise one_fault(422, "", "type", "expected an object with 'version' only")
    version = document["version"]
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= HIGHEST_VERSION:
        raise one_fault(422, "/version", "type", f"expected a whole number from 1 to {HIGHEST_VERSION}")
    return version


ROUTES = (
    Route("POST", "/admin/models/<name>/promote", promote, "Make a version the champion", access="admin"),
    Route("POST", "/admin/models/<name>/rollback", rollback, "Make the previous champion serve again", access="admin"),
)
