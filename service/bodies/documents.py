"""From the bytes of a body to a checked JSON document, or the problem that says what is wrong with it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NoReturn

import numpy as np
import orjson

from predictor import Fault
from predictor.wording import SHOWN_LIMIT, pointer, shown
from service.bodies.pieces import counted, loaded
from service.computing.courtesy import make_way
from service.problems import Problem, one_fault

__all__ = ["DEPTH_LIMIT", "check_size", "read_document"]

DEPTH_LIMIT = 64
SMALL_BODY = 65536  # shorter bodies cannot cost enough to be worth counting
INTEGER_DIGITS = 300
SCAN_BYTES = 2**18
MEMBERS = 2048  # looked at without leaving the interpreter's lock to others
CONSTANT = re.compile(r"[^\w]?(NaN|-?Infinity)\b")


class _Repeated(dict[str, Any]):
    """An object in which some keys stand more than once: `names` are those, in order."""

    names: tuple[str, ...] = ()


CONTAINERS = frozenset({list, dict, _Repeated})


def check_size(body: bytes, max_values: int) -> None:
    """Refuse with 413 a body that holds more values than any good one would, before anything is built from it."""
    if len(body) <= SMALL_BODY:
        return
    if counted(body, b",[{") <= max_values:
        return
    if _is_deep(body):
        raise _too_deep()
    raise Problem(413, f"The body holds more values than the largest number of rows needs ({max_values} at most).")


def read_document(body: bytes, *, allows_constants: bool = False) -> Any:
    """Decode a JSON document by RFC 8259, strictly; `allows_constants` lets NaN and the infinities pass as numbers.

    Raises Problem: 400 for what is not JSON, is nested beyond 64 levels or repeats a top-level key; 422 with a
    pointer for a key repeated further down. Numbers beyond a double become infinities, for the schema to refuse.
    """
    try:
        value = loaded(body)
    except orjson.JSONDecodeError as error:
        if "infinity" not in error.msg and not (allows_constants and (b"NaN" in body or b"Infinity" in body)):
            raise _too_deep() if "depth" in error.msg else _not_json(error, body) from error
        return _read_slowly(body, _number if allows_constants else _refused)
    depth, keys = _measured(value)
    if depth > DEPTH_LIMIT:
        raise _too_deep()
    # A key brings a colon; as many colons as different keys leave none for a key that stands twice.
    if counted(body, b":") == keys:
        return value
    return _read_slowly(body, _refused)


def _read_slowly(body: bytes, constant: Callable[[str], float]) -> Any:
    """Decode with the standard library, which sees every key, and numbers of any size."""
    try:
        value = json.loads(
            body.decode(), object_pairs_hook=_pairs, parse_constant=constant, parse_int=_integer, parse_float=float
        )
        json.dumps(value, ensure_ascii=False).encode()  # finds lone surrogates
    except json.JSONDecodeError as error:
        raise _not_json(error, body) from error
    except UnicodeError as error:
        raise Problem(400, "The body is not valid JSON: it holds text that is not valid UTF-8.") from error
    except RecursionError as error:
        raise _too_deep() from error
    if _measured(value)[0] > DEPTH_LIMIT:
        raise _too_deep()
    if isinstance(value, _Repeated):
        faults = [Fault(_place((), name), "duplicate", f"{shown(name)} stands more than once") for name in value.names]
        raise Problem(400, "A top-level key stands more than once.", errors=faults)
    faults = list(_repeats(value))
    if faults:
        raise Problem(422, "A name stands more than once in one object.", errors=faults)
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    names = dict.fromkeys(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    repeated = _Repeated(found)
    repeated.names = tuple(names)
    return repeated


_number = float  # reads "NaN", "Infinity" and "-Infinity"


def _refused(token: str) -> NoReturn:
    raise Problem(400, f"The body is not valid JSON: {token} is not a JSON number.")


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= INTEGER_DIGITS else float(digits)


def _repeats(value: object) -> Iterator[Fault]:
    """Find objects with repeated keys at any depth."""
    waiting: list[tuple[tuple[int | str, ...], Any]] = [((), value)] if isinstance(value, (dict, list)) else []
    while waiting:
        place, container = waiting.pop()
        if isinstance(container, _Repeated):
            for name in container.names:
                yield Fault(_place(place, name), "duplicate_feature", f"{shown(name)} stands more than once")
        children = container.items() if isinstance(container, dict) else enumerate(container)
        deeper = [((*place, key), child) for key, child in children if isinstance(child, (dict, list))]
        waiting.extend(reversed(deeper))


def _place(place: tuple[int | str, ...], name: str) -> str:
    """Point at a key, or at its object when the key is nothing to repeat in an answer."""
    is_short = len(name) <= SHOWN_LIMIT and name.isprintable()
    return pointer(*place, name) if is_short else pointer(*place)


def _measured(value: object) -> tuple[int, int]:
    """Return how deep lists and objects are nested, at most one more than the limit, and how many keys there are."""
    level = [value] if isinstance(value, (dict, list)) else []
    depth = keys = 0
    while level and depth <= DEPTH_LIMIT:
        depth += 1
        keys += sum(len(container) for container in level if type(container) is dict)
        level = _children(level)
    return depth, keys


def _children(level: list[Any]) -> list[Any]:
    """Return the lists and objects in those of a level, which is used up: to let go of all at once is one call."""
    deeper: list[Any] = []
    seen = 0
    while level:
        containers = level[-MEMBERS:]
        del level[-MEMBERS:]
        for container in containers:
            members = container.values() if isinstance(container, dict) else container
            for some in (members,) if len(members) <= MEMBERS else _runs(members):
                if not CONTAINERS.isdisjoint(map(type, some)):
                    deeper += [member for member in some if type(member) in CONTAINERS]
                seen += len(some)
                if seen > MEMBERS:
                    seen = 0
                    make_way()
    return deeper


def _runs(members: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(members)
    while some := list(islice(rest, MEMBERS)):
        yield some


def _is_deep(body: bytes) -> bool:
    """Tell by brackets alone whether a body of any length is nested beyond the limit, in pieces of bounded size."""
    steps = np.zeros(256, dtype=np.int8)
    steps[[ord("["), ord("{")]] = 1
    steps[[ord("]"), ord("}")]] = -1
    depth = 0
    for start in range(0, len(body), SCAN_BYTES):
        piece = np.frombuffer(body, np.uint8, min(SCAN_BYTES, len(body) - start), start)
        depths = np.cumsum(steps[piece], dtype=np.int32)
        if depth + int(depths.max()) > DEPTH_LIMIT:
            return True
        depth += int(depths[-1])
    return False


def _not_json(error: json.JSONDecodeError, body: bytes) -> Problem:
    if not body.strip():
        return Problem(400, "The body is not valid JSON: it is empty.")
    try:
        body.decode()
    except UnicodeDecodeError as fault:
        where = f"its byte {fault.start + 1}, {body[fault.start]:#04x}, is no UTF-8"
        return Problem(400, f"The body is not valid JSON: {where}.")
    found = CONSTANT.match(error.doc, max(error.pos - 1, 0))
    reason = f"{found[1]} is no number there, and a missing value is null" if found else error.msg
    return Problem(400, f"The body is not valid JSON: {reason}, line {error.lineno}, column {error.colno}.")


def _too_deep() -> Problem:
    return one_fault(400, "", "depth", f"lists and objects are nested deeper than {DEPTH_LIMIT} levels")
