"""The bodies of TensorFlow Serving: rows, columns and examples in; predictions, outputs and results out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from predictor.wording import kind_of, shown
from service.bodies.answers import Outputs, answered, named_headers
from service.bodies.instances import Instances, encoded, plain_instances
from service.bodies.pieces import Rows, dumped, spans
from service.dialects.reading import cell_of, read_object
from service.dialects.tensors import MATRIX, Tensor, outputs_of, value_of
from service.messages import JSON, Response
from service.problems import Problem, one_fault
from service.versions.catalog import Served

__all__ = ["DEFAULT", "Asked", "read_examples", "read_predict", "render_results", "signatures_of"]

DEFAULT = "serving_default"
MOST_REPEATED = 2**18
"""Values that a context may stand for, in all examples: few bytes could otherwise hold up a worker for seconds."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a predict request wants: its rows, whether they came as rows or as columns, and which outputs."""

    instances: Instances
    is_by_row: bool
    tensors: tuple[Tensor, ...]

    def render(self, served: Served, outputs: Outputs) -> Response:
        """Answer in the form of the request; a single output goes without its name."""
        columns = [value_of(tensor, outputs) for tensor in self.tensors]
        names = [tensor.name for tensor in self.tensors]
        if self.is_by_row:
            rows = columns[0] if len(names) == 1 else Rows(len(columns[0]), partial(_named, names, columns))
            return _json(served, {"predictions": rows}, len(columns[0]))
        found = columns[0] if len(names) == 1 else dict(zip(names, columns, strict=True))
        return _json(served, {"outputs": found}, len(columns[0]))


def signatures_of(served: Served) -> dict[str, tuple[Tensor, ...]]:
    """Return the outputs of each signature: all of them by default, or a single one by its name."""
    tensors = outputs_of(served)
    single = {tensor.name: (tensor,) for tensor in tensors} if len(tensors) > 1 else {}
    return {DEFAULT: tensors} | single


def read_predict(body: bytes, served: Served, max_rows: int) -> Asked:
    """Read a predict body; Problem says what is wrong and where."""
    schema = served.predictor.schema
    plain = plain_instances(body, schema, max_rows)
    if plain is not None:
        return Asked(plain, is_by_row=True, tensors=outputs_of(served))
    document = read_object(body, served, max_rows)
    tensors = _signature(document, signatures_of(served))
    if ("instances" in document) == ("inputs" in document):
        found = "both" if "inputs" in document else "neither"
        raise one_fault(400, "", "form", f"Missing 'inputs' or 'instances' key: expected one of them, found {found}")
    if "instances" in document:
        return Asked(_rows(document["instances"], served, max_rows), is_by_row=True, tensors=tensors)
    return Asked(_columns(document["inputs"], served, max_rows), is_by_row=False, tensors=tensors)


def read_examples(body: bytes, served: Served, max_rows: int) -> Instances:
    """Read a classify or regress body: one object for each row, on top of what their context says of all."""
    document = read_object(body, served, max_rows)
    _signature(document, signatures_of(served))
    context, examples = document.get("context", {}), document.get("examples")
    if not isinstance(context, dict):
        raise one_fault(400, "/context", "type", f"expected an object, found {kind_of(context)}")
    if not isinstance(examples, list) or not examples or not all(isinstance(example, dict) for example in examples):
        raise one_fault(400, "/examples", "type", "expected a list of at least one object by feature name")
    if len(context) * len(examples) > MOST_REPEATED:
        detail = (
            f"expected at most {MOST_REPEATED} values in all examples, found {len(context)} in each of {len(examples)}"
        )
        raise one_fault(413, "/context", "size", detail)
    common = {name: cell_of(value) for name, value in context.items()}
    for some in spans(len(examples)):
        examples[some] = [common | {name: cell_of(value) for name, value in e.items()} for e in examples[some]]
    return encoded("records", examples, served.predictor.schema, place="/examples", max_rows=max_rows)


def render_results(served: Served, outputs: Outputs) -> Response:
    """Answer a classify request with the score of every label, a regress request with a number for each row."""
    probabilities = outputs.probabilities
    if outputs.classes is not None and probabilities is not None:
        labels = list(map(str, outputs.classes))
        results: Any = Rows(len(probabilities), lambda some: [list(zip(labels, row)) for row in probabilities[some]])  # noqa: B905 - of one length
    else:
        results = outputs.predictions
    return _json(served, {"results": results}, len(outputs.values))


def _rows(value: object, served: Served, max_rows: int) -> Instances:
    schema = served.predictor.schema
    if isinstance(value, list) and value and isinstance(value[0], dict):
        if _is_matrix(value[0], served):
            value = [row[MATRIX] if isinstance(row, dict) and row.keys() == {MATRIX} else row for row in value]
            return encoded("rows", value, schema, place="/instances", max_rows=max_rows)
        for some in spans(len(value)):
            value[some] = [
                {k: cell_of(v) for k, v in row.items()} if isinstance(row, dict) else row for row in value[some]
            ]
        return encoded("records", value, schema, place="/instances", max_rows=max_rows)
    return encoded("rows", _nested(value, schema.names), schema, place="/instances", max_rows=max_rows)


def _columns(value: object, served: Served, max_rows: int) -> Instances:
    schema = served.predictor.schema
    if not isinstance(value, dict):
        return encoded("rows", _nested(value, schema.names), schema, place="/inputs", max_rows=max_rows)
    if _is_matrix(value, served):
        return encoded("rows", value[MATRIX], schema, place=f"/inputs/{MATRIX}", max_rows=max_rows)
    for column in value.values():
        if isinstance(column, list):
            for some in spans(len(column)):
                column[some] = map(cell_of, column[some])
    return encoded("columns", value, schema, place="/inputs", max_rows=max_rows)


def _is_matrix(value: Mapping[str, object], served: Served) -> bool:
    """Tell whether an object holds the one input of a model of numbers, by the name it is described with."""
    schema = served.predictor.schema
    return value.keys() == {MATRIX} and schema.is_numeric and MATRIX not in schema.names


def _nested(value: object, names: Sequence[str]) -> object:
    """Put bare values into rows where the model has one feature only."""
    if len(names) == 1 and isinstance(value, list) and not any(isinstance(cell, (list, dict)) for cell in value):
        return [[cell] for cell in value]
    return value


def _signature(document: Mapping[str, Any], known: Mapping[str, tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    name = document.get("signature_name", DEFAULT)
    if not isinstance(name, str):
        raise one_fault(400, "/signature_name", "type", f"expected a string, found {kind_of(name)}")
    tensors = known.get(name or DEFAULT)
    if tensors is None:
        raise Problem(400, f"Serving signature name: {shown(name)} not found; known: {', '.join(known)}.")
    return tensors


def _named(names: Sequence[str], columns: Sequence[Any], some: slice) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in zip(*(column[some] for column in columns), strict=True)]


def _json(served: Served, value: Mapping[str, Any], rows: int) -> Response:
    return answered(dumped(value, rows), JSON, rows, named_headers(served))
