"""The statistics extension of the Open Inference Protocol: what all workers counted of each version."""

from collections.abc import Mapping
from typing import Any

from service.messages import Request, Response, json_response
from service.observer import Observer
from service.runtime import Runtime

__all__ = ["all_statistics", "model_statistics"]

NANOSECONDS = 1e9
MILLISECONDS = 1e3
NONE = {"count": 0, "ns": 0}
REFUSED = ("invalid", "refused", "late", "failed")


def all_statistics(_request: Request, runtime: Runtime) -> Response:
    """Answer the statistics of every version that an alias names."""
    entries = runtime.registry.catalog.models.values()
    named = [(entry.name, version) for entry in entries for version in sorted(entry.versions)]
    return json_response({"model_stats": [_described(runtime.observer, *of) for of in named]})


def model_statistics(request: Request, runtime: Runtime) -> Response:
    """Answer the statistics of one version, or of all that aliases of the model name."""
    catalog = runtime.registry.catalog
    part = request.parameters.get
    entry = catalog.entry(part("name"))
    wanted = part("version")
    versions = sorted(entry.versions) if wanted is None else [catalog.version(entry, wanted).version]
    return json_response({"model_stats": [_described(runtime.observer, entry.name, version) for version in versions]})


def _described(observer: Observer, name: str, version: int) -> dict[str, Any]:
    found: Mapping[str, float] = observer.statistics(name, version)
    count = found.get

    def times(kind: str, requests: float) -> dict[str, int]:
        return {"count": int(requests), "ns": round(count(f"{kind}_seconds", 0.0) * NANOSECONDS)}

    ok = count("ok", 0.0)
    kinds = (
        ("queue", "queue"),
        ("compute_input", "decode"),
        ("compute_infer", "compute"),
        ("compute_output", "encode"),
    )
    inference = {"success": times("ok", ok), "fail": times("other", sum(count(name, 0.0) for name in REFUSED))}
    inference |= {known: times(stage, ok) for known, stage in kinds}
    return {
        "name": name,
        "version": str(version),
        "last_inference": round(count("last", 0.0) * MILLISECONDS),
        "inference_count": int(count("rows", 0.0)),
        "execution_count": int(count("executions", 0.0)),
        "inference_stats": inference | {"cache_hit": NONE, "cache_miss": NONE},
        "batch_stats": [],
        "memory_usage": [],
    }
