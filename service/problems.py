"""What goes wrong, as RFC 9457 problem details: one exception, rendered in one place."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import orjson

from predictor import Fault, InputError
from service.messages import Headers, Request, Response

__all__ = ["PROBLEM_TYPE", "Problem", "not_fitting", "one_fault", "problem_body", "problem_response"]

PROBLEM_TYPE = "application/problem+json"
FAULTS_SHOWN = 10
# The standard library learnt the current names of these with Python 3.13.
TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """A request that gets an error: its status, a sentence, and up to ten faults with JSON pointers."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[Fault] = (),
        count: int | None = None,
        headers: Headers = (),
    ) -> None:
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.count = len(self.errors) if count is None else count
        self.headers = headers
        super().__init__(f"{status}: {detail}")


def not_fitting(error: InputError, place: str) -> Problem:
    """Say that values do not fit the model: 422, with every pointer put below `place`."""
    errors = [Fault(place + fault.pointer, fault.code, fault.detail) for fault in error.faults]
    return Problem(422, "The instances do not fit the model.", errors=errors, count=error.count)


def one_fault(status: int, pointer: str, code: str, detail: str) -> Problem:
    """Make a problem with one fault, whose detail is also the problem's."""
    return Problem(status, detail[:1].upper() + detail[1:] + ".", errors=[Fault(pointer, code, detail)])


def problem_body(
    status: int, detail: str, request_id: str, *, errors: Iterable[Fault] = (), count: int | None = None
) -> bytes:
    """Render problem details as JSON."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request_id,
    }
    kept = [{"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in errors][:FAULTS_SHOWN]
    if kept:
        body |= {"errors": kept, "count": len(kept) if count is None else count}
    return orjson.dumps(body)


def problem_response(problem: Problem, request: Request) -> Response:
    """Answer a problem in the native shape."""
    body = problem_body(problem.status, problem.detail, request.id, errors=problem.errors, count=problem.count)
    return Response(problem.status, body, PROBLEM_TYPE, problem.headers)
