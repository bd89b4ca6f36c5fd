"""Cells of text as people write them: nothing at all, or numbers with thousands, decimal commas, currencies, units."""

import math
import re
from collections.abc import Sequence

from predictor.wording import shown

__all__ = ["ABSENT", "MISSING", "are_codes", "number", "spelled_numbers"]

MISSING = frozenset(
    ["", "?", "-", ".", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "missing", "#na", "#null!"]
)
"""Words that mean a missing cell wherever they stand alone, in lower case."""

ABSENT = frozenset({"unknown", "unk", "not available", "not applicable", "not known", "not recorded", "no data", "tbd"})
ABSENT |= {"n.a.", "n.a", "nd", "n/d", "(null)", "\\n", "--", "---", "nat", "(blank)", "blank", "empty", "undefined"}
ABSENT |= {"#div/0!", "#value!", "#ref!", "#name?", "#num!"}
"""Words that mean a missing cell among numbers and dates, in lower case; among other texts they may say something."""

CELL_LIMIT = 64
MINUS = "-\N{MINUS SIGN}"
GAP = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}'\N{RIGHT SINGLE QUOTATION MARK}"
_CURRENCY = r"(?:US|R)?\$|[€£¥₹₩₽₺₴₫₱]|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|Rs\.?|kr\.?"
_NUMBER = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+\N{{MINUS SIGN}}])?\s?(?P<before>{_CURRENCY})?\s?(?P<inner>[-\N{{MINUS SIGN}}])?"
    rf"(?P<body>\d[\d.,{GAP}]*\d|\d|[.,]\d+)\s?(?P<after>[^\s\d.,()+-][^\d.,()+-]{{0,11}})?(?P<close>\))?"
)
_POINT = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]+)?")
_COMMA = re.compile(rf"(?:[0-9]{{1,3}}(?:[.{GAP}][0-9]{{3}})+|[0-9]+)?(?:,[0-9]+)?")
_GAPPED = re.compile(rf"(?:[0-9]{{1,3}}(?:[{GAP}][0-9]{{3}})+|[0-9]+)?(?:\.[0-9]+)?")


def number(text: str) -> float | None:
    """Return the finite number that `text` spells, or None; underscores and words such as "inf" spell none."""
    if "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def spelled_numbers(words: Sequence[str], *, prefers_comma: bool) -> tuple[list[float], str] | None:
    """Return the numbers that words spell in one way, and what that way is; None unless all of them agree.

    All have the same currency, percent sign or unit, or none of them has. `prefers_comma` says that the source's
    numbers have a decimal comma where a number may be read both ways: 1,234.
    """
    found = [_NUMBER.fullmatch(word) if len(word) <= CELL_LIMIT else None for word in words]
    matches = [match for match in found if match is not None and bool(match["open"]) == bool(match["close"])]
    if not words or len(matches) < len(words):
        return None
    if len({(match["before"] or "", (match["after"] or "").strip()) for match in matches}) > 1:
        return None
    bodies = [match["body"] for match in matches]
    points, comma = [(_POINT, "."), (_GAPPED, ".")], [(_COMMA, ",")]
    forms = comma + points if prefers_comma else points + comma
    decimal = next((decimal for form, decimal in forms if all(form.fullmatch(body) for body in bodies)), None)
    if decimal is None:
        return None
    values = [_value(match, decimal) for match in matches]
    longest = max(range(len(words)), key=lambda place: len(words[place]))
    return values, f"numbers such as {shown(words[longest])}, which is read as {values[longest]:.10g}"


def are_codes(words: Sequence[str]) -> bool:
    """Tell whether words are digits with leading zeros, which a number would lose."""
    return all(word.isdecimal() and word.isascii() for word in words) and any(
        word[0] == "0" and len(word) > 1 for word in words
    )


def _value(match: re.Match[str], decimal: str) -> float:
    digits = "".join(letter for letter in match["body"] if letter.isdigit() or letter == decimal)
    is_negative = (match["sign"] or "+") in MINUS or bool(match["inner"]) or bool(match["open"])
    value = float(digits.replace(decimal, "."))
    return -value if is_negative else value
