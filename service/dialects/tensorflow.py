"""TensorFlow Serving's REST interface; on the same paths KServe's version 1 finds what it asks for.

Aliases are labels, versions are versions. Names are exact, the words of the paths around them may be in any case. Where
the two protocols differ, an answer holds the keys of both.
"""

import re

from predictor import ClassOutputs
from predictor.wording import shown
from service.bodies.answers import plain_work, work_for
from service.bodies.instances import Options
from service.computing.batching import Work
from service.dialects.oip_status import model_list
from service.dialects.tensorflow_bodies import read_examples, read_predict, render_results
from service.dialects.tensorflow_status import check_label, metadata, model_status, version_status
from service.dialects.wording import sentence_of, status_of
from service.messages import Request, Response, json_response
from service.problems import Problem
from service.router import Dialect, Handler, Route
from service.runtime import Runtime
from service.versions.catalog import Served
from service.versions.choosing import served_for

__all__ = ["ROUTES", "TENSORFLOW", "predict", "render"]

KNOWN = re.compile(
    r"/v1/models/[^/:]+(/versions/[^/:]+|/labels/[^/:]+)?(:(predict|classify|regress|explain)|/metadata)?",
    re.IGNORECASE,
)


def predict(request: Request, runtime: Runtime) -> Work:
    """Answer instances with predictions, or columns with outputs."""
    served = _served(request, runtime)
    asked = read_predict(request.body, served, runtime.settings.max_rows)
    return plain_work(served, asked.instances, runtime.observer, asked.render)


def classify(request: Request, runtime: Runtime) -> Work:
    """Answer examples with the score of every label."""
    served = _served(request, runtime)
    outputs = served.predictor.outputs
    if not isinstance(outputs, ClassOutputs) or not outputs.has_probabilities:
        raise Problem(400, f"Model {shown(served.name)} gives no probabilities of classes.")
    instances = read_examples(request.body, served, runtime.settings.max_rows)
    return plain_work(served, instances, runtime.observer, render_results)


def regress(request: Request, runtime: Runtime) -> Work:
    """Answer examples with one number each."""
    served = _served(request, runtime)
    outputs = served.predictor.outputs
    if isinstance(outputs, ClassOutputs) or len(outputs.targets) != 1:
        raise Problem(400, f"Model {shown(served.name)} does not predict one number.")
    instances = read_examples(request.body, served, runtime.settings.max_rows)
    return plain_work(served, instances, runtime.observer, render_results)


def explain(request: Request, runtime: Runtime) -> Work:
    """Answer instances with predictions and what each feature contributed to them: KServe's verb."""
    served = _served(request, runtime)
    asked = read_predict(request.body, served, runtime.settings.max_rows)
    instances = asked.instances._replace(options=Options(explain=True))
    return work_for(served, instances, runtime.observer, runtime.settings.max_rows)


def _served(request: Request, runtime: Runtime) -> Served:
    check_label(request, runtime)
    return served_for(request, runtime.registry.catalog, runtime.canaries)


def render(problem: Problem, request: Request) -> Response:
    """Answer a problem as TensorFlow Serving does."""
    if request.match is None and not KNOWN.fullmatch(request.path):
        return json_response({"error": f"Malformed request: {request.method} {shown(request.path)}"}, 400)
    return json_response({"error": sentence_of(problem, request.id)}, status_of(problem), problem.headers)


TENSORFLOW = Dialect("tensorflow", "TensorFlow Serving, and KServe version 1", render, prefix="/v1", ignores_case=True)

PLACES = (
    ("", "with the champion"),
    ("/versions/<version>", "with one loaded version"),
    ("/labels/<alias>", "with the version that a label (an alias) names"),
)
VERBS: tuple[tuple[str, Handler, str], ...] = (
    ("predict", predict, "Predict rows or columns"),
    ("classify", classify, "Score every class for examples"),
    ("regress", regress, "Predict one number for each example"),
    ("explain", explain, "Predict and tell what each feature contributed"),
)


def _routes() -> tuple[Route, ...]:
    found = [
        Route(
            "POST", f"/v1/models/<name>{place}:{verb}", handler, f"{what} {with_what}", access="predict",
            consumes=None, dialect=TENSORFLOW, is_prediction=True,
        )
        for verb, handler, what in VERBS
        for place, with_what in PLACES
    ]  # fmt: skip
    pages: tuple[tuple[str, Handler, str], ...] = (
        ("/v1/models", model_list, "The names of the models"),
        ("/v1/models/<name>", model_status, "The states of a model's versions"),
        ("/v1/models/<name>/versions/<version>", version_status, "The state of one version"),
        ("/v1/models/<name>/labels/<alias>", version_status, "The state of the version that a label names"),
        ("/v1/models/<name>/metadata", metadata, "The signatures of the champion"),
        ("/v1/models/<name>/versions/<version>/metadata", metadata, "The signatures of one version"),
        ("/v1/models/<name>/labels/<alias>/metadata", metadata, "The signatures of the version that a label names"),
    )
    found += [Route("GET", path, handler, summary, dialect=TENSORFLOW) for path, handler, summary in pages]
    return tuple(found)


ROUTES = _routes()
