"""Which requests for a model's champion another version answers, or computes beside it."""

import hashlib
import re
from dataclasses import dataclass

__all__ = ["Rule", "is_drawn", "read_rules"]

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
RULE = re.compile(rf"(?P<model>{NAME}):(?P<alias>{NAME})(:(?P<percent>\d{{1,3}}(\.\d{{1,4}})?)%)?", re.ASCII)
WHOLE = 2**64
ALL = 100.0


@dataclass(frozen=True)
class Rule:
    """A part, `share` from 0 to 1, of the requests for the champion of `model` goes to the version of `alias`."""

    model: str
    alias: str
    share: float

    def takes(self, key: bytes) -> bool:
        """Tell whether the request with this key is one of them: the same for the same key, in every process."""
        return is_drawn(key, self.share, b"split")


def is_drawn(key: bytes, share: float, purpose: bytes) -> bool:
    """Tell whether a key is in a part of all keys: the same for the same key and purpose, in every process."""
    return int.from_bytes(hashlib.blake2b(key, digest_size=8, person=purpose).digest()) < share * WHOLE


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
