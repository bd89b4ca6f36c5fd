"""What the Open Inference Protocol tells of the server and of its models, and the model repository extension."""

from typing import Any

from predictor.wording import kind_of
from service.bodies.documents import read_document
from service.dialects.tensors import Tensor, inputs_of, outputs_of
from service.messages import Request, Response, json_response
from service.problems import Problem, one_fault
from service.runtime import Runtime
from service.versions.catalog import Catalog
from service.versions.choosing import named_by

__all__ = [
    "index",
    "load",
    "model_config",
    "model_list",
    "model_metadata",
    "model_ready",
    "server",
    "server_live",
    "server_ready",
]

EXTENSIONS = ("binary_tensor_data", "classification", "model_repository", "model_configuration", "statistics")
PLATFORM = "ganglion_npz"


def server(_request: Request, _runtime: Runtime) -> Response:
    """Answer what this server is."""
    return json_response({"name": "ganglion", "version": "1", "extensions": EXTENSIONS})


def server_live(_request: Request, _runtime: Runtime) -> Response:
    """Say that the process answers."""
    return json_response({"live": True})


def server_ready(_request: Request, runtime: Runtime) -> Response:
    """Say whether every model that should serve does; 503 when not."""
    return _readiness({"ready": runtime.is_ready})


def model_ready(request: Request, runtime: Runtime) -> Response:
    """Say whether a model, or one version of it, can answer; 503 when not."""
    catalog = runtime.registry.catalog
    part = request.parameters.get
    entry = catalog.entry(part("name"))
    version = part("version")
    is_ready = catalog.state(entry, version).served is not None if version else "champion" in entry.serving
    return _readiness({"name": entry.name, "ready": is_ready})


def _readiness(answer: dict[str, Any]) -> Response:
    return json_response(answer) if answer["ready"] else json_response(answer, 503, [("retry-after", "1")])


def model_list(_request: Request, runtime: Runtime) -> Response:
    """Answer the names of all models, as KServe does."""
    return json_response({"models": list(runtime.registry.catalog.models)})


def model_metadata(request: Request, runtime: Runtime) -> Response:
    """Answer names, types and shapes of what goes into a model and comes out."""
    served = named_by(request, runtime.registry.catalog)
    versions = runtime.registry.catalog.entry(served.name).versions
    return json_response(
        {
            "name": served.name,
            "versions": [str(version) for version, state in sorted(versions.items()) if state.state == "ready"],
            "platform": PLATFORM,
            "inputs": [_described(tensor) for tensor in inputs_of(served)],
            "outputs": [_described(tensor) for tensor in outputs_of(served)],
        }
    )


def model_config(request: Request, runtime: Runtime) -> Response:
    """Answer the same in the words of the model configuration extension."""
    served = named_by(request, runtime.registry.catalog)
    return json_response(
        {
            "name": served.name,
            "platform": PLATFORM,
            "backend": "ganglion",
            "max_batch_size": 0,
            "input": [_configured(tensor) for tensor in inputs_of(served)],
            "output": [_configured(tensor) for tensor in outputs_of(served)],
        }
    )


def index(request: Request, runtime: Runtime) -> Response:
    """Answer every version that an alias names, with its state; {"ready": true} asks for those that serve."""
    wants_ready: Any = False
    if request.body.strip():
        document = read_document(request.body)
        wants_ready = document.get("ready", False) if isinstance(document, dict) else None
        if not isinstance(wants_ready, bool):
            detail = f"expected an object in which ready is true or false, found {kind_of(document)}"
            raise one_fault(400, "", "type", detail)
    found = _versions(runtime.registry.catalog)
    return json_response([entry for entry in found if entry["state"] == "READY" or not wants_ready])


def load(request: Request, runtime: Runtime) -> Response:
    """Look at the repository now, and say whether the model serves what its aliases name."""
    entry = runtime.registry.refresh().models.get(request.parameters["name"])
    if entry is None:
        raise Problem(400, "failed to load: the repository has no such model")
    if not entry.is_ready or entry.faults():
        raise Problem(400, f"failed to load: {'; '.join(entry.faults()) or 'no version of it can serve'}")
    return Response(200, b"")


def unload(request: Request, runtime: Runtime) -> Response:
    """Refuse: what serves is what the aliases of the repository name."""
    entry = runtime.registry.catalog.entry(request.parameters["name"])
    raise Problem(501, f"model '{entry.name}' serves as long as an alias of the repository names a version of it")


def _versions(catalog: Catalog) -> list[dict[str, str]]:
    return [
        {
            "name": entry.name,
            "version": str(version),
            "state": "READY" if state.state == "ready" else "UNAVAILABLE",
            "reason": state.reason or "",
        }
        for entry in catalog.models.values()
        for version, state in sorted(entry.versions.items())
    ]


def _described(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}


def _configured(tensor: Tensor) -> dict[str, Any]:
    kind = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    return {"name": tensor.name, "data_type": f"TYPE_{kind}", "dims": tensor.shape}
