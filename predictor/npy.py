"""The `.npy` form of a float array, written and read by hand: no evaluation, no pickle, no surprises."""

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import RefusedError

__all__ = ["DTYPES", "read_array", "write_array"]

DTYPES = {"<f4": 4, "<f8": 8}
"""The float types that a model file may hold, with the bytes of one value; both little-endian."""

_MAGIC = b"\x93NUMPY\x01\x00"
_ALIGNMENT = 64
_HEADER_LIMIT = 256
_HEADER = re.compile(rb"\{'descr': '([^']{1,16})', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n")


def write_array(array: NDArray[Any]) -> bytes:
    """Return `array`, float32 or float64, as the bytes of a version 1.0 `.npy` file in C order."""
    dtype = array.dtype.newbyteorder("<")
    return _header(dtype.str, array.shape) + array.astype(dtype, copy=False).tobytes()


def read_array(member: str, contents: memoryview, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the array as a read-only view on `contents`; it must have exactly this dtype and shape, and be finite.

    Raises RefusedError. Memory is bounded by the contents, whatever the header claims.
    """
    header = _header(dtype, shape)
    if contents[: len(header)] != header:
        raise RefusedError(member, _why_refused(contents, dtype, shape))
    size = math.prod(shape) * DTYPES[dtype]
    if len(contents) - len(header) != size:
        found = len(contents) - len(header)
        raise RefusedError(member, f"holds {found} bytes of numbers where {dtype} {shape} needs {size}")
    array = np.frombuffer(contents, dtype=dtype, offset=len(header)).reshape(shape)
    if not np.isfinite(array).all():
        raise RefusedError(member, "holds a number that is not finite")
    return array


def _header(dtype: str, shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}".encode("ascii")
    padding = -(len(_MAGIC) + 2 + len(text) + 1) % _ALIGNMENT
    body = text + b" " * padding + b"\n"
    return _MAGIC + len(body).to_bytes(2, "little") + body


def _why_refused(contents: memoryview, dtype: str, shape: tuple[int, ...]) -> str:
    """Say what the header claims, read by a pattern that knows only the headers of plain arrays."""
    expected = f"expected {dtype} {shape} in C order"
    start = len(_MAGIC) + 2
    found = _HEADER.match(bytes(contents[start : start + _HEADER_LIMIT]))
    if bytes(contents[: len(_MAGIC)]) != _MAGIC or not found:
        return f"does not begin with the header of a plain array: {expected}"
    descr, fortran, dimensions = (part.decode("latin-1") for part in found.groups())
    order = "Fortran" if fortran == "True" else "C"
    return f"{expected}, found {ascii(descr)[1:-1]} ({dimensions}) in {order} order"
