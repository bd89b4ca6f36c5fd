"""JSON as the manifest uses it: one spelling when written, bounded and unforgiving when read."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn

from predictor.wording import shown

__all__ = ["json_value", "read_json", "write_json"]

BRACKETS_LIMIT = 100_000  # empty lists and objects are what costs most memory for each byte of text
NUMBER_LIMIT = 32
DEPTH_LIMIT = 32


def write_json(value: object) -> bytes:
    """Return the one spelling of `value`: UTF-8, keys sorted, no spaces, shortest round-trip numbers."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")


def read_json(data: bytes) -> Any:
    """Decode strict JSON in bounded time and memory.

    Refused with ValueError: other encodings, duplicate keys, NaN and infinities, numbers longer than 32 characters,
    more than 100,000 lists and objects, and nesting that the decoder cannot follow.
    """
    if data.count(b"[") + data.count(b"{") > BRACKETS_LIMIT:
        raise ValueError(f"has more than {BRACKETS_LIMIT} lists and objects")
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except RecursionError:
        raise ValueError("is nested too deep") from None


def json_value(value: object, place: str, depth: int = 0) -> Any:
    """Return a copy of `value` as plain JSON: mappings become dicts with string keys, tuples lists.

    ValueError names the place of anything JSON cannot hold.
    """
    if depth > DEPTH_LIMIT:
        raise ValueError(f"{place[:64]}...: is nested more than {DEPTH_LIMIT} deep")
    if isinstance(value, Mapping):
        return {_key(key, place): json_value(item, f"{place}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(value)]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise ValueError(f"{place}: JSON cannot hold {type(value).__name__} {shown(str(value))}")


def _key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise ValueError(f"{place}: expected string keys, found {type(key).__name__}")
    return key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"has the key {shown(twice)} twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > NUMBER_LIMIT:
        raise ValueError(f"has a number of {len(text)} characters")
    return int(text)


def _float(text: str) -> float:
    if len(text) > NUMBER_LIMIT:
        raise ValueError(f"has a number of {len(text)} characters")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"has a number beyond float64: {text}")
    return number


def _constant(text: str) -> NoReturn:
    raise ValueError(f"has {text}, which JSON does not know")
