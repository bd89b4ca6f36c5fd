"""Tensors of the Open Inference Protocol, as JSON or in its binary form, read and written."""

import math
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from predictor.outputs import looked_up
from predictor.wording import SHOWN_LIMIT, kind_of, shown
from service.bodies.answers import Outputs
from service.bodies.pieces import spans
from service.dialects.tensors import Tensor, value_of
from service.problems import one_fault

__all__ = ["Given", "check_unshared", "packed", "packed_texts", "read_tensor"]

DATATYPES: dict[str, Any] = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": np.int8,
    "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
    "BF16": "<u2", "BYTES": None,
}  # fmt: skip
DIMENSIONS = 2
LENGTH_BYTES = 4
NOT_AS_JSON = ("FP16", "BF16")
SHARED = "shared_memory_region"


class Given(NamedTuple):
    """One input as it came: `cells` are its values in row-major order, a list from JSON, an array from bytes."""

    name: str
    shape: tuple[int, ...]
    cells: "list[Any] | NDArray[Any]"
    place: str


def read_tensor(value: Any, index: int, blob: memoryview, max_rows: int) -> tuple[Given, int]:
    """Read one input; return it with how many bytes of `blob` it took. Problem 400 says what is wrong with it."""
    place = f"/inputs/{index}"
    if not isinstance(value, dict):
        raise one_fault(400, place, "type", f"expected an object, found {kind_of(value)}")
    name, datatype = value.get("name"), value.get("datatype")
    if not isinstance(name, str):
        raise one_fault(400, f"{place}/name", "type", f"expected a string, found {kind_of(name)}")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        found = shown(datatype) if isinstance(datatype, str) else kind_of(datatype)
        raise one_fault(400, f"{place}/datatype", "datatype", f"expected one of {', '.join(DATATYPES)}, found {found}")
    shape = _shape(value.get("shape"), f"{place}/shape", max_rows)
    size = _binary_size(value.get("parameters"), f"{place}/parameters")
    if size is None:
        return Given(name, shape, _from_json(value, datatype, shape, place), f"{place}/data"), 0
    if size > len(blob):
        raise one_fault(400, place, "size", f"expected {size} bytes of binary data, found {len(blob)} left")
    return Given(name, shape, _from_bytes(blob[:size], datatype, math.prod(shape), place), place), size


def packed_texts(texts: Iterable[str]) -> list[bytes]:
    """Return each text in UTF-8 after its length in four bytes."""
    return [len(text).to_bytes(LENGTH_BYTES, "little") + text for text in map(str.encode, texts)]


def packed(tensor: Tensor, outputs: Outputs) -> bytes | memoryview:
    """Return the binary form of an output."""
    if outputs.labels is not None and tensor.datatype == "BYTES":
        coded = packed_texts(map(str, outputs.labels.labels))
        codes = outputs.labels.codes(outputs.values)
        return b"".join([b"".join(looked_up(coded, codes[some])) for some in spans(len(codes))])
    value = np.asarray(value_of(tensor, outputs))
    # No copy here: that of megabytes is left to what puts the answer together, which gives up the interpreter's lock.
    return value.astype(value.dtype.newbyteorder("<"), copy=False).data.cast("B")


def check_unshared(parameters: Mapping[str, Any], place: str) -> None:
    """Refuse what would be read from, or written to, memory that the client names instead of a body."""
    if SHARED in parameters:
        raise one_fault(400, f"{place}/{SHARED}", "shared_memory", "no memory is shared; expected data in the body")


def _shape(value: Any, place: str, max_rows: int) -> tuple[int, ...]:
    is_shape = isinstance(value, list) and 1 <= len(value) <= DIMENSIONS
    if not is_shape or any(type(size) is not int or size < 0 for size in value):
        raise one_fault(
            400, place, "shape", f"expected a list of 1 or {DIMENSIONS} whole numbers, found {_text(value)}"
        )
    if value[0] > max_rows:
        raise one_fault(400, place, "rows", f"expected at most {max_rows} rows, found {value[0]}")
    return tuple(value)


def _text(value: object) -> str:
    try:
        text = orjson.dumps(value).decode()
    except TypeError:  # an integer beyond 64 bits
        return kind_of(value)
    return text if len(text) <= SHOWN_LIMIT else kind_of(value)


def _binary_size(parameters: Any, place: str) -> int | None:
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise one_fault(400, place, "type", f"expected an object, found {kind_of(parameters)}")
    check_unshared(parameters, place)
    size = parameters.get("binary_data_size")
    if size is not None and (type(size) is not int or size < 0):
        raise one_fault(400, f"{place}/binary_data_size", "type", "expected a whole number of bytes")
    return size


def _from_json(value: dict[str, Any], datatype: str, shape: tuple[int, ...], place: str) -> list[Any]:
    """Return `data`, nested as the shape says or flat, as a flat list."""
    data = value.get("data")
    if not isinstance(data, list):
        found = "nothing" if "data" not in value else kind_of(data)
        raise one_fault(400, f"{place}/data", "type", f"expected a list of values, found {found}")
    if datatype in NOT_AS_JSON:
        raise one_fault(400, f"{place}/datatype", "datatype", f"{datatype} cannot be sent as JSON")
    if len(shape) > 1 and data and isinstance(data[0], list):
        if len(data) != shape[0] or any(not isinstance(row, list) or len(row) != shape[1] for row in data):
            raise one_fault(400, f"{place}/data", "shape", f"the nested lists are not of the shape {list(shape)}")
        data = [cell for some in spans(len(data)) for cell in chain.from_iterable(data[some])]
    if len(data) != math.prod(shape):
        detail = f"expected {math.prod(shape)} values by the shape {_text(list(shape))}, found {len(data)}"
        raise one_fault(400, f"{place}/data", "shape", detail)
    return data


def _from_bytes(content: memoryview, datatype: str, count: int, place: str) -> "list[str] | NDArray[Any]":
    if datatype == "BYTES":
        return _texts(content, count, place)
    dtype = np.dtype(DATATYPES[datatype])
    if len(content) != count * dtype.itemsize:
        detail = f"expected {count * dtype.itemsize} bytes for {count} values of {datatype}, found {len(content)}"
        raise one_fault(400, place, "size", detail)
    array = np.frombuffer(content, dtype)
    if datatype == "BF16":  # the upper half of a 32-bit float
        return (array.astype(np.uint32) << 16).view(np.float32)
    if datatype == "BOOL" and array.size and array.view(np.uint8).max() > 1:
        raise one_fault(400, place, "type", "expected bytes of 0 or 1")
    return array


def _texts(content: memoryview, count: int, place: str) -> list[str]:
    """Read texts, each after its length in four bytes."""
    texts: list[str] = []
    start = 0
    while start < len(content) and len(texts) <= count:
        end = start + LENGTH_BYTES + int.from_bytes(content[start : start + LENGTH_BYTES], "little")
        if end > len(content):
            break
        try:
            texts.append(str(content[start + LENGTH_BYTES : end], "utf-8"))
        except UnicodeDecodeError as error:
            raise one_fault(400, place, "text", f"text {len(texts)} is not valid UTF-8") from error
        start = end
    if start != len(content) or len(texts) != count:
        raise one_fault(400, place, "size", f"expected {count} texts, each after its length in four bytes")
    return texts
