"""Header sections that were read once: most clients send the same bytes again and again.

A head that is kept was found good by the parser and by every check behind it, as the first thing on its connection or
the first after a whole message, with nothing behind it but the body that it announces or a part of that. The same bytes
in the same place can mean nothing else, so they need not be parsed again.
"""

import copy
import re
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

from service.wire.framing import Framing, HeaderList, original_client, split_target

__all__ = ["NOTHING", "OWN", "Head", "Heads", "Own"]

ASGI = {"version": "3.0", "spec_version": "2.3"}
BLANK_LINE = b"\r\n\r\n"
MOST = 256
LONGEST = 1024
# What names one request is not sent again, and what only its owner may know is not to be kept.
OWN = frozenset(
    {
        b"authorization", b"cookie", b"idempotency-key", b"proxy-authorization", b"traceparent", b"tracestate",
        b"x-api-key", b"x-correlation-id", b"x-request-id",
    }
)  # fmt: skip
OWN_LINE = re.compile(
    rb"\r\n(?i:(?:%b)|x-request-id:([\t -~]*)|traceparent:([\t -~]*))(?=\r\n[^\t ])"
    % b"|".join(rb"%b:[\t -~]*" % name for name in sorted(OWN - {b"x-request-id", b"traceparent"}))
)


class Own(NamedTuple):
    """What of a header section is one request's own and comes back in its answer; what came in pieces is joined."""

    id: str | None = None
    traceparent: str | None = None


NOTHING = Own()


class Head:
    """What one header section asks for; RefusedError 400 for a target that is malformed.

    `plan` is what the application has made of it, to be found again with the next request that begins with it; so are
    `refusals`, the answers while there is too much to do.
    """

    __slots__ = ("framing", "headers", "is_kept", "method", "path", "plan", "query", "refusals", "version")

    def __init__(
        self, version: str, method: str, url: bytes, headers: HeaderList, framing: Framing, *, is_kept: bool
    ) -> None:
        self.version = version
        self.method = method
        self.path, self.query = split_target(url)
        self.headers = headers
        self.framing = framing
        self.is_kept = is_kept
        self.plan: Any = None
        self.refusals: Any = None

    def without_own(self) -> Self:
        """Return the same head without what is one request's own; nothing is made of it yet."""
        other = copy.copy(self)
        other.headers = [pair for pair in self.headers if pair[0] not in OWN]
        other.plan = other.refusals = None
        return other

    def scope(
        self, peer: tuple[str, int], local: tuple[str, int] | None, *, trusted: frozenset[str], scheme: str
    ) -> dict[str, Any]:
        """Return the ASGI scope of a request with this head that came from an address to another."""
        text = self.path.decode("latin-1")
        client = peer
        if trusted and peer[0] in trusted:
            address, scheme = original_client(self.headers, peer[0], trusted)
            client = (address, 0)
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": self.version,
            "method": self.method,
            "scheme": scheme,
            "path": unquote(text) if "%" in text else text,
            "raw_path": self.path,
            "query_string": self.query,
            "root_path": "",
            "headers": self.headers,
            "client": client,
            "server": local,
        }


class Heads:
    """The heads that one worker knows by their bytes: few and short ones, all forgotten when they are too many."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes) -> tuple[bytes, Head | None]:
        """Return the header section that bytes begin with, as far as it is there, and what is known of it."""
        text = data[: data.find(BLANK_LINE) + len(BLANK_LINE)]
        return text, self._known.get(text)

    def find_without_own(self, text: bytes) -> tuple[Head | None, Own]:
        """Return what is known of a header section but for what is one request's own, and that."""
        if len(text) > LONGEST:
            return None, NOTHING
        left, own = _without_own(text)
        return self._known.get(left), own

    def keep_without_own(self, text: bytes, head: Head) -> None:
        """Know a head from now on without what is one request's own.

        Lines of such names say nothing of where a message ends: what is good with them is good without them.
        """
        other = head.without_own()
        if len(other.headers) == len(head.headers) or len(text) > LONGEST:
            return
        left, _ = _without_own(text)
        if text.count(b"\r\n") - left.count(b"\r\n") == len(head.headers) - len(other.headers):
            self.keep(left, other)

    def keep(self, text: bytes, head: Head) -> None:
        """Know a head from now on, unless it is long, or one that nobody sends twice or that holds a secret."""
        if len(text) > LONGEST or not text.endswith(BLANK_LINE):
            return
        if head.framing.is_chunked or head.framing.expects_continue or any(name in OWN for name, _ in head.headers):
            return
        if len(self._known) == MOST:
            self._known.clear()
        self._known[text] = head


def _without_own(text: bytes) -> tuple[bytes, Own]:
    """Return a header section without the lines that are one request's own, and what an answer needs of them."""
    parts = OWN_LINE.split(text)
    return b"".join(parts[::3]), Own(_joined(parts[1::3]), _joined(parts[2::3]))


def _joined(found: list[bytes | None]) -> str | None:
    return ", ".join([text.decode("ascii").strip() for text in found if text is not None]) or None
