"""What a message on the wire may be, beyond what the parser itself refuses: pure checks, no input or output."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

__all__ = [
    "HEAD_TOO_LARGE",
    "URI_TOO_LONG",
    "Framing",
    "HeaderList",
    "Limits",
    "RefusedError",
    "check_head",
    "head_without_upgrade",
    "original_client",
    "split_target",
]

HeaderList = list[tuple[bytes, bytes]]

DECISIVE = frozenset({b"host", b"content-length", b"transfer-encoding", b"expect"})
HEADERS_OF_AN_UPGRADE = (b"connection", b"upgrade", b"http2-settings")
URI_TOO_LONG = (414, "The request target is too long.")
HEAD_TOO_LARGE = (431, "The header section is too large.")
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._~%-]{1,255})(?::[0-9]{1,5})?")
ABSOLUTE = re.compile(rb"https?://[^/?#]+(/[^?#]*)?", re.IGNORECASE)


class RefusedError(Exception):
    """A message that the application never sees: the status of its answer and the sentence that says why."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(status, detail)


@dataclass(frozen=True)
class Limits:
    """How large and how slow a message may be; sizes in bytes, times in seconds."""

    header_bytes: int
    uri_bytes: int
    body_bytes: int
    header_timeout_s: float
    body_timeout_s: float
    keep_alive_s: float
    connections: int


class Framing(NamedTuple):
    """What a header section says of the body that follows it, and its Host, which need not be checked again."""

    is_chunked: bool
    length: int
    expects_continue: bool
    host: bytes | None


def check_head(
    version: str, method: str, url: bytes, headers: HeaderList, *, limits: Limits, known_host: bytes | None
) -> Framing:
    """Check a whole header section. RefusedError when it is none of HTTP/1.1 or 1.0, or too large."""
    found: dict[bytes, list[bytes]] = {}
    size = len(url)
    for name, value in headers:
        size += len(name) + len(value) + 4
        if name in DECISIVE:
            found.setdefault(name, []).append(value)
    if len(url) > limits.uri_bytes:
        raise RefusedError(*URI_TOO_LONG)
    if size > limits.header_bytes:
        raise RefusedError(*HEAD_TOO_LARGE)
    _check_version(version)
    hosts = found.get(b"host", [])
    if hosts != [known_host]:
        _check_host(version, hosts)
    codings = found.get(b"transfer-encoding")
    if codings:
        _check_coding(version, codings)
    if method == "CONNECT":
        raise RefusedError(501, "This server is no proxy: it does not connect to others.")
    lengths = found.get(b"content-length")
    expectations = found.get(b"expect")
    expects_continue = expectations is not None and _check_expectation(version, expectations)
    length = int(lengths[0]) if lengths else 0
    return Framing(codings is not None, length, expects_continue, hosts[0] if hosts else None)


def split_target(url: bytes) -> tuple[bytes, bytes]:
    """Split a request target, also one with scheme and host, into the undecoded path and the query.

    RefusedError when it is malformed.
    """
    path, _, query = url.partition(b"?")
    if not path.startswith(b"/") and path != b"*":
        found = ABSOLUTE.fullmatch(path)
        if found is None:
            raise RefusedError(400, "The request target is malformed.")
        path = found[1] or b"/"
    return path, query


def head_without_upgrade(method: bytes, url: bytes, headers: HeaderList) -> bytes:
    """Write a header section of HTTP/1.1 again, without its offer to speak another protocol."""
    kept = [pair for pair in headers if pair[0] not in HEADERS_OF_AN_UPGRADE]
    if any(name == b"connection" and b"close" in value.lower() for name, value in headers):
        kept.append((b"connection", b"close"))
    fields = b"".join(b"%b: %b\r\n" % pair for pair in kept)
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, url, fields)


def _check_version(version: str) -> None:
    """Refuse every version of HTTP but 1.1 and 1.0."""
    if version not in {"1.1", "1.0"}:
        raise RefusedError(400, "The HTTP version is not one that is spoken here: use 1.1.")


def _check_host(version: str, hosts: list[bytes]) -> None:
    """Refuse HTTP/1.1 without exactly one well-formed Host; HTTP/1.0 may go without."""
    if not hosts:
        if version == "1.1":
            raise RefusedError(400, "HTTP/1.1 needs a Host.")
        return
    if len(hosts) > 1:
        raise RefusedError(400, "There is more than one Host.")
    if not HOST.fullmatch(hosts[0]):
        raise RefusedError(400, "The Host is malformed.")


def _check_coding(version: str, codings: list[bytes]) -> None:
    """Refuse every transfer coding but one single `chunked` over HTTP/1.1.

    A Content-Length beside it, two lengths and malformed ones are refused by the parser before.
    """
    named = [coding.strip() for coding in b",".join(codings).lower().split(b",")]
    if any(coding != b"chunked" for coding in named):
        raise RefusedError(501, "The only transfer coding that is understood is chunked.")
    if len(named) > 1:
        raise RefusedError(400, "The transfer coding chunked is named twice.")
    if version != "1.1":
        raise RefusedError(400, "A transfer coding needs HTTP/1.1.")


def _check_expectation(version: str, expectations: list[bytes]) -> bool:
    """Return whether the client waits for `100 Continue`; any other expectation is refused."""
    if any(expected.lower() != b"100-continue" for expected in expectations):
        raise RefusedError(417, "The only expectation that can be met is 100-continue.")
    return version == "1.1"


def original_client(headers: HeaderList, peer: str, trusted: frozenset[str]) -> tuple[str, str]:
    """Return the address and the scheme that trusted proxies speak of.

    The address is the last one named that is not a trusted proxy's own; what is malformed ends the search.
    """
    named = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    schemes = [value.lower() for name, value in headers if name == b"x-forwarded-proto"]
    client = peer
    for text in reversed([part.strip() for part in named.split(",")]):
        try:
            client = str(ip_address(text))
        except ValueError:
            break
        if client not in trusted:
            break
    return client, "https" if schemes == [b"https"] else "http"
