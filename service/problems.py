"""What goes wrong, as RFC 9457 problem details: one exception, rendered in one place."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import orjson

from predictor import Fault, Findings, InputError
from service.messages import Headers, Request, Response

__all__ = ["PROBLEM_TYPE", "Problem", "not_fitting", "one_fault", "problem_body", "problem_response"]

PROBLEM_TYPE = "application/problem+json"
NO_FAULTS = Findings()
# The standard library learnt the current names of these with Python 3.13.
TITLES = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """A request that gets an error: its status, a sentence, and faults with JSON pointers.

    The first ten of `errors` are kept; `count` says how many there are, by default as many as were given.
    """

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
        self.errors = errors if isinstance(errors, Findings) and count is None else Findings(errors, count)
        self.headers = headers
        super().__init__(f"{status}: {detail}")


def not_fitting(error: InputError, place: str) -> Problem:
    """Say that values do not fit the model: 422, with every pointer put below `place`."""
    return Problem(422, "The instances do not fit the model.", errors=error.faults.below(place))


def one_fault(status: int, pointer: str, code: str, detail: str) -> Problem:
    """Make a problem with one fault, whose detail is also the problem's."""
    return Problem(status, detail[:1].upper() + detail[1:] + ".", errors=[Fault(pointer, code, detail)])


def problem_body(status: int, detail: str, request_id: str, errors: Findings = NO_FAULTS) -> bytes:
    """Render problem details as JSON."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request_id,
    }
    if errors:
        said = [{"pointer": e.pointer, "code": e.code, "detail": e.detail} for e in errors]
        body |= {"errors": said, "count": errors.total}
    return orjson.dumps(body)


def problem_response(problem: Problem, request: Request) -> Response:
    """Answer a problem in the native shape."""
    body = problem_body(problem.status, problem.detail, request.id, problem.errors)
    return Response(problem.status, body, PROBLEM_TYPE, problem.headers)
