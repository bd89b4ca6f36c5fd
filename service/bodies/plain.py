"""The commonest body of all, rows of plain numbers and nothing else, read several times as fast as JSON in general.

The numbers are those that the precise way finds; whatever is doubtful is left to it.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.computing.courtesy import make_way

Parser: Any = None
try:
    import simdjson
except ImportError:  # there are no wheels of it for the newest Pythons: plain numbers are then read as other JSON is
    pass
else:
    Parser = simdjson.Parser

__all__ = ["plain_numbers", "reads_soon"]

Numbers = NDArray[np.float64]

SMALL_BYTES = 512  # up to here the general parser is as fast
PIECE_BYTES = 16_384 if Parser else 8192  # read in 0.1 ms, for which the interpreter's lock is kept
CELL_BYTES = 64  # rows of longer numbers, or with more space between them, are left to the precise way
QUICK = 2 if Parser else 1
HEAD = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"instances"[ \t\r\n]*:[ \t\r\n]*\[', re.ASCII)
END = re.compile(rb"\][ \t\r\n]*\}[ \t\r\n]*\Z", re.ASCII)
EDGE_BYTES = 256  # more white space before or behind the rows is left to the precise way
OF_NUMBERS = b"0123456789.-+eE \t\r\n"
UNREADABLE = (ValueError, TypeError, LookupError, OverflowError, RuntimeError)  # the last for integers beyond 64 bits


def plain_numbers(body: bytes, width: int, max_rows: int) -> Numbers | None:
    """Return the rows of {"instances": rows of numbers} as (rows, width), None for any other or doubtful body."""
    try:
        values = _small(body) if len(body) <= SMALL_BYTES else _large(body, width, max_rows)
    except UNREADABLE:
        return None  # the precise way says what is wrong
    if values is None or values.ndim != 2 or values.shape[1] != width:  # noqa: PLR2004 - a matrix
        return None
    return values if 0 < len(values) <= max_rows else None


def reads_soon(body: bytes, size: int) -> bool:
    """Tell whether a body of any kind takes no longer to read than others of so many bytes."""
    if len(body) <= size:
        return True
    start = _head(body) if len(body) <= QUICK * size else None
    return start is not None and body.find(b'"', start) < 0


def _small(body: bytes) -> Numbers | None:
    """Read with the general parser.

    Two quotes mean one key and no string, so no key can stand twice; neither true, false nor null can be
    written without a "u" or an "f".
    """
    if body.count(b'"') != 2 or b"u" in body or b"f" in body:  # noqa: PLR2004 - a pair
        return None
    return np.array(orjson.loads(body)["instances"], dtype=np.float64)


def _large(body: bytes, width: int, max_rows: int) -> Numbers | None:
    """Read runs of rows one by one. A cut that is not between two rows leaves pieces that are no rows."""
    start, end = _head(body), _end(body)
    if start is None or end is None:
        return None
    found: list[Numbers] = []
    rows = 0
    for piece in _cut(body, start, end, CELL_BYTES * (width + 1)):
        if found:
            make_way()
        more = _row_count(piece, width)
        rows += more
        if not more or rows > max_rows:
            return None
        values = _numbers(piece)
        if len(values) != more * width:
            return None
        found.append(values.reshape(more, width))
    return found[0] if len(found) == 1 else np.concatenate(found)


def _row_count(text: bytes, width: int) -> int:
    """Return how many rows there are in a list of rows of so many places each, 0 where a text is anything else.

    Told by what is left without all that numbers may consist of. If such a text is valid JSON, then what stands in
    each place can only be a number; nothing needs to stand in a row's only place.
    """
    left = text.translate(None, OF_NUMBERS)
    rows = len(left) // (width + 2)
    row = b"[" + b"," * (width - 1) + b"]"
    return rows if left == b"[" + b",".join([row] * rows) + b"]" else 0


def _numbers(text: bytes) -> Numbers:
    """Return the numbers of a list of rows, (numbers,), one row after the other."""
    if Parser is None:
        return np.array(orjson.loads(text), dtype=np.float64).ravel()
    # A parser refuses to be used again while anything it gave is alive, and a new one costs no more.
    return np.frombuffer(Parser().parse(text).as_buffer(of_type="d"))


def _head(body: bytes) -> int | None:
    """Return where the first row begins, None where the body does not begin so."""
    found = HEAD.match(body, 0, EDGE_BYTES)
    return None if found is None else found.end()


def _end(body: bytes) -> int | None:
    """Return where the bracket stands that closes the rows, None where the body does not end so."""
    found = END.search(body, max(0, len(body) - EDGE_BYTES))
    return None if found is None else found.start()


def _cut(body: bytes, start: int, end: int, row_bytes: int) -> Iterator[bytes]:
    """Yield lists of rows; an empty text where no row ends when it should."""
    view = memoryview(body)
    while True:
        latest = min(end, start + PIECE_BYTES + row_bytes)
        cut = body.find(b"],", start + PIECE_BYTES, latest)
        if cut < 0:
            yield b"".join((b"[", view[start:end], b"]")) if latest == end else b""
            return
        yield b"".join((b"[", view[start : cut + 1], b"]"))
        start = cut + 2
