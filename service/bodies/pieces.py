"""Large bodies counted, read and written in pieces, so that a thread at it lets the event loop have a turn in between.

The interpreter's lock is held while one call parses or writes JSON: tens of milliseconds for megabytes, in which no
other request would be answered.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from service.computing.courtesy import make_way

__all__ = ["Rows", "counted", "dumped", "lines_of", "loaded", "released", "spans"]

PIECE_BYTES = 16_384
PIECE_ROWS = 512
PIECE_VALUES = 1024
LINES_BYTES = 65_536
SPACE = rb"[ \t\r\n]{0,64}"  # what has more is read as a whole: megabytes of it shall cost no search
END_BYTES = 1024
KEY = rb'("[^"\\]{1,64}")'
HEAD = re.compile(SPACE.join((rb"", rb"\{", KEY, rb":", rb"\[", rb"([\[{])")))
HEAD_OF_COLUMNS = re.compile(SPACE.join((rb"", rb"\{", KEY, rb":", rb"(?=\{)")))
COLUMN = re.compile(SPACE.join((rb"", rb"[{,]", KEY, rb":", rb"\[")))


def counted(body: bytes, characters: bytes) -> int:
    """Return how often single bytes occur in a body, all together."""
    if len(body) <= PIECE_BYTES:
        return sum(map(body.count, characters))
    total = 0
    for start in range(0, len(body), PIECE_BYTES):
        piece = np.frombuffer(body, np.uint8, min(PIECE_BYTES, len(body) - start), start)
        total += sum(int(np.count_nonzero(piece == character)) for character in characters)
    return total


def loaded(body: bytes) -> Any:
    """Read JSON as `orjson.loads` does; in pieces where it is an object that begins with a list of rows, or of columns.

    Raises orjson.JSONDecodeError.
    """
    if len(body) > 2 * PIECE_BYTES:
        try:
            found = _rows_in_pieces(body) or _columns_in_pieces(body)
        except orjson.JSONDecodeError:
            found = None  # the fault is told of the whole; or a cut was not between two rows
        if found is not None:
            return found
    return orjson.loads(body)


def released(value: object) -> None:
    """Empty a long list, or those in an object, by and by, which nobody needs: to free all is one call, too."""
    for some in value.values() if isinstance(value, dict) else (value,):
        if isinstance(some, list) and len(some) > PIECE_ROWS:
            while some:
                del some[-PIECE_ROWS:]
                make_way()


def _rows_in_pieces(body: bytes) -> dict[str, Any] | None:
    """Read runs of rows one by one, and what is left as the whole; None where the body is another one.

    A piece that is valid by itself ends outside of every string, object and list that began in it. So if all of them
    are, each cut was between two rows, or behind the last one, which leaves no row for the end.
    """
    head = HEAD.match(body)
    if head is None:
        return None
    start, view = head.start(2), memoryview(body)
    border = b"}," if head[2] == b"{" else b"],"
    rows: list[Any] = []
    while (cut := body.find(border, start + PIECE_BYTES)) >= 0:
        rows += orjson.loads(b"".join((b"[", view[start : cut + 1], b"]")))
        start = cut + len(border)
        make_way()
    if body.find(b"\\", start) >= 0 or body.find(head[1], start) >= 0:
        return None  # the key of the rows may stand there a second time
    document: dict[str, Any] = orjson.loads(b"".join((view[: head.start(2)], view[start:])))
    key: str = orjson.loads(head[1])
    last = document[key]
    if not last:
        return None
    rows += last
    document[key] = rows
    return document


def _columns_in_pieces(body: bytes) -> dict[str, Any] | None:
    """Read an object that begins with an object of lists in the same way, each list by itself."""
    head = HEAD_OF_COLUMNS.match(body)
    if head is None:
        return None
    view, place = memoryview(body), head.end()
    left: list[Any] = [view[:place]]  # of the body, without the values that are read already
    begun: dict[bytes, list[Any]] = {}
    while (found := COLUMN.match(body, place)) is not None:
        end = body.find(b"]", found.end())
        if end < 0 or found[1] in begun:
            return None
        begun[found[1]], start = _values_in_pieces(body, found.end(), end)
        left += (view[place : found.end()], view[start : end + 1])
        place = end + 1
    end_of_all = body[place : place + END_BYTES + 1]
    if len(end_of_all) > END_BYTES or any(text in end_of_all for text in (b"\\", head[1], *begun)):
        return None  # a key may stand there a second time
    document: dict[str, Any] = orjson.loads(b"".join((*left, end_of_all)))
    columns = document[orjson.loads(head[1])]
    for text, values in begun.items():
        key = orjson.loads(text)
        rest = columns.get(key)
        if not rest or not isinstance(rest, list):
            return None  # what seemed to be a column stands in a text
        values.extend(rest)
        columns[key] = values
    return document


def _values_in_pieces(body: bytes, start: int, end: int) -> tuple[list[Any], int]:
    """Read values between two places but for the last of them; return them and where those begin."""
    view = memoryview(body)
    values: list[Any] = []
    while (cut := body.find(b",", start + PIECE_BYTES, end)) >= 0:
        some = orjson.loads(b"".join((b"[", view[start:cut], b"]")))
        if not some:
            break  # nothing stands before the comma, which the whole is refused for
        values += some
        start = cut + 1
        make_way()
    return values, start


def lines_of(body: bytes) -> Iterator[bytes]:
    """Yield a body in pieces that end with a line."""
    start = 0
    while len(body) - start > LINES_BYTES:
        end = body.find(b"\n", start + LINES_BYTES) + 1 or len(body)
        yield body[start:end]
        start = end
        make_way()
    yield body[start:]


def spans(rows: int) -> Iterator[slice]:
    """Yield runs of rows, one after the other."""
    for start in range(0, rows, PIECE_ROWS):
        yield slice(start, start + PIECE_ROWS)
        if rows > PIECE_ROWS:
            make_way()


class Rows(NamedTuple):
    """Values that are made when they are written: how many there are, and what gives some of them."""

    number: int
    some: Callable[[slice], Sequence[Any]]


def dumped(document: Mapping[str, Any], rows: int) -> bytes:
    """Write an object as JSON, as `orjson.dumps` does with NumPy arrays, and `Rows`; in pieces if rows are many."""
    if rows <= PIECE_ROWS:
        return orjson.dumps(document, _made, orjson.OPT_SERIALIZE_NUMPY)
    return b"".join(list(_object(document)))  # one copy of megabytes, for which the interpreter's lock is given up


def _made(value: object) -> Sequence[Any]:
    if isinstance(value, Rows):
        return value.some(slice(0, value.number))
    raise TypeError


def _object(document: Mapping[str, Any]) -> Iterator[bytes]:
    before = b"{"
    for key, value in document.items():
        yield b"".join((before, orjson.dumps(key), b":"))
        yield from _value(value)
        before = b","
    yield b"}" if document else b"{}"


def _value(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        yield from _object(value)
    elif isinstance(value, Rows):
        yield from _list(value.number, PIECE_ROWS, value.some)
    elif isinstance(value, (list, np.ndarray)) and len(value) > PIECE_ROWS:
        step = max(1, PIECE_VALUES // value[0].size) if isinstance(value, np.ndarray) else PIECE_ROWS
        yield from _list(len(value), step, value.__getitem__)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield b"["
        for index, item in enumerate(value):
            yield b"," if index else b""
            yield from _value(item)
        yield b"]"
    else:
        yield orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _list(count: int, step: int, some: Callable[[slice], Any]) -> Iterator[bytes]:
    yield b"["
    for start in range(0, count, step):
        if start:
            yield b","
        yield orjson.dumps(some(slice(start, start + step)), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
        make_way()
    yield b"]"
