"""MLflow's scoring protocol and SageMaker's container interface, which share their route.

The default model answers. JSON is MLflow's; CSV has MLflow's line of names or SageMaker's lack of one; whatever else
SageMaker's Content-Type and Accept name among the bulk forms is read and written as on the native routes.
"""

from functools import partial
from typing import Any

from service.bodies.answers import Outputs, answered, named_headers, plain_work
from service.bodies.instances import Instances
from service.bodies.negotiation import chosen_type, found_type
from service.bodies.pieces import dumped
from service.bulk import form_of
from service.bulk.csv_text import read_table, write_predictions
from service.computing.batching import Work
from service.dialects.invocations_json import read_json
from service.dialects.wording import sentence_of, status_of
from service.messages import JSON, Request, Response, json_response, media_type
from service.problems import Problem
from service.router import Dialect, Route
from service.runtime import Runtime
from service.versions.catalog import NotReadyError, Served
from service.versions.choosing import served_for

__all__ = ["INVOCATIONS", "ROUTES"]

CSV = "text/csv"
TEXT = "text/plain; charset=utf-8"
ANSWERS = (JSON, CSV, "application/x-ndjson", "application/jsonlines", "application/x-npy")
UNSUPPORTED = 415
ERROR_CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED", 500: "INTERNAL_ERROR", 503: "TEMPORARILY_UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def invoke(request: Request, runtime: Runtime) -> Work:
    """Answer the rows of a body with predictions."""
    served = served_for(request, runtime.registry.catalog, runtime.canaries)
    instances, is_probable = _read(request, served, runtime.settings.max_rows)
    wanted = chosen_type(request.headers.get("accept") or JSON, ANSWERS) or JSON
    return plain_work(served, instances, runtime.observer, partial(_render, wanted, is_probable))


def _read(request: Request, served: Served, max_rows: int) -> tuple[Instances, bool]:
    """Return the rows, and whether probabilities are wanted for predictions."""
    kind, parameters = media_type(request.headers.get("content-type") or JSON)
    if parameters.pop("charset", "utf-8") not in ("utf-8", "utf8"):
        raise Problem(UNSUPPORTED, "Expected a body in UTF-8.")
    header = parameters.pop("header", None) if kind == CSV else None
    if parameters or header not in (None, "present", "absent"):
        raise Problem(UNSUPPORTED, f"Expected no parameters of the content type {kind[:64]} but its charset.")
    if kind == JSON:
        return read_json(request.body, served, max_rows)
    schema = served.predictor.schema
    if kind == CSV:
        return read_table(request.body, schema, max_rows, header, ignores_others=True), False
    form = form_of(kind)
    if form is None:
        found = found_type(request.headers["content-type"])
        raise Problem(UNSUPPORTED, f"Expected a body of type {' or '.join(ANSWERS)}, found {found}.")
    return form.read(request.body, schema, max_rows, parameters), False


def _render(wanted: str, is_probable: bool, served: Served, outputs: Outputs) -> Response:  # noqa: FBT001 - bound by position
    if is_probable and outputs.probabilities is None:
        raise Problem(400, f"Model '{served.name}' gives no probabilities.")
    form = form_of(wanted)
    if wanted == CSV:
        body = write_predictions(outputs)
    elif form is not None:
        body = form.write(served, outputs)
    else:
        value: Any = outputs.probabilities if is_probable else outputs.predictions
        body = dumped({"predictions": value}, len(outputs.values))
    return answered(body, wanted, len(outputs.values), named_headers(served))


def ping(_request: Request, runtime: Runtime) -> Response:
    """Say that the default model can answer; 503 when it cannot."""
    runtime.registry.catalog.current(None)
    if not runtime.is_ready:
        raise NotReadyError("A model that should serve does not.")
    return Response(200, b"\n", TEXT)


def version(_request: Request, _runtime: Runtime) -> Response:
    """Answer the version of this interface."""
    return Response(200, b"1", TEXT)


def execution_parameters(_request: Request, runtime: Runtime) -> Response:
    """Answer what a batch transform may send at once."""
    megabytes = max(1, runtime.settings.max_body_bytes // 2**20)
    concurrent = 2 * runtime.settings.workers
    return json_response(
        {"MaxConcurrentTransforms": concurrent, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": megabytes}
    )


def render(problem: Problem, request: Request) -> Response:
    """Answer a problem as MLflow does: another type of body in plain text, the rest as JSON."""
    status = status_of(problem)
    message = sentence_of(problem, request.id)
    if status == UNSUPPORTED:
        return Response(status, message.encode(), TEXT, problem.headers)
    code = ERROR_CODES.get(status, "BAD_REQUEST")
    return json_response({"error_code": code, "message": message}, status, problem.headers)


INVOCATIONS = Dialect("invocations", "MLflow and SageMaker", render, fault_types=(JSON, "text/plain"))

ROUTES = (
    Route(
        "POST", "/invocations", invoke, "Predict with the default model", access="predict", consumes=None,
        produces=ANSWERS, dialect=INVOCATIONS, is_prediction=True,
    ),
    Route("GET", "/ping", ping, "Whether the models can answer", produces=(TEXT,), dialect=INVOCATIONS),
    Route("GET", "/health", ping, "The same", produces=(TEXT,), dialect=INVOCATIONS),
    Route("GET", "/version", version, "The version of this interface", produces=(TEXT,), dialect=INVOCATIONS),
    Route(
        "GET", "/execution-parameters", execution_parameters, "What a batch transform may send", dialect=INVOCATIONS
    ),
)  # fmt: skip
