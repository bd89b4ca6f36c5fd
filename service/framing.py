"""What a message on the wire may be, beyond what the parser itself refuses: pure checks, no input or output."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

__all__ = [
    "HeaderList",
    "Limits",
    "RefusedError",
    "check_coding",
    "check_expectation",
    "check_host",
    "check_version",
    "original_client",
    "split_target",
]

HeaderList = list[tuple[bytes, bytes]]

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


def check_version(version: str) -> None:
    """Refuse every version of HTTP but 1.1 and 1.0."""
    if version not in {"1.1", "1.0"}:
        raise RefusedError(400, "The HTTP version is not one that is spoken here: use 1.1.")


def check_host(version: str, hosts: list[bytes]) -> None:
    """Refuse HTTP/1.1 without exactly one well-formed Host; HTTP/1.0 may go without."""
    if not hosts:
        if version == "1.1":
            raise RefusedError(400, "HTTP/1.1 needs a Host.")
        return
    if len(hosts) > 1:
        raise RefusedError(400, "There is more than one Host.")
    if not HOST.fullmatch(hosts[0]):
        raise RefusedError(400, "The Host is malformed.")


def check_coding(version: str, codings: list[bytes]) -> None:
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


def check_expectation(version: str, expectations: list[bytes]) -> bool:
    """Return whether the client waits for `100 Continue`; any other expectation is refused."""
    if any(expected.lower() != b"100-continue" for expected in expectations):
        raise RefusedError(417, "The only expectation that can be met is 100-continue.")
    return bool(expectations) and version == "1.1"


def split_target(url: bytes) -> tuple[bytes, bytes]:
    """Split a request target, also one with scheme and host, into the undecoded path and the query."""
    path, _, query = url.partition(b"?")
    if not path.startswith(b"/") and path != b"*":
        found = ABSOLUTE.fullmatch(path)
        if found is None:
            raise RefusedError(400, "The request target is malformed.")
        path = found[1] or b"/"
    return path, query


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
