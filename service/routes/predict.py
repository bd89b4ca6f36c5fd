"""Predictions in the native protocol."""

from typing import TYPE_CHECKING

from service.answers import work_for
from service.batching import Work
from service.choosing import served_for
from service.instances import read_instances
from service.messages import Request
from service.router import Route

if TYPE_CHECKING:
    from service.runtime import Runtime

__all__ = ["ROUTES", "predict"]


def predict(request: Request, runtime: "Runtime") -> Work:
    """Answer every instance of the body, in the order it was sent."""
    served = served_for(request, runtime)
    instances = read_instances(request.body, served.predictor.schema, runtime.settings.max_rows)
    return work_for(served, instances, runtime)


ROUTES = tuple(
    Route("POST", template, predict, summary, access="predict", is_prediction=True)
    for template, summary in (
        ("/predict", "Predict with the default model"),
        ("/models/<name>/predict", "Predict with the champion of a model"),
        ("/models/<name>/versions/<version>/predict", "Predict with one loaded version"),
        ("/models/<name>/aliases/<alias>/predict", "Predict with the version an alias names"),
    )
)
