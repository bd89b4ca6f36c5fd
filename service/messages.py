"""A request and a response as plain values: all that a route sees, whichever door the request came through."""

import itertools
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

__all__ = [
    "HTML",
    "JSON",
    "KEPT_ID",
    "WHOLE_BODY",
    "Headers",
    "Request",
    "Response",
    "generated_ids",
    "json_response",
    "media_type",
    "request_id",
    "response_headers",
    "standard_headers",
]

JSON = "application/json"
HTML = "text/html; charset=utf-8"
WHOLE_BODY = "ganglion.whole_body"  # ASGI extension: the server has read the body to its end already

KEPT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

Headers = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Request:
    """One request, its body read to the end.

    `path` is the undecoded path, `headers` have lower-case names and hold several fields of one name joined by
    ", ". `parameters` are the parts of the path that the route names; `received` is a monotonic time in seconds.
    `match` is what the router found, None before it looked or when nothing stands at the path; `served` is the
    version that is to answer a prediction, once it is chosen. `ready` is the time when the body had been read, where
    that is later than `received`, `deadline` when the answer must be ready, `decoded` when the body had become a
    matrix; `stages` is what observers are told of its course; `client` is the name of the key that it came with.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    id: str
    received: float
    parameters: Mapping[str, str] = field(default_factory=dict)
    match: Any = None
    served: Any = None
    ready: float = 0.0
    deadline: float = 0.0
    decoded: float = 0.0
    stages: Any = None
    client: str | None = None

    def option(self, name: str) -> str | None:
        """Return the last value of a query parameter, None when it is absent."""
        return dict(parse_qsl(self.query, keep_blank_values=True)).get(name) if self.query else None


@dataclass(slots=True)
class Response:
    """One answer; the pipeline adds the headers that every answer has."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Headers = ()
    rows: int = 0


def json_response(value: Any, status: int = 200, headers: Headers = ()) -> Response:
    """Answer `value` as JSON."""
    return Response(status, orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), JSON, headers)


def request_id(given: str | None, generated: Iterator[str]) -> str:
    """Keep the client's id when it is one to repeat, else take the next generated one."""
    return given if given is not None and KEPT_ID.fullmatch(given) else next(generated)


def generated_ids() -> Iterator[str]:
    """Yield ids that no other process yields: eight random bytes and a count."""
    form = f"{secrets.token_hex(8)}-%x"
    return map(form.__mod__, itertools.count(1))


def response_headers(request: Request, response: Response) -> list[tuple[bytes, bytes]]:
    """Return all headers of an answer, the same through either door."""
    headers = standard_headers(request.id)
    headers.append((b"content-length", b"%d" % len(response.body)))
    if response.content_type:
        headers.append((b"content-type", response.content_type.encode("latin-1")))
    if response.headers:
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    return headers


def standard_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that every answer has, also one made before there is a request to speak of."""
    return [
        (b"x-request-id", request_id.encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]


def media_type(value: str) -> tuple[str, dict[str, str]]:
    """Split a Content-Type or one range of an Accept header into its lower-case type and its parameters."""
    kind, *rest = value.split(";")
    pairs = (part.partition("=") for part in rest)
    parameters: dict[str, Any] = {name.strip().lower(): text.strip().strip('"').lower() for name, _, text in pairs}
    return kind.strip().lower(), parameters
