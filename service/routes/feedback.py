"""What turned out to be true: taken for the log store, and shown as how right the versions are."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from numpy.typing import NDArray

from feedback import Told
from predictor import ClassOutputs
from service.computing.batching import Work
from service.messages import Request, Response, json_response
from service.problems import Problem, one_fault
from service.router import Route
from service.runtime import Runtime
from service.sharing.windows import WINDOWS
from service.truth.judging import LEVEL
from service.truth.logbook import Logbook
from service.truth.logrecords import cells_json, outputs_json
from service.truth.truths import Brought, Item, known_count, read_feedback, wrong_length
from service.versions.catalog import Served
from service.versions.choosing import named_by

__all__ = ["ROUTES"]

ACCEPTED = 202
DAY = WINDOWS[-1]


@dataclass(frozen=True)
class _Met:
    """What is told of a request, and what the store says of the request."""

    item: Item
    state: str
    version: int | None = None


def give_feedback(request: Request, runtime: Runtime) -> Response | Work:
    """Take what was true of requests by their ids, or of rows that come along, in the background."""
    logbook = _logbook(runtime)
    served = named_by(request, runtime.registry.catalog)
    given = read_feedback(request.body, served, runtime.settings.max_rows)
    if isinstance(given, Brought):
        return Work(served, given.instances.X, partial(_take_rows, request, served, given, logbook))
    met = _met(given, served.name, logbook)
    taken = [found for found in met if found.state != "not_logged"]
    if not taken:
        raise Problem(404, "None of these requests is one of the sample that is kept: send the rows with their truths.")
    now = time.time()
    logbook.tell([_told(found.item, served.name, now, request.client) for found in taken])
    said = [{"request_id": found.item.request_id, "state": found.state, "version": found.version} for found in met]
    rows = sum(known_count(found.item.truths) for found in taken)
    return json_response({"model": served.name, "rows": rows, "feedback": said}, ACCEPTED)


def show_feedback(request: Request, runtime: Runtime) -> Response:
    """Answer how right each loaded version was in the last day, or ?window=1h, by the truths that are known."""
    logbook = _logbook(runtime)
    window = request.option("window") or DAY
    if window not in WINDOWS:
        raise one_fault(422, "", "window", f"window: expected {' or '.join(WINDOWS)}")
    entry = runtime.registry.catalog.entry(request.parameters["name"])
    versions: list[dict[str, Any]] = []
    for state in entry.versions.values():
        if state.served is not None:
            aliases = [alias for alias, served in entry.serving.items() if served is state.served]
            versions.append(
                {"version": state.served.version, "aliases": aliases} | _figures(state.served, logbook, window)
            )
    versions.sort(key=lambda said: said["version"])
    return json_response({"model": entry.name, "window": window, "interval": LEVEL, "versions": versions})


def _logbook(runtime: Runtime) -> Logbook:
    if runtime.logbook is None:
        raise Problem(404, "Feedback is not taken here: GANGLION_LOG_STORE names no store.")
    return runtime.logbook


def _met(items: list[Item], model: str, logbook: Logbook) -> list[_Met]:
    """Look for the requests; Problem 422 for one of another number of rows."""
    logged = [item for item in items if logbook.takes(item.request_id)]
    answers = logbook.answers(model, [item.request_id for item in logged]) if logged else None
    found = []
    for item in items:
        answer = (answers or {}).get(item.request_id)
        if answer is not None and answer.size != len(item.truths):
            raise wrong_length(item.place, answer.size, len(item.truths))
        if answer is not None:
            found.append(_Met(item, "matched", answer.version))
        else:
            found.append(_Met(item, "waiting" if logbook.takes(item.request_id) else "not_logged"))
    return found


def _told(item: Item, model: str, now: float, client: str | None) -> Told:
    truths = orjson.dumps(item.truths).decode()
    return Told(model, None, item.request_id, now, client, None, len(item.truths), None, truths)


def _take_rows(request: Request, served: Served, given: Brought, logbook: Logbook, A: NDArray[Any]) -> Response:
    shape, rows = logbook.shape(served), len(given.truths)
    cells, truths = cells_json(served, [given.instances.cells])[0], orjson.dumps(given.truths).decode()
    told = Told(served.name, served.version, None, time.time(), request.client, shape.id, rows, cells, truths)
    logbook.tell([told], shape)
    logbook.judge(served, orjson.loads(outputs_json(served, [A[:rows]])[0]), given.truths)
    said = {"model": served.name, "rows": known_count(given.truths), "version": served.version}
    return json_response(said, ACCEPTED)


def _figures(served: Served, logbook: Logbook, window: str) -> dict[str, Any]:
    is_classes = isinstance(served.predictor.outputs, ClassOutputs)
    return logbook.live.of(served.name, served.version, window).said(is_classes=is_classes)


ROUTES = (
    *(
        Route("POST", template, give_feedback, summary, access="feedback", status=ACCEPTED)
        for template, summary in (
            ("/feedback", "Tell what was true of earlier requests to the default model, or of rows"),
            ("/models/<name>/feedback", "The same for a model by name"),
        )
    ),
    Route("GET", "/models/<name>/feedback", show_feedback, "How right the versions of a model are, by feedback",
          access="observe"),
)  # fmt: skip
