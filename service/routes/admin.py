"""Promote and roll back over HTTP; these routes exist only when they are switched on and a token guards them."""

from collections.abc import Callable
from typing import Any

from predictor import RepositoryError
from service.bodies.documents import read_document
from service.messages import Request, Response, json_response
from service.problems import Problem, one_fault
from service.router import Route
from service.runtime import Runtime

__all__ = ["ROUTES", "promote", "rollback"]

HIGHEST_VERSION = 999_999_999
KEYS = {"version", "note", "watch"}


def promote(request: Request, runtime: Runtime) -> Response:
    """Make one published version the champion: ``{"version": n}``, with a ``note`` and ``"watch": false`` if wanted."""
    name = runtime.registry.catalog.entry(request.parameters["name"]).name
    document = _document(request.body)
    version = _version(document["version"])
    note, is_watched = document.get("note", ""), document.get("watch", True)
    if not isinstance(note, str):
        raise one_fault(422, "/note", "type", "expected text")
    if not isinstance(is_watched, bool):
        raise one_fault(422, "/watch", "type", "expected true or false")
    if version not in runtime.registry.repository.versions(name):
        raise one_fault(422, "/version", "unknown_version", f"model '{name}' has no version {version}")
    repository = runtime.registry.repository
    return _changed(runtime, name, lambda: repository.promote(name, version, note=note, is_watched=is_watched))


def rollback(request: Request, runtime: Runtime) -> Response:
    """Make the previous champion the champion again."""
    name = runtime.registry.catalog.entry(request.parameters["name"]).name
    return _changed(runtime, name, lambda: runtime.registry.repository.rollback(name))


def _changed(runtime: Runtime, name: str, change: Callable[[], object]) -> Response:
    try:
        change()
    except RepositoryError as error:
        raise Problem(409, f"The aliases of model '{name}' were not changed.") from error
    entry = runtime.registry.refresh().models[name]
    serving = {alias: served.version for alias, served in entry.serving.items()}
    return json_response({"model": name, "aliases": dict(entry.aliases), "serving": serving, "reasons": entry.faults()})


def _document(body: bytes) -> dict[str, Any]:
    document = read_document(body)
    if not isinstance(document, dict) or not {"version"} <= document.keys() <= KEYS:
        raise one_fault(422, "", "type", "expected an object with 'version', and 'note' and 'watch' if wanted")
    return document


def _version(version: object) -> int:
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= HIGHEST_VERSION:
        raise one_fault(422, "/version", "type", f"expected a whole number from 1 to {HIGHEST_VERSION}")
    return version


ROUTES = (
    Route("POST", "/admin/models/<name>/promote", promote, "Make a version the champion", access="admin"),
    Route(
        "POST",
        "/admin/models/<name>/rollback",
        rollback,
        "Make the previous champion serve again",
        access="admin",
        needs_body=False,
    ),
)
