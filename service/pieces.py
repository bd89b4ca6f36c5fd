"""Large bodies read and written in pieces, so that a thread at it lets the event loop have a turn in between.

The interpreter's lock is held while one call parses or writes JSON: tens of milliseconds for megabytes, in which no
other request would be answered.
"""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

__all__ = ["PIECE_BYTES", "counted", "dumped", "plain_numbers"]

PIECE_BYTES = 32_768
PIECE_ROWS = 1024
HEAD = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"instances"[ \t\r\n]*:[ \t\r\n]*\[', re.ASCII)
UNREADABLE = (ValueError, TypeError, LookupError, OverflowError)


def plain_numbers(body: bytes, width: int, max_rows: int) -> NDArray[np.float64] | None:
    """Return the rows of the commonest body as (rows, width) numbers, None for any other or doubtful body.

    Two quotes mean one key and no string, so no key can stand twice; neither true, false nor null can be
    written without a "u" or an "f".
    """
    if body.count(b'"') != 2 or b"u" in body or b"f" in body:  # noqa: PLR2004 - a pair
        return None
    try:
        values = _whole(body) if len(body) <= 2 * PIECE_BYTES else _in_pieces(body, max_rows)
    except UNREADABLE:
        return None  # the precise way says what is wrong
    if values is None or values.ndim != 2 or values.shape[1] != width:  # noqa: PLR2004 - a matrix
        return None
    return values if 0 < len(values) <= max_rows else None


def counted(body: bytes, parts: tuple[bytes, ...]) -> int:
    """Return how often single bytes occur in a body."""
    total = 0
    for start in range(0, len(body), PIECE_BYTES):
        total += sum(body.count(part, start, start + PIECE_BYTES) for part in parts)
    return total


def dumped(document: Mapping[str, Any], rows: int) -> bytes:
    """Write an object as JSON, as `orjson.dumps` does with NumPy arrays; in pieces if rows are many."""
    if rows <= PIECE_ROWS:
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    members = [orjson.dumps(key) + b":" + _value(value) for key, value in document.items()]
    return b"{" + b",".join(members) + b"}"


def _whole(body: bytes) -> NDArray[np.float64] | None:
    document = orjson.loads(body)
    values = np.array(document["instances"], dtype=np.float64)
    return values if type(document) is dict else None


def _in_pieces(body: bytes, max_rows: int) -> NDArray[np.float64] | None:
    """Parse runs of rows one by one. A cut that is not between two rows leaves pieces that are no JSON."""
    head = HEAD.match(body)
    end = _end(body)
    if head is None or end is None:
        return None
    found: list[NDArray[np.float64]] = []
    rows = 0
    for piece in _cut(body, head.end(), end):
        values = np.array(orjson.loads(piece), dtype=np.float64)
        if values.ndim != 2 or (found and values.shape[1] != found[0].shape[1]):  # noqa: PLR2004 - a matrix
            return None
        found.append(values)
        rows += len(values)
        if rows > max_rows:
            return None
        time.sleep(0)  # gives up the interpreter's lock
    return np.concatenate(found)


def _end(body: bytes) -> int | None:
    """Return where the bracket stands that closes the rows, None where the body does not end so."""
    end = len(body)
    for closing in (b"}", b"]"):
        while end and body[end - 1 : end] in (b" ", b"\t", b"\r", b"\n"):
            end -= 1
        end -= 1
        if end < 0 or body[end : end + 1] != closing:
            return None
    return end


def _cut(body: bytes, start: int, end: int) -> Iterator[bytes]:
    while True:
        cut = body.find(b"],", start + PIECE_BYTES, end)
        if cut < 0:
            yield b"[" + body[start:end] + b"]"
            return
        yield b"[" + body[start : cut + 1] + b"]"
        start = cut + 2


def _value(value: Any) -> bytes:
    if not isinstance(value, (list, np.ndarray)) or len(value) <= PIECE_ROWS:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    written: list[bytes] = []
    for start in range(0, len(value), PIECE_ROWS):
        piece = value[start : start + PIECE_ROWS]
        written.append(orjson.dumps(piece, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1])
        time.sleep(0)
    return b"[" + b",".join(written) + b"]"
