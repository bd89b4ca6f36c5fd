"""Values as TOML text, which the standard library reads but does not write."""

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["toml_key", "toml_text"]

BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def toml_text(values: Mapping[str, Any]) -> str:
    """Return a TOML document that reads as ``values``: booleans, numbers, text, lists and mappings of such.

    A mapping on the first level is a table of its own; deeper ones stand in one line.
    """
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    tables = [f"\n[{toml_key(key)}]\n{_keys(value)}" for key, value in values.items() if key not in plain]
    return "".join([_keys(plain), *tables]).lstrip("\n")


def _keys(values: Mapping[str, Any]) -> str:
    return "".join(f"{toml_key(key)} = {_value(value)}\n" for key, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml_key(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return f"[{', '.join(map(_value, value))}]"


def toml_key(key: str) -> str:
    """Return a key as it stands in a TOML document: quoted unless it is a bare word."""
    return key if BARE.fullmatch(key) else _text(key)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, too, but for the one control character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
