"""NumPy's own form of one array. Its header is matched, never evaluated; nothing is unpickled."""

import re
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO

import numpy as np

from predictor import InputError, Schema
from service.bodies.answers import Outputs
from service.bodies.instances import Instances
from service.problems import Problem, not_fitting, one_fault
from service.versions.catalog import Served

__all__ = ["read", "write"]

MAGIC = b"\x93NUMPY"
LENGTH_BYTES = {b"\x01\x00": 2, b"\x02\x00": 4, b"\x03\x00": 4}
HEADER_LIMIT = 4096
HEADER = re.compile(
    rb"\{ *'descr': *'([<>|=][a-zA-Z]\d{0,3})', *'fortran_order': *(True|False), *"
    rb"'shape': *\(([0-9, ]{0,64})\) *,? *\}\s*"
)
NUMBERS = re.compile(r"[<>|=][fiu](?:1|2|4|8)")
MATRIX = 2


def read(body: bytes, schema: Schema, max_rows: int, _parameters: Mapping[str, str]) -> Instances:
    """Read an array of numbers, rows x features; NaN is a missing value."""
    if not schema.is_numeric:
        raise one_fault(422, "", "type", "an array of numbers does not fit a model with categories: send JSON or CSV")
    kind, is_fortran, shape, start = _header(body)
    width = len(schema.names)
    if width == 1 and len(shape) == 1:
        shape = (*shape, 1)
    if len(shape) != MATRIX or shape[1] != width:
        raise one_fault(422, "", "width", f"expected an array of rows x {width}, found {_dimensions(shape)}")
    if not 0 < shape[0] <= max_rows:
        raise one_fault(422, "", "rows", f"expected 1 to {max_rows} rows, found {shape[0]}")
    if len(body) - start != shape[0] * width * kind.itemsize:
        detail = f"expected {shape[0] * width * kind.itemsize} bytes after the header, found {len(body) - start}"
        raise one_fault(400, "", "size", detail)
    values = np.frombuffer(body, kind, offset=start).reshape(shape, order="F" if is_fortran else "C")
    try:
        return Instances(schema.encode_numbers(values), cells=values)
    except InputError as error:
        raise not_fitting(error, "") from error


def write(_served: Served, outputs: Outputs) -> bytes:
    """Write probabilities, (rows, classes), or predictions where there are none."""
    probabilities = outputs.probabilities
    value = outputs.predictions if probabilities is None else probabilities
    array = np.ascontiguousarray(value)
    return _written_header(array.dtype.str, array.shape) + array.tobytes()


@lru_cache(maxsize=64)
def _written_header(kind: str, shape: tuple[int, ...]) -> bytes:
    """Return what stands before the numbers: to make it anew costs more than a thousand rows of them."""
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def _header(body: bytes) -> tuple["np.dtype[np.generic]", bool, tuple[int, ...], int]:
    """Return the type, whether the order is Fortran's, the shape, and where the numbers begin."""
    size = LENGTH_BYTES.get(body[6:8])
    if body[:6] != MAGIC or size is None:
        raise Problem(400, "The body is not an .npy file of version 1, 2 or 3.")
    start = 8 + size
    length = int.from_bytes(body[8:start], "little")
    if length > HEADER_LIMIT or start + length > len(body):
        raise Problem(400, f"The header of the array is cut, or longer than {HEADER_LIMIT} bytes.")
    found = HEADER.fullmatch(body, start, start + length)
    if found is None:
        raise Problem(400, "The header of the array is not that of a plain array of one type.")
    name = found[1].decode("ascii")
    if not NUMBERS.fullmatch(name):
        raise one_fault(422, "", "type", f"expected an array of integers or floats up to 64 bits, found type {name}")
    parts = [part.strip() for part in found[3].split(b",") if part.strip()]
    if not all(part.isdigit() for part in parts):
        raise Problem(400, "The shape of the array is malformed.")
    return np.dtype(name), found[2] == b"True", tuple(map(int, parts)), start + length


def _dimensions(shape: tuple[int, ...]) -> str:
    text = " x ".join(map(str, shape)) or "one number"
    return text if len(text) <= HEADER_LIMIT // 64 else f"{len(shape)} dimensions"
