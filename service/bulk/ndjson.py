"""One JSON value a line: a list of cells or an object by feature name for each row."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from predictor import Schema
from service.bodies.answers import Outputs
from service.bodies.documents import read_document
from service.bodies.instances import Instances, encoded, layout_of, plain_instances
from service.bodies.pieces import lines_of, spans
from service.bulk.csv_text import numbers_as_text
from service.problems import Problem, one_fault
from service.versions.catalog import Served

__all__ = ["read", "write"]

OPENING = (b"[", b"{")
CLOSING = (b"]", b"}")


def read(body: bytes, schema: Schema, max_rows: int, _parameters: Mapping[str, str]) -> Instances:
    """Read rows, all of them lists or all of them objects; faults point at /row/..."""
    whole, count = _as_one(body, max_rows)
    plain = plain_instances(whole, schema, max_rows)
    if plain is not None and len(plain.X) == count:
        return plain
    rows = _rows(whole, count, body)
    return encoded(layout_of("instances", rows), rows, schema, place="", max_rows=max_rows)


def write(_served: Served, outputs: Outputs) -> bytes:
    """Write one object a row: `prediction`, and `probabilities` by class where there are any."""
    return b"".join(list(_written(outputs)))


def _written(outputs: Outputs) -> Iterator[bytes]:
    predictions, probabilities = outputs.predictions, outputs.probabilities
    cells = b",".join(_escaped(label) + b":%b" for label in map(str, outputs.classes or ()))
    template = b'{"prediction":%b,"probabilities":{' + cells + b"}}\n"
    texts = {label: orjson.dumps(label) for label in outputs.classes or ()}
    for some in spans(len(outputs.values)):
        if probabilities is None:
            values = ({"prediction": value} for value in predictions[some])
            yield b"".join([orjson.dumps(v, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n" for v in values])
        else:
            rows = zip(predictions[some], numbers_as_text(probabilities[some]), strict=True)
            yield b"".join([template % (texts[label], *numbers.split(b",")) for label, numbers in rows])


def _as_one(body: bytes, max_rows: int) -> tuple[bytes, int]:
    """Return the lines as one document of rows, and how many there are; Problem for a line that is no row."""
    joined: list[bytes] = []
    count, wrong = 0, -1
    for piece in lines_of(body):
        lines = _lines(piece)
        if wrong < 0:
            bad = (i for i, line in enumerate(lines) if not (line.startswith(OPENING) and line.endswith(CLOSING)))
            wrong = next((count + i for i in bad), -1)
        count += len(lines)
        if count > max_rows:
            raise one_fault(422, "", "rows", f"expected at most {max_rows} rows, found more")
        if lines:
            joined.append(b",".join(lines))
    if not count:
        raise one_fault(422, "", "empty", "expected at least one row, found none")
    if wrong >= 0:
        raise Problem(400, f"Row {wrong} is not a JSON list or object on a line of its own.")
    return b"".join((b'{"instances":[', b",".join(joined), b"]}")), count


def _lines(body: bytes) -> list[bytes]:
    return [line for line in map(bytes.strip, body.split(b"\n")) if line]


def _escaped(text: str) -> bytes:
    return orjson.dumps(text).replace(b"%", b"%%")


def _rows(whole: bytes, count: int, body: bytes) -> list[Any]:
    """Decode all lines at once; when something is wrong, the line that it is in says so."""
    try:
        rows: list[Any] = read_document(whole)["instances"]
    except Problem:
        rows = []
    if len(rows) == count:
        return rows
    for number, line in enumerate(_lines(body)):
        try:
            read_document(line)
        except Problem as problem:
            raise Problem(problem.status, f"Row {number}: {problem.detail}", errors=problem.errors) from problem
    raise Problem(400, "The body is not one JSON value a line.")
