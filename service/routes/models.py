"""What is loaded: models, versions, schemas, metrics, lineage, states and reasons."""

from datetime import UTC, datetime
from typing import Any

from service.describing import version_details
from service.messages import Request, Response, json_response
from service.router import Route
from service.runtime import Runtime
from service.versions.catalog import Catalog, ModelEntry
from service.versions.watching import Rollback, Watch

__all__ = ["ROUTES"]


def list_models(_request: Request, runtime: Runtime) -> Response:
    """Answer every model with the states of its versions."""
    catalog = runtime.registry.catalog
    return json_response(
        {"models": [_summary(entry, catalog, runtime) for entry in catalog.models.values()], "default": catalog.default}
    )


def show_model(request: Request, runtime: Runtime) -> Response:
    """Answer one model, with the details of the version that answers for it."""
    catalog = runtime.registry.catalog
    entry = catalog.entry(request.parameters["name"])
    served = entry.serving.get("champion")
    return json_response(_summary(entry, catalog, runtime) | {"champion": version_details(served) if served else None})


def show_version(request: Request, runtime: Runtime) -> Response:
    """Answer one version that is loaded, or that failed to load."""
    entry = runtime.registry.catalog.entry(request.parameters["name"])
    version = request.parameters["version"]
    state = Catalog.state(entry, version)
    known = {"model": entry.name, "version": int(version), "state": state.state, "reason": state.reason}
    known["code"] = state.code
    return json_response(known | (version_details(state.served) if state.served else {}))


def _summary(entry: ModelEntry, catalog: Catalog, runtime: Runtime) -> dict[str, Any]:
    splits = {"canary": runtime.canaries.get(entry.name), "shadow": runtime.shadow.rules.get(entry.name)}
    return {
        "name": entry.name,
        "is_default": entry.name == catalog.default,
        "ready": entry.is_ready,
        "aliases": dict(entry.aliases),
        "serving": {alias: served.version for alias, served in entry.serving.items()},
        "versions": [
            {"version": version, "state": state.state, "reason": state.reason, "code": state.code}
            for version, state in sorted(entry.versions.items())
        ],
        "reasons": entry.faults(),
        **{kind: {"alias": rule.alias, "share": rule.share} for kind, rule in splits.items() if rule is not None},
        "watches": [_watch(watch, entry, runtime) for watch in entry.watches.values()],
        "rollbacks": [_rollback(back) for back in entry.rollbacks.values()],
    }


def _watch(watch: Watch, entry: ModelEntry, runtime: Runtime) -> dict[str, Any]:
    figures = runtime.evidence.figures(entry, watch)
    return {
        "alias": watch.alias,
        "version": watch.version,
        "beside": watch.beside,
        "since": _utc(watch.since),
        "until": None if watch.until is None else _utc(watch.until),
        "figures": None if figures is None else figures.said(),
    }


def _rollback(back: Rollback) -> dict[str, Any]:
    said = {"alias": back.alias, "version": back.version, "to": back.to, "reason": back.reason, "detail": back.detail}
    return said | {"at": _utc(back.at), "is_held": back.is_held}


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


ROUTES = (
    Route("GET", "/models", list_models, "The models, their aliases and the state of each version"),
    Route("GET", "/models/<name>", show_model, "One model, with the schema and metrics of its champion"),
    Route("GET", "/models/<name>/versions/<version>", show_version, "One version: state, schema, metrics, lineage"),
)
