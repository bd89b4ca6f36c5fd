"""One request and its answer, between the connection and the ASGI application."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from service.framing import HeaderList, RefusedError
from service.messages import WHOLE_BODY, standard_headers
from service.problems import PROBLEM_TYPE, problem_body

if TYPE_CHECKING:
    from service.protocol import Connection

__all__ = ["Exchange", "Refusal", "rendered_head"]

# The standard library learnt the current names of these with Python 3.13.
PHRASES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
STATUS_LINES = {
    code.value: f"HTTP/1.1 {code.value} {PHRASES.get(code.value, code.phrase)}\r\n".encode() for code in HTTPStatus
}
NO_CONTENT = 204
CLOSE = b"connection: close\r\n"
KEEP = b"connection: keep-alive\r\n"


class Refusal:
    """A message that is answered without the application, with a problem; then the connection ends."""

    __slots__ = ("detail", "method", "path", "request_id", "status")

    def __init__(self, error: RefusedError, *, method: str, path: str, request_id: str) -> None:
        self.status = error.status
        self.detail = error.detail
        self.method = method
        self.path = path
        self.request_id = request_id

    def answer(self) -> tuple[HeaderList, bytes]:
        """Return the headers and the body of the answer."""
        body = problem_body(self.status, self.detail, self.request_id)
        headers = standard_headers(self.request_id)
        headers += [(b"content-length", b"%d" % len(body)), (b"content-type", PROBLEM_TYPE.encode())]
        return headers, body


class Exchange:
    """One request, and what the application makes of it.

    `is_whole` tells that the body arrived completely. A request whose body never will is handed to the application
    all the same, so that its answer has the shape of its route: `receive` then gives what there is with more to come
    (too long), raises TimeoutError (too late), or gives the disconnection after it (broken off).
    """

    __slots__ = (
        "connection", "expects_continue", "is_chunked", "is_given", "is_kept", "is_late", "is_lost", "is_whole",
        "parts", "pieces", "scope", "started",
    )  # fmt: skip

    def __init__(
        self,
        connection: "Connection",
        scope: dict[str, Any],
        *,
        is_kept: bool,
        is_chunked: bool,
        expects_continue: bool,
    ) -> None:
        self.connection = connection
        self.scope = scope
        self.is_kept = is_kept
        self.is_chunked = is_chunked
        self.expects_continue = expects_continue
        self.is_whole = False
        self.is_late = False
        self.is_lost = False
        self.is_given = False
        self.pieces: list[bytes] = []
        self.parts: list[bytes] = []
        self.started: dict[str, Any] | None = None

    def start(self) -> None:
        """Let the application answer: directly where it can, else in a task."""
        ground = self.connection.ground
        if self.is_whole:
            body = self._body()
            if ground.direct is not None and ground.direct(self.scope, body, self.complete):
                return
            self.scope["extensions"] = {WHOLE_BODY: body}
        ground.start(self._run())

    def complete(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Take the application's whole answer; one that cannot be written is answered for."""
        if self.connection.current is not self:
            return  # the client has gone
        try:
            self.connection.answer(self, status, headers, body)
        except Exception as error:  # noqa: BLE001 - other requests wait behind this call
            self._fail(error)

    async def _run(self) -> None:
        ground = self.connection.ground
        try:
            await ground.application(self.scope, self.receive, self.send)
        except Exception as error:  # noqa: BLE001 - whatever escapes the application must still become an answer
            self._fail(error)
        else:
            self._end()

    def _fail(self, error: Exception) -> None:
        self.connection.ground.observer.reported("error", "the application failed", error=error)
        self._end()

    def _end(self) -> None:
        """Answer for an application that has ended without an answer."""
        if self.connection.current is self:
            self.connection.fail_current()

    async def receive(self) -> dict[str, Any]:
        """Give the application the body in one piece; after that, the disconnection."""
        if self.is_late:
            raise TimeoutError
        if self.is_given:
            return {"type": "http.disconnect"}
        self.is_given = True
        return {"type": "http.request", "body": self._body(), "more_body": not self.is_whole}

    def _body(self) -> bytes:
        pieces = self.pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def send(self, message: dict[str, Any]) -> None:
        """Take the application's answer; all of it is written in one piece, with its last part."""
        if message["type"] == "http.response.start":
            self.started = message
            return
        body: bytes = message.get("body", b"")
        if self.parts or message.get("more_body", False):
            self.parts.append(body)
            if message.get("more_body", False):
                return
            body = b"".join(self.parts)
        if self.started is None or self.connection.current is not self:
            return
        self.connection.answer(self, self.started["status"], self.started["headers"], body)


def rendered_head(status: int, date_line: bytes, headers: HeaderList, *, ends: bool, is_old: bool) -> bytes:
    """Render status line and headers; `ends` tells that the connection ends, `is_old` that it speaks HTTP/1.0.

    RuntimeError when a header holds a line break, which would be two answers.
    """
    lines = [STATUS_LINES[status], date_line]
    count = 3
    for name, value in headers:
        if name == b"connection" or (status == NO_CONTENT and name == b"content-length"):
            continue
        lines += (name, b": ", value, b"\r\n")
        count += 1
    if ends or is_old:
        lines.append(CLOSE if ends else KEEP)
        count += 1
    lines.append(b"\r\n")
    head = b"".join(lines)
    if head.count(b"\n") != count or head.count(b"\r") != count:
        raise RuntimeError("a header of an answer holds a line break")
    return head
