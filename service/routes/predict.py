"""Predictions in the native protocol."""

from functools import partial

from service.bodies.answers import plain_work, work_for
from service.bodies.instances import NO_OPTIONS, read_instances
from service.bodies.negotiation import chosen_type
from service.bulk import KINDS, form_of, write_bulk
from service.computing.batching import Work
from service.messages import JSON, Request, media_type
from service.problems import Problem
from service.router import Route
from service.runtime import Runtime
from service.versions.catalog import Served
from service.versions.choosing import served_for

__all__ = ["ROUTES", "predict"]

TYPES = (JSON, *KINDS)
OF_JSON = frozenset({None, "", JSON})
FOR_JSON = frozenset({None, "", JSON, "*/*"})


def predict(request: Request, runtime: Runtime) -> Work:
    """Answer every instance of the body, in the order it was sent."""
    served = served_for(request, runtime.registry.catalog, runtime.canaries)
    if request.headers.get("content-type") in OF_JSON and request.headers.get("accept") in FOR_JSON:
        instances = read_instances(request.body, served.predictor.schema, runtime.settings.max_rows)
        return work_for(served, instances, runtime.observer, runtime.settings.max_rows)
    return _predict_in_bulk(request, served, runtime)


def _predict_in_bulk(request: Request, served: Served, runtime: Runtime) -> Work:
    """Do the same where the body or the answer may be in another form than JSON."""
    kind, parameters = media_type(request.headers.get("content-type") or JSON)
    schema, max_rows = served.predictor.schema, runtime.settings.max_rows
    given = form_of(kind)
    if given is None:
        instances = read_instances(request.body, schema, max_rows)
    else:
        instances = given.read(request.body, schema, max_rows, parameters)
    wanted = form_of(chosen_type(request.headers.get("accept") or JSON, TYPES) or JSON)
    if wanted is None:
        return work_for(served, instances, runtime.observer, runtime.settings.max_rows)
    if instances.options != NO_OPTIONS:
        raise Problem(422, f"Options need an answer in {JSON}.")
    return plain_work(served, instances, runtime.observer, partial(write_bulk, wanted))


ROUTES = tuple(
    Route("POST", template, predict, summary, access="predict", consumes=TYPES, produces=TYPES, is_prediction=True)
    for template, summary in (
        ("/predict", "Predict with the default model"),
        ("/models/<name>/predict", "Predict with the champion of a model"),
        ("/models/<name>/versions/<version>/predict", "Predict with one loaded version"),
        ("/models/<name>/aliases/<alias>/predict", "Predict with the version an alias names"),
    )
)
