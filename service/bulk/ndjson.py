"""One JSON value a line: a list of cells or an object by feature name for each row."""

from collections.abc import Mapping
from typing import Any

import orjson

from predictor import Schema
from service.bodies.answers import Outputs
from service.bodies.documents import read_document
from service.bodies.instances import Instances, encoded, layout_of, plain_instances
from service.bulk.csv_text import numbers_as_text
from service.problems import Problem, one_fault
from service.versions.catalog import Served

__all__ = ["read", "write"]

OPENING = (b"[", b"{")
CLOSING = (b"]", b"}")


def read(body: bytes, schema: Schema, max_rows: int, _parameters: Mapping[str, str]) -> Instances:
    """Read rows, all of them lists or all of them objects; faults point at /row/..."""
    lines = [line for line in map(bytes.strip, body.split(b"\n", max_rows + 1)) if line]
    if len(lines) > max_rows:
        raise one_fault(422, "", "rows", f"expected at most {max_rows} rows, found more")
    if not lines:
        raise one_fault(422, "", "empty", "expected at least one row, found none")
    for number, line in enumerate(lines):
        if not (line.startswith(OPENING) and line.endswith(CLOSING)):
            raise Problem(400, f"Row {number} is not a JSON list or object on a line of its own.")
    whole = b'{"instances":[' + b",".join(lines) + b"]}"
    plain = plain_instances(whole, schema, max_rows)
    if plain is not None and len(plain.X) == len(lines):
        return plain
    rows = _rows(whole, lines)
    return encoded(layout_of("instances", rows), rows, schema, place="", max_rows=max_rows)


def write(_served: Served, outputs: Outputs) -> bytes:
    """Write one object a row: `prediction`, and `probabilities` by class where there are any."""
    probabilities = outputs.probabilities
    if probabilities is None or outputs.classes is None:
        lines = (orjson.dumps({"prediction": v}, option=orjson.OPT_SERIALIZE_NUMPY) for v in outputs.predictions)
        return b"".join(line + b"\n" for line in lines)
    cells = b",".join(_escaped(label) + b":%b" for label in map(str, outputs.classes))
    template = b'{"prediction":%b,"probabilities":{' + cells + b"}}\n"
    texts = {label: orjson.dumps(label) for label in outputs.classes}
    rows = zip(outputs.predictions, numbers_as_text(probabilities), strict=True)
    return b"".join(template % (texts[label], *numbers.split(b",")) for label, numbers in rows)


def _escaped(text: str) -> bytes:
    return orjson.dumps(text).replace(b"%", b"%%")


def _rows(whole: bytes, lines: list[bytes]) -> list[Any]:
    """Decode all lines at once; when something is wrong, the line that it is in says so."""
    try:
        rows: list[Any] = read_document(whole)["instances"]
    except Problem:
        rows = []
    if len(rows) == len(lines):
        return rows
    for number, line in enumerate(lines):
        try:
            read_document(line)
        except Problem as problem:
            raise Problem(problem.status, f"Row {number}: {problem.detail}", errors=problem.errors) from problem
    raise Problem(400, "The body is not one JSON value a line.")
