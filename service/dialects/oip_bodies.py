"""The bodies of the Open Inference Protocol: inputs as JSON, as bytes after the JSON, or as nothing but bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import InputError
from predictor.wording import kind_of, shown
from service.bodies.answers import Outputs, answered, named_headers
from service.bodies.instances import Instances, encoded
from service.bodies.pieces import dumped, released, spans
from service.dialects.oip_outputs import Wanted, read_wanted, written
from service.dialects.oip_tensors import Given, read_tensor
from service.dialects.reading import read_object
from service.dialects.tensors import outputs_of
from service.messages import JSON, Request, Response
from service.problems import Problem, not_fitting, one_fault
from service.versions.catalog import Served

__all__ = ["Asked", "read_infer"]

HEADER_LENGTH = "inference-header-content-length"
BINARY = "application/octet-stream"
BINARY_SIZE = b'"binary_data_size"'
LONGEST_ID = 256
FLOAT32_BYTES = 4
LONGEST_TIMEOUT_US = 2**63
NUMBERS = frozenset({int, float, type(None)})


@dataclass(frozen=True, slots=True)
class Asked:
    """What an infer request wants: its rows, the id to repeat, which outputs and in which form, and when."""

    instances: Instances
    id: str | None
    wanted: tuple[Wanted, ...]
    timeout_s: float | None = None

    def render(self, served: Served, outputs: Outputs) -> Response:
        """Answer the outputs in the order in which they were asked for."""
        rows = len(outputs.values)
        described, parts = written(self.wanted, outputs)
        head: dict[str, Any] = {"model_name": served.name, "model_version": str(served.version)}
        if self.id is not None:
            head["id"] = self.id
        head["outputs"] = described
        body = dumped(head, rows)
        headers = list(named_headers(served))
        if not parts:
            return answered(body, JSON, rows, headers)
        headers.append((HEADER_LENGTH, str(len(body))))
        return answered(b"".join([body, *parts]), BINARY, rows, headers)


def read_infer(request: Request, served: Served, max_rows: int) -> Asked:
    """Read an infer request; Problem says what is wrong and where."""
    length = _header_length(request)
    if length == 0:
        wanted = tuple(Wanted(tensor, is_binary=True) for tensor in outputs_of(served))
        return Asked(_raw(request.body, served, max_rows), None, wanted)
    body = request.body
    head, blob = (body, memoryview(b"")) if length is None else (body[:length], memoryview(body)[length:])
    document = _document(head, served, max_rows, is_whole=length is None)
    given = _inputs(document.get("inputs"), blob, served, max_rows)
    return Asked(
        _instances(given, served, max_rows), _id(document), read_wanted(document, served), _timeout_s(document)
    )


def _document(head: bytes, served: Served, max_rows: int, *, is_whole: bool) -> dict[str, Any]:
    """Read the JSON of a body; a client that forgot to say where it ends is told so."""
    try:
        return read_object(head, served, max_rows)
    except Problem as problem:
        if is_whole and BINARY_SIZE in head:
            problem.detail += " Bytes after the JSON need the header Inference-Header-Content-Length."
        raise


def _header_length(request: Request) -> int | None:
    """Return how many bytes of the body are JSON, None when all are."""
    text = request.headers.get(HEADER_LENGTH)
    if text is None:
        return None
    if (
        not (text.isascii() and text.isdigit())
        or len(text) > len(str(len(request.body)))
        or int(text) > len(request.body)
    ):
        detail = f"expected a number of bytes from 0 to {len(request.body)} in Inference-Header-Content-Length"
        raise one_fault(400, "", "header", detail)
    return int(text)


def _inputs(value: Any, blob: memoryview, served: Served, max_rows: int) -> list[Given]:
    most = served.predictor.schema.most_cells
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        found = f"{len(value)}" if isinstance(value, list) else kind_of(value)
        raise one_fault(400, "/inputs", "inputs", f"expected a list of 1 to {most} inputs, found {found}")
    given: list[Given] = []
    for index, item in enumerate(value):
        tensor, taken = read_tensor(item, index, blob, max_rows)
        blob = blob[taken:]
        given.append(tensor)
    if len(blob):
        raise one_fault(400, "", "size", f"{len(blob)} bytes of binary data belong to no input")
    return given


def _instances(given: list[Given], served: Served, max_rows: int) -> Instances:
    schema = served.predictor.schema
    if len(given) == 1 and schema.is_numeric and (len(given[0].shape) > 1 or given[0].name not in schema.names):
        return _matrix(given[0], served, max_rows)
    columns: dict[str, list[Any]] = {}
    for tensor in given:
        if tensor.name in columns:
            raise one_fault(400, tensor.place, "duplicate", f"input {shown(tensor.name)} stands more than once")
        if tensor.shape[1:] not in ((), (1,)):
            found = list(tensor.shape)
            raise one_fault(400, tensor.place, "shape", f"expected the shape [-1] or [-1, 1], found {found}")
        columns[tensor.name] = tensor.cells.tolist() if isinstance(tensor.cells, np.ndarray) else tensor.cells
    return encoded("columns", columns, schema, place="/inputs", max_rows=max_rows)


def _matrix(tensor: Given, served: Served, max_rows: int) -> Instances:
    """Encode one tensor of rows x features."""
    schema = served.predictor.schema
    width = len(schema.names)
    if tensor.shape[1:] != (width,):
        raise one_fault(400, tensor.place, "shape", f"expected the shape [-1, {width}], found {list(tensor.shape)}")
    cells = tensor.cells
    if isinstance(cells, list) and (found := _numbers(cells)) is not None:
        released(cells)
        cells = found
    if isinstance(cells, list):
        rows = [cells[start : start + width] for start in range(0, len(cells), width)]
        return encoded("rows", rows, schema, place=tensor.place, max_rows=max_rows)
    try:
        values = cells.reshape(tensor.shape)
        return Instances(schema.encode_numbers(values), cells=values)
    except InputError as error:
        raise not_fitting(error, tensor.place) from error


def _numbers(cells: list[Any]) -> NDArray[np.float64] | None:
    """Return cells as an array; None unless all are numbers, or missing, that it can hold."""
    parts: list[NDArray[np.float64]] = []
    for some in spans(len(cells)):
        if not set(map(type, cells[some])) <= NUMBERS:
            return None
        try:
            parts.append(np.array(cells[some], dtype=np.float64))
        except OverflowError:  # an integer of more than 308 digits: the precise way names its place
            return None
    return np.concatenate(parts) if parts else np.empty(0)


def _raw(body: bytes, served: Served, max_rows: int) -> Instances:
    """Encode a body that is nothing but the one input of a model of numbers, 32-bit floats."""
    schema = served.predictor.schema
    row_bytes = FLOAT32_BYTES * len(schema.names)
    if not schema.is_numeric:
        raise one_fault(400, "", "inputs", "a body without JSON needs a model with one input")
    if len(body) % row_bytes:
        raise one_fault(400, "", "size", f"expected rows of {row_bytes} bytes, found {len(body)} bytes")
    rows = len(body) // row_bytes
    if rows > max_rows:
        raise one_fault(400, "", "rows", f"expected at most {max_rows} rows, found {rows}")
    tensor = Given("", (rows, len(schema.names)), np.frombuffer(body, "<f4"), "")
    return _matrix(tensor, served, max_rows)


def _id(document: Mapping[str, Any]) -> str | None:
    given = document.get("id")
    if given is None or (isinstance(given, str) and len(given) <= LONGEST_ID and given.isprintable()):
        return given
    raise one_fault(400, "/id", "type", f"expected at most {LONGEST_ID} printable characters")


def _timeout_s(document: Mapping[str, Any]) -> float | None:
    """Return the time that the parameter `timeout` gives in microseconds; 0 leaves it to the service."""
    parameters = document.get("parameters")
    timeout_us = parameters.get("timeout") if isinstance(parameters, dict) else None
    if timeout_us is None or timeout_us == 0:
        return None
    if type(timeout_us) is not int or not 0 < timeout_us < LONGEST_TIMEOUT_US:
        raise one_fault(400, "/parameters/timeout", "type", "expected a whole number of microseconds")
    return timeout_us / 1e6
