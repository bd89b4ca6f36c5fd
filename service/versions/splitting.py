"""Which requests for a model's champion another version answers, or computes beside it."""

import hashlib
import math
import re
from dataclasses import dataclass
from functools import cached_property

from predictor.repository import NAME

__all__ = ["Draw", "Rule", "read_rules"]

RULE = re.compile(
    rf"(?P<model>{NAME.pattern}):(?P<alias>{NAME.pattern})(:(?P<percent>\d{{1,3}}(\.\d{{1,4}})?)%)?", re.ASCII
)
BYTES = 8
WHOLE = 2 ** (8 * BYTES)
ALL = 100.0


@dataclass(frozen=True)
class Rule:
    """A part, `share` from 0 to 1, of the requests for the champion of `model` goes to the version of `alias`."""

    model: str
    alias: str
    share: float

    def takes(self, key: bytes) -> bool:
        """Tell whether the request with this key is one of them: the same for the same key, in every process."""
        return self._draw.takes(key)

    @cached_property
    def _draw(self) -> "Draw":
        return Draw(self.share, b"split")


class Draw:
    """A part of all keys, `share` from 0 to 1: the same for the same purpose, in every process."""

    def __init__(self, share: float, purpose: bytes) -> None:
        # Begun once and copied, and compared as bytes: a third of the time of a hash from its parameters and a number.
        self._begun = hashlib.blake2b(digest_size=BYTES, person=purpose)
        bound = math.ceil(share * WHOLE)
        self._bound = bound.to_bytes(BYTES) if bound < WHOLE else b"\xff" * (BYTES + 1)

    def takes(self, key: bytes) -> bool:
        """Tell whether a key is in it."""
        found = self._begun.copy()
        found.update(key)
        return found.digest() < self._bound


def read_rules(text: str) -> tuple[Rule, ...]:
    """Read "MODEL:ALIAS:PERCENT%", several by comma, all requests where no percentage stands; ValueError else."""
    rules: dict[str, Rule] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        found = RULE.fullmatch(part)
        percent = float(found["percent"] or ALL) if found else ALL
        if found is None or percent > ALL:
            raise ValueError(f"expected MODEL:ALIAS:PERCENT%, as in iris:challenger:5%, found {part[:64]!r}")
        if found["alias"] == "champion":
            raise ValueError(f"{part!r}: the champion answers already; name another alias")
        if found["model"] in rules:
            raise ValueError(f"model {found['model']} is named twice")
        rules[found["model"]] = Rule(found["model"], found["alias"], percent / ALL)
    return tuple(rules.values())
