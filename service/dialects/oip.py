"""The Open Inference Protocol, version 2, with binary tensors, repository, configuration and statistics."""

from service.bodies.answers import plain_work
from service.computing.batching import Work
from service.dialects import oip_status as status
from service.dialects.oip_bodies import read_infer
from service.dialects.oip_statistics import all_statistics, model_statistics
from service.dialects.wording import sentence_of, status_of
from service.messages import Request, Response, json_response
from service.problems import Problem
from service.router import Access, Dialect, Handler, Route
from service.runtime import Runtime
from service.versions.choosing import served_for

__all__ = ["ADMIN_ROUTES", "OIP", "ROUTES"]


def infer(request: Request, runtime: Runtime) -> Work:
    """Answer the outputs that are asked for, by default all of them."""
    served = served_for(request, runtime.registry.catalog, runtime.canaries)
    asked = read_infer(request, served, runtime.settings.max_rows)
    if asked.timeout_s is not None:
        request.deadline = min(request.deadline, (request.ready or request.received) + asked.timeout_s)
    return plain_work(served, asked.instances, runtime.observer, asked.render)


def render(problem: Problem, request: Request) -> Response:
    """Answer a problem as this protocol does."""
    return json_response({"error": sentence_of(problem, request.id)}, status_of(problem), problem.headers)


OIP = Dialect(
    "oip", "Open Inference Protocol, version 2", render, prefix="/v2", encodings=("gzip", "deflate"), compresses=True
)

PAGES: tuple[tuple[str, Handler, str], ...] = (
    ("/v2", status.server, "What this server is"),
    ("/v2/health/live", status.server_live, "Whether the process is alive"),
    ("/v2/health/ready", status.server_ready, "Whether every model that should serve does"),
    ("/v2/models", status.model_list, "The names of the models"),
    ("/v2/models/<name>", status.model_metadata, "Inputs and outputs of the champion"),
    ("/v2/models/<name>/ready", status.model_ready, "Whether the champion can answer"),
    ("/v2/models/<name>/config", status.model_config, "The configuration of the champion"),
    ("/v2/models/<name>/versions/<version>", status.model_metadata, "Inputs and outputs of one version"),
    ("/v2/models/<name>/versions/<version>/ready", status.model_ready, "Whether one version can answer"),
    ("/v2/models/<name>/versions/<version>/config", status.model_config, "The configuration of one version"),
)
STATISTICS: tuple[tuple[str, Handler, str], ...] = (
    ("/v2/models/stats", all_statistics, "What was counted of every version"),
    ("/v2/models/<name>/stats", model_statistics, "What was counted of a model's versions"),
    ("/v2/models/<name>/versions/<version>/stats", model_statistics, "What was counted of one version"),
)


def _post(path: str, handler: Handler, summary: str, access: Access) -> Route:
    is_prediction = handler is infer
    return Route(
        "POST", path, handler, summary, access=access, consumes=None, dialect=OIP, is_prediction=is_prediction,
        needs_body=is_prediction,
        produces=("application/json", "application/octet-stream") if is_prediction else ("application/json",),
    )  # fmt: skip


ROUTES = (
    _post("/v2/models/<name>/infer", infer, "Predict with the champion", "predict"),
    _post("/v2/models/<name>/versions/<version>/infer", infer, "Predict with one loaded version", "predict"),
    *(Route("GET", path, handler, summary, dialect=OIP) for path, handler, summary in PAGES),
    *(Route("GET", path, handler, summary, access="observe", dialect=OIP) for path, handler, summary in STATISTICS),
    _post("/v2/repository/index", status.index, "The versions that aliases name, with their states", "public"),
)
ADMIN_ROUTES = (
    _post("/v2/repository/models/<name>/load", status.load, "Look at the repository now", "admin"),
    _post("/v2/repository/models/<name>/unload", status.unload, "Refused: aliases say what serves", "admin"),
)
