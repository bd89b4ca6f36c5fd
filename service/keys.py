"""Who may ask: API keys by their hashes, with what each may do and how often."""

import hashlib
import hmac
import math
import mmap
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

__all__ = ["Key", "KeyRing", "KeysError", "LimitError", "Limits", "Scope", "new_key", "read_keys"]

Scope = Literal["predict", "feedback", "observe", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PERIODS = {"s": 1.0, "min": 60.0, "h": 3600.0}
LINE = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})\s+(?P<scopes>[a-z,]+)\s+sha256:(?P<hash>[0-9a-f]{64})"
    r"(?:\s+(?P<most>[1-9][0-9]{0,8})/(?P<period>s|min|h))?",
    re.ASCII,
)
FILE_LIMIT = 2**20
SLOTS = 2**22  # by hash, so that two of a hundred keys share a limit once in a thousand files
CELL_BYTES = 8


class KeysError(ValueError):
    """A file of keys that cannot be used; the message is one sentence for the person who keeps it."""


class LimitError(RuntimeError):
    """A key has asked as often as it may; `retry_after_s` says when it may ask again."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("This key has asked as often as it may.")


@dataclass(frozen=True)
class Key:
    """One key: what it is called in the log, the SHA-256 of it, what it may do, and how many requests in a period."""

    name: str
    digest: bytes = field(repr=False)
    scopes: frozenset[Scope]
    most: int | None = None
    period_s: float = 1.0


def new_key(name: str, scopes: Iterable[str], limit: str | None = None) -> tuple[str, str]:
    """Draw a key; return it, to be given away once, and the line that lets it in. KeysError for what is no line."""
    key = secrets.token_urlsafe(32)
    digest = hashlib.sha256(key.encode()).hexdigest()
    line = f"{name} {','.join(scopes)} sha256:{digest}" + (f" {limit}" if limit else "")
    _read_line(line, 1)
    return key, line


def read_keys(text: str) -> tuple[Key, ...]:
    """Read a file of keys: NAME SCOPES sha256:HASH [LIMIT] a line, # for comments. KeysError names the line."""
    lines = [(number, line.partition("#")[0].strip()) for number, line in enumerate(text.splitlines(), 1)]
    keys = tuple(_read_line(line, number) for number, line in lines if line)
    if not keys:
        raise KeysError("it holds no key: `python -m service key NAME` draws one")
    for what in ("name", "digest"):
        if len({getattr(key, what) for key in keys}) != len(keys):
            raise KeysError(f"two keys have the same {what}")
    return keys


def _read_line(line: str, number: int) -> Key:
    found = LINE.fullmatch(line)
    scopes = found["scopes"].split(",") if found else []
    if found is None or not set(scopes) <= set(SCOPES):
        raise KeysError(
            f"line {number}: expected NAME SCOPES sha256:HASH, perhaps with a limit as 100/s, 100/min or 100/h; "
            f"scopes are {', '.join(SCOPES)}, by comma"
        )
    most = int(found["most"]) if found["most"] else None
    allowed = frozenset(scope for scope in SCOPES if scope in scopes)
    return Key(found["name"], bytes.fromhex(found["hash"]), allowed, most, PERIODS[found["period"] or "s"])


class Limits:
    """How often each key has asked, in memory that all processes of one fork share.

    One number a key: the time at which all it has asked for would be paid for at an even rate (the generic cell rate
    algorithm, ATM Forum, 1996). So many requests as a period allows may come at once, and then at the even rate. No
    lock: two processes at the very same moment may let one request more through.
    """

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, SLOTS * CELL_BYTES)).cast("d")

    def take(self, key: Key, now: float) -> None:
        """Count a request at a time of `time.monotonic`; LimitError when the key has asked too often."""
        if key.most is None:
            return
        slot = int.from_bytes(key.digest[:4]) % SLOTS
        paid = max(self._cells[slot], now)
        wait_s = paid + key.period_s / key.most - now - key.period_s
        if wait_s > 1e-9:  # noqa: PLR2004 - what sums of floats may be off
            raise LimitError(max(1, math.ceil(wait_s)))
        self._cells[slot] = paid + key.period_s / key.most


class KeyRing:
    """The keys of a file, read again when it changes; made before the fork, as its limits are shared."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._limits = Limits()
        self._stamp = self._stamped()
        self._keys = self._read()

    def find(self, given: str) -> Key | None:
        """Return the key that a request brings, counting the request; LimitError when it has asked too often.

        The search is by the hash of what was brought: how long it takes tells nothing about the keys that there are.
        """
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        key = self._keys.get(digest)
        if key is None or not hmac.compare_digest(key.digest, digest):
            return None
        self._limits.take(key, time.monotonic())
        return key

    def refresh(self) -> bool:
        """Read the file again if it has changed; return whether it was. KeysError leaves the keys as they are."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._keys = self._read()
        return True

    def _stamped(self) -> tuple[int, ...]:
        try:
            status = self._path.stat()
        except OSError:
            return ()
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> dict[bytes, Key]:
        try:
            with self._path.open("rb") as file:
                text = file.read(FILE_LIMIT + 1).decode()
        except (OSError, UnicodeError) as error:
            raise KeysError(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if len(text) > FILE_LIMIT:
            raise KeysError(f"it is longer than {FILE_LIMIT} bytes")
        return {key.digest: key for key in read_keys(text)}
