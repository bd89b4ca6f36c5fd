"""Large bodies counted, read and written in pieces, so that a thread at it lets the event loop have a turn in between.

The interpreter's lock is held while one call parses or writes JSON: tens of milliseconds for megabytes, in which no
other request would be answered.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from service.computing.courtesy import make_way

__all__ = ["Rows", "counted", "dumped", "lines_of", "loaded", "released", "spans"]

PIECE_BYTES = 16_384
PIECE_ROWS = 512
MADE_ROWS = 128  # of objects, which take longer
PIECE_VALUES = 1024
LINES_BYTES = 65_536
FIRST = re.compile(rb"[ \t\r\n]{0,64}([\[{])")
BORDERS = {b"[": b"],", b"{": b"},"}
PAIRS = frozenset(BORDERS.values())
MOST_LISTS = 8192  # that are looked at
MOST_LEVELS = 6  # at which they may stand
MOST_VAIN = 256  # searches for the next object or list in a long one: each may take 0.03 ms


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
    """Read JSON as `orjson.loads` does, long lists in it a run of items at a time. Raises orjson.JSONDecodeError."""
    if len(body) > 2 * PIECE_BYTES:
        try:
            found = _in_pieces(body)
        except orjson.JSONDecodeError:
            found = None  # the fault is told of the whole; or a cut was not between two items
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


def _in_pieces(body: bytes) -> Any:
    """Read items of long lists run by run, and what is left as the whole; None where nothing comes of it.

    A list begins outside of every text, which the quotes before it tell. A run of items that is valid by itself ends
    outside of every text, object and list that began in it. So without those runs the body is valid just when it is
    with them. In their place stands a name that no client can know.
    """
    view, name = memoryview(body), secrets.token_hex(8)
    left: list[Any] = []
    taken: dict[str, list[Any]] = {}
    kept = place = 0
    is_text, vain = False, 0
    for _ in range(MOST_LISTS):
        bracket = body.find(b"[", place)
        if bracket < 0 or vain == MOST_VAIN:
            break
        is_text ^= _quotes(body[place:bracket]) % 2 == 1
        place = bracket + 1
        border = b"" if is_text else _border(body, place)
        items, start = _items(body, place, border) if border else ([], place)
        vain += not items and border in PAIRS
        if items:
            mark = f"{name}{len(taken)}"
            taken[mark] = items
            left += (view[kept:place], f'"{mark}",'.encode())
            kept = place = start
    if not taken:
        return None
    document = _whole(orjson.loads(b"".join((*left, view[kept:]))), taken, MOST_LEVELS)
    return None if taken else document  # a key stands twice, or the list is nested deep


def _quotes(text: bytes) -> int:
    """Count the quotes that begin or end a text."""
    return text.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"')


def _border(body: bytes, start: int) -> bytes:
    """Return what stands between two items of the list that begins at `start`, by the first of them."""
    first = FIRST.match(body, start)
    return BORDERS[first[1]] if first else b","


def _items(body: bytes, start: int, border: bytes) -> tuple[list[Any], int]:
    """Read items of the list that begins at `start` but for the last of them; return them and where the rest begins."""
    view = memoryview(body)
    items: list[Any] = []
    while (cut := _cut(body, start, border)) >= 0:
        cut += len(border) - 1
        some = orjson.loads(b"".join((b"[", view[start:cut], b"]")))
        if not some:
            break  # nothing stands before the comma, which the whole is refused for
        items += some
        start = cut + 1
        make_way()
    return items, start


def _cut(body: bytes, start: int, border: bytes) -> int:
    """Return where a run of items may end, -1 where the list ends before; no more than three pieces are looked at."""
    end = start + 3 * PIECE_BYTES
    if border == b",":
        closing = body.find(b"]", start, end)
        end = closing if closing >= 0 else end
    return body.find(border, start + PIECE_BYTES, end)


def _whole(value: Any, taken: dict[str, list[Any]], levels: int) -> Any:
    """Put items back to where they were taken from, so many levels deep."""
    if not levels or type(value) not in (dict, list):
        return value
    if type(value) is dict:
        return {key: _whole(child, taken, levels - 1) for key, child in value.items()}
    items = taken.pop(value[0], None) if value and type(value[0]) is str else None
    if items is None:
        return [_whole(child, taken, levels - 1) for child in value]
    items += [_whole(child, taken, levels - 1) for child in value[1:]]
    return items


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
        yield from _list(value.number, MADE_ROWS, value.some)
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
