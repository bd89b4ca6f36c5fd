"""From the outputs of a network to the body of a native answer."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor import ClassOutputs, Fault
from predictor.calibration import likely
from service.bodies.explaining import Explainer
from service.bodies.instances import Instances
from service.bodies.pieces import dumped
from service.computing.batching import Work
from service.messages import JSON, Headers, Response
from service.observer import Observer
from service.problems import one_fault
from service.versions.catalog import Served

__all__ = ["NotFiniteError", "Outputs", "answered", "named_headers", "plain_work", "work_for"]

Matrix = NDArray[Any]

USUAL_PART = 0.9
LARGEST = float(np.finfo(np.float32).max)


class Outputs(NamedTuple):
    """What a model says of some rows, in the words of its target: worked out when it is asked for, each time.

    `values` are what the network gave, (rows, outputs), where there are `labels`; else they are the numbers themselves,
    (rows,) or (rows, targets).
    """

    values: Matrix
    labels: ClassOutputs | None = None

    @property
    def predictions(self) -> Sequence[str | int] | Matrix:
        """The label of each row, or the numbers."""
        return self.values if self.labels is None else self.labels.named(self.labels.codes(self.values))

    @property
    def probabilities(self) -> Matrix | None:
        """The probability of each class, (rows, classes), where there are any."""
        return None if self.labels is None else self.labels.probabilities(self.values)

    @property
    def classes(self) -> tuple[str | int, ...] | None:
        """The labels that there are, None of numbers."""
        return None if self.labels is None else self.labels.labels


class NotFiniteError(ArithmeticError):
    """A model answered with something that is not a finite number."""

    def __init__(self, model: str, version: int) -> None:
        self.model = model
        super().__init__(f"version {version} of model {model} gave an output that is not finite")


def work_for(served: Served, instances: Instances, observer: Observer, max_rows: int) -> Work:
    """Say what is to be computed for a request, of at most `max_rows`, and how its outputs become the answer."""
    margin = _margin(served, instances.options.interval)
    warnings, count = _warnings(served, instances, observer)
    rows = len(instances.X)
    extra: dict[str, Any] = {}
    if instances.options.warnings:
        extra = {"warnings": _by_row(warnings, instances.layout, rows), "warning_count": count}
    if not instances.options.explain:
        return Work(served, instances.X, partial(_answer, served, extra, margin, None), instances.cells)
    explainer = Explainer(served.predictor, rows)
    if explainer.rows > max_rows:
        most = max(1, max_rows // (served.width + 1))
        detail = f"an explanation needs one more row for each feature: expected at most {most} rows, found {rows}"
        raise one_fault(422, "/explain", "rows", detail)
    finish = partial(_answer, served, extra, margin, explainer)
    return Work(served, explainer.occluded(instances.X), finish, instances.cells)


def plain_work(
    served: Served, instances: Instances, observer: Observer, answer: Callable[[Served, Outputs], Response]
) -> Work:
    """Say what is to be computed for a request without options; `answer` makes the response from what comes of it."""
    _warnings(served, instances, observer)
    return Work(served, instances.X, lambda A: answer(served, _outputs(served, A)), instances.cells)


def named_headers(served: Served) -> Headers:
    """Tell the model and the version that gave an answer whose body has no place for them."""
    return [("x-model-name", served.name), ("x-model-version", str(served.version))]


def answered(body: bytes, content_type: str, rows: int, headers: Headers = ()) -> Response:
    """Make the response of a prediction, counted as so many rows."""
    return Response(200, body, content_type, headers, rows)


def _answer(
    served: Served, extra: Mapping[str, Any], margin: float | None, explainer: Explainer | None, A: Matrix
) -> Response:
    outputs = _outputs(served, A, None if explainer is None else explainer.given)
    body: dict[str, Any] = {"model": served.name, "version": served.version, "predictions": outputs.predictions}
    probabilities = outputs.probabilities
    if probabilities is not None:
        body["probabilities"] = probabilities
    if outputs.labels is not None:
        body["classes"] = outputs.labels.labels
    if margin is not None:
        body.update(_bounds(outputs, margin))
    if extra:
        body.update(extra)
    if explainer is not None:
        body["explanations"] = explainer.contributions(A)
    rows = len(outputs.values)
    return answered(dumped(body, rows), JSON, rows)


def _outputs(served: Served, A: Matrix, given: int | None = None) -> Outputs:
    """Decode the first `given` rows of what a network gave, all by default; NotFiniteError for what is no number."""
    # One product tells whether all are finite; it can only err towards the closer look.
    if not math.isfinite(np.vdot(A, A)) and not np.isfinite(A).all():
        raise NotFiniteError(served.name, served.version)
    wanted = A if given is None else A[:given]
    outputs = served.predictor.outputs
    if isinstance(outputs, ClassOutputs):
        return Outputs(wanted, outputs)
    values = np.ascontiguousarray(outputs.decode(wanted), dtype=np.float32)
    if not np.isfinite(values).all():
        raise NotFiniteError(served.name, served.version)
    return Outputs(values.ravel() if values.ndim == 1 or values.shape[1] == 1 else values)


def _margin(served: Served, wanted: bool | float) -> float | None:  # noqa: FBT001 - as the request has it
    """Return the score that bounds the part of outcomes that the request wants to hold, None when it wants none."""
    if wanted is False:
        return None
    part = USUAL_PART if wanted is True else wanted
    calibration = served.predictor.calibration
    if calibration is None:
        raise one_fault(422, "/interval", "interval", f"model '{served.name}' was trained without intervals")
    margin = calibration.threshold(part)
    if margin is None:
        rows = len(calibration.scores)
        detail = (
            f"model '{served.name}' was calibrated on {rows} rows, too few for intervals that hold {part:g} of outcomes"
        )
        raise one_fault(422, "/interval", "interval", detail)
    return margin


def _bounds(outputs: Outputs, margin: float) -> dict[str, Any]:
    """Return the interval of each number, or the set of classes that each row may well belong to."""
    classes, probabilities = outputs.classes, outputs.probabilities
    if classes is not None and probabilities is not None:
        return {"sets": [[classes[i] for i in np.flatnonzero(row).tolist()] for row in likely(probabilities, margin)]}
    values = np.asarray(outputs.values, dtype=np.float64)
    intervals = np.column_stack([values - margin, values + margin])
    return {"intervals": np.clip(intervals, -LARGEST, LARGEST).astype(np.float32)}


def _warnings(served: Served, instances: Instances, observer: Observer) -> tuple[tuple[Fault, ...], int]:
    """Count what is unusual about the rows; return the first of it with how much there is."""
    outside = served.predictor.schema.out_of_range(instances.X, instances.layout)
    if not outside.total and not instances.warning_count:
        return (), 0
    if outside.total:
        observer.noted("out_of_range", outside.total, model=served.name)
    if instances.left_out_count:
        observer.noted("left_out", instances.left_out_count, model=served.name)
    if unknown := instances.warning_count - instances.left_out_count:
        observer.noted("unknown_category", unknown, model=served.name)
    place = "/inputs" if instances.layout == "columns" else "/instances"
    return instances.warnings + outside.below(place), instances.warning_count + outside.total


def _by_row(warnings: tuple[Fault, ...], layout: str, rows: int) -> list[list[dict[str, str]]]:
    """Put the warnings that are kept at the rows they are about."""
    position: Callable[[str], str] = (lambda p: p.rpartition("/")[2]) if layout == "columns" else _second
    found: list[list[dict[str, str]]] = [[] for _ in range(rows)]
    for fault in warnings:
        entry = {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail}
        found[int(position(fault.pointer))].append(entry)
    return found


def _second(pointer: str) -> str:
    return pointer.split("/", 3)[2]
