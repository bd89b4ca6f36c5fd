"""Large bodies counted and written in pieces, so that a thread at it lets the event loop have a turn in between.

The interpreter's lock is held while one call parses or writes JSON: tens of milliseconds for megabytes, in which no
other request would be answered.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson

__all__ = ["counted", "dumped"]

PIECE_BYTES = 32_768
PIECE_ROWS = 1024


def counted(body: bytes, characters: bytes) -> int:
    """Return how often single bytes occur in a body, all together."""
    total = 0
    for start in range(0, len(body), PIECE_BYTES):
        piece = np.frombuffer(body, np.uint8, min(PIECE_BYTES, len(body) - start), start)
        total += sum(int(np.count_nonzero(piece == character)) for character in characters)
    return total


def dumped(document: Mapping[str, Any], rows: int) -> bytes:
    """Write an object as JSON, as `orjson.dumps` does with NumPy arrays; in pieces if rows are many."""
    if rows <= PIECE_ROWS:
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    written: list[bytes] = []
    for key, value in document.items():
        written += (b"," if written else b"{", orjson.dumps(key), b":")
        written += _value(value)
    return b"".join((*written, b"}"))  # one copy of megabytes, for which the interpreter's lock is given up


def _value(value: Any) -> Iterator[bytes]:
    if not isinstance(value, (list, np.ndarray)) or len(value) <= PIECE_ROWS:
        yield orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
        return
    for start in range(0, len(value), PIECE_ROWS):
        yield b"," if start else b"["
        yield orjson.dumps(value[start : start + PIECE_ROWS], option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        time.sleep(0)
    yield b"]"
