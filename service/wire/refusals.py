"""What is answered without the application: messages that are no request, and why."""

import re
from collections.abc import Iterator

import httptools

from service.messages import request_id, standard_headers
from service.problems import PROBLEM_TYPE, problem_body
from service.wire.framing import HeaderList, RefusedError

__all__ = ["FRAMING_TOO_LARGE", "HEAD_BROKEN_OFF", "HEAD_TOO_LATE", "Refusal", "reason_of", "refusal"]

METHOD = re.compile(rb"[\r\n]*[!#$%&'*+.^_`|~0-9A-Za-z-]+ ")
HEAD_TOO_LATE = (408, "The header section did not arrive in time.")
FRAMING_TOO_LARGE = (400, "The chunked body is framed with more than it holds.")
HEAD_BROKEN_OFF = (400, "The header section breaks off.")


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


def refusal(error: RefusedError, method: str, path: bytes, headers: HeaderList, ids: Iterator[str]) -> Refusal:
    """Make the answer to what was read of a message; it has the client's id, if that was read."""
    given = next((value.decode("latin-1") for name, value in headers if name == b"x-request-id"), None)
    return Refusal(error, method=method, path=path.decode("latin-1"), request_id=request_id(given, ids))


def reason_of(error: httptools.HttpParserError, data: bytes) -> RefusedError:
    """Say what is wrong with a message; the parser's reasons are fixed texts that quote nothing of it."""
    cause = error.__context__
    if isinstance(cause, RefusedError):
        return cause
    if isinstance(error, httptools.HttpParserInvalidMethodError) and METHOD.match(data):
        return RefusedError(501, "This method is not known here.")
    if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
        raise cause
    return RefusedError(400, f"This is not a well-formed request: {error}.")
