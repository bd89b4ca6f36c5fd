"""The bytes of an answer: status line, headers and body."""

from http import HTTPStatus

from service.messages import JSON, Request, Response, response_headers
from service.wire.framing import HeaderList

__all__ = ["HSTS", "rendered", "rendered_head"]

# The standard library learnt the current names of these with Python 3.13.
PHRASES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
STATUS_LINES = {
    code.value: f"HTTP/1.1 {code.value} {PHRASES.get(code.value, code.phrase)}\r\n".encode() for code in HTTPStatus
}
NO_CONTENT = 204
USUAL = (
    b"%b%bx-request-id: %b\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n"
    b"content-length: %d\r\ncontent-type: application/json\r\n\r\n%b"
)
"""What `rendered_head` makes of the headers that every answer in JSON has, and the body."""
CLOSE = b"connection: close\r\n"
HSTS = (b"strict-transport-security", b"max-age=31536000")
KEEP = b"connection: keep-alive\r\n"


def rendered(request: Request, response: Response, date_line: bytes) -> bytes:
    """Render a whole answer without headers of its own, on a connection that is kept."""
    if response.content_type != JSON or response.status == NO_CONTENT:
        head = rendered_head(response.status, date_line, response_headers(request, response), ends=False, is_old=False)
        return head + response.body
    body = response.body
    return USUAL % (STATUS_LINES[response.status], date_line, request.id.encode("ascii"), len(body), body)


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
