"""What TensorFlow Serving tells of its models: the states of their versions, and their signatures."""

from typing import Any

from predictor.repository import VERSION
from predictor.wording import shown
from service.dialects.tensorflow_bodies import signatures_of
from service.dialects.tensors import Tensor, inputs_of
from service.messages import Request, Response, json_response
from service.problems import Problem
from service.runtime import Runtime
from service.versions.catalog import VersionState
from service.versions.choosing import named_by

__all__ = ["check_label", "metadata", "model_status", "version_status"]

TYPES = {"FP32": "DT_FLOAT", "FP64": "DT_DOUBLE", "INT64": "DT_INT64", "BYTES": "DT_STRING"}


def check_label(request: Request, runtime: Runtime) -> None:
    """Refuse a label that no version of the model has with 400, which is what it is to TensorFlow Serving."""
    label = request.parameters.get("alias")
    if label is not None:
        entry = runtime.registry.catalog.entry(request.parameters["name"])
        if label not in entry.aliases and label not in entry.serving:
            raise Problem(400, f"Unrecognized servable version label: {shown(label)}.")


def model_status(request: Request, runtime: Runtime) -> Response:
    """Answer the state of every version that an alias names, newest first; `name` and `ready` are KServe's."""
    entry = runtime.registry.catalog.entry(request.parameters["name"])
    states = [_state(version, state) for version, state in sorted(entry.versions.items(), reverse=True)]
    return json_response({"model_version_status": states, "name": entry.name, "ready": "champion" in entry.serving})


def version_status(request: Request, runtime: Runtime) -> Response:
    """Answer the state of the version that the path names by its number or its label."""
    check_label(request, runtime)
    part = request.parameters.get
    catalog = runtime.registry.catalog
    entry = catalog.entry(part("name"))
    number = part("version") or ""
    version = int(number) if VERSION.fullmatch(number) else 0
    if version not in entry.versions:
        version = catalog.current(entry.name, version=part("version"), alias=part("alias")).version
    return json_response({"model_version_status": [_state(version, entry.versions[version])]})


def metadata(request: Request, runtime: Runtime) -> Response:
    """Answer the signatures of a version: names, types and shapes of what goes in and comes out."""
    check_label(request, runtime)
    served = named_by(request, runtime.registry.catalog)
    inputs = _tensors(inputs_of(served))
    signatures = {
        name: {
            "inputs": inputs,
            "outputs": _tensors(outputs),
            "method_name": "tensorflow/serving/predict",
            "defaults": {},
        }
        for name, outputs in signatures_of(served).items()
    }
    return json_response(
        {
            "model_spec": {"name": served.name, "signature_name": "", "version": str(served.version)},
            "metadata": {"signature_def": {"signature_def": signatures}},
        }
    )


def _state(version: int, state: VersionState) -> dict[str, Any]:
    if state.state == "ready":
        status = {"error_code": "OK", "error_message": ""}
        return {"version": str(version), "state": "AVAILABLE", "status": status}
    status = {"error_code": "FAILED_PRECONDITION", "error_message": state.reason or ""}
    return {"version": str(version), "state": "END", "status": status}


def _tensors(tensors: tuple[Tensor, ...]) -> dict[str, Any]:
    return {
        tensor.name: {
            "dtype": TYPES[tensor.datatype],
            "tensor_shape": {
                "dim": [{"size": str(size), "name": ""} for size in tensor.shape],
                "unknown_rank": False,
            },
            "name": f"{tensor.name}:0",
        }
        for tensor in tensors
    }
