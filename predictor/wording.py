"""How messages repeat text that somebody else chose: short, printable, and with the nearest known name."""

import difflib
import unicodedata
from collections.abc import Iterable

__all__ = ["SHOWN_LIMIT", "hint", "kind_of", "nearest", "pointer", "printable", "shortened", "shown"]

SHOWN_LIMIT = 64
MESSAGE_LIMIT = 300
CANDIDATES_LIMIT = 64  # this and the next bound the work that one misspelt name can cause
KNOWN_LIMIT = 1000

_KINDS = {
    bool: "a boolean",
    dict: "an object",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "a string",
    tuple: "a list",
    type(None): "null",
}


def shown(text: str) -> str:
    """Quote `text` for a message: at most 64 characters of it, none of them a control character."""
    kept = text if len(text) <= SHOWN_LIMIT else text[: SHOWN_LIMIT - 3] + "..."
    return f"'{printable(kept)}'"


def printable(text: str) -> str:
    """Return `text` with each control character, which a terminal might obey, replaced."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def shortened(message: str) -> str:
    """Return a message that repeats somebody else's text at most 300 characters long, without control characters."""
    return printable(message if len(message) <= MESSAGE_LIMIT else message[: MESSAGE_LIMIT - 3] + "...")


def kind_of(value: object) -> str:
    """Name the JSON type of a decoded value, with its article."""
    return _KINDS.get(type(value), "something else")


def pointer(*parts: int | str) -> str:
    """Build an RFC 6901 JSON pointer; no parts point at the whole value."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely meant, or None when nothing is near or there are too many."""
    names = list(known)
    if len(names) > KNOWN_LIMIT:
        return None
    folded = _folded(name[: 4 * SHOWN_LIMIT])
    for candidate in names:
        if _folded(candidate) == folded:
            return candidate
    candidates = sorted(names, key=lambda candidate: abs(len(candidate) - len(name)))[:CANDIDATES_LIMIT]
    if len(name) > SHOWN_LIMIT:
        return None
    found = difflib.get_close_matches(name, [candidate[:SHOWN_LIMIT] for candidate in candidates], n=1)
    return next((candidate for candidate in candidates if found and candidate[:SHOWN_LIMIT] == found[0]), None)


def hint(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for a near miss, else nothing."""
    found = nearest(name, known)
    return f"; did you mean {shown(found)}?" if found is not None else ""


def _folded(name: str) -> str:
    """Reduce a name to what survives changes of case, width, spacing and separators."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in folded if letter.isalnum()) or folded
