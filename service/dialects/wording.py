"""What the dialects share: problems in one line of text."""

from service.problems import Problem

__all__ = ["sentence_of", "status_of"]

UNPROCESSABLE = 422
FAILED = 500


def status_of(problem: Problem) -> int:
    """Return the status of a problem where there is no 422: what does not fit the model is a bad request."""
    return 400 if problem.status == UNPROCESSABLE else problem.status


def sentence_of(problem: Problem, request_id: str) -> str:
    """Return a problem as one text: the detail, and up to ten faults with the places they are at."""
    if problem.status == FAILED:
        return f"The request failed. Its id, {request_id}, finds the reason in the log."
    faults = [f"{fault.pointer or 'the body'}: {fault.detail}" for fault in problem.errors]
    if not faults:
        return problem.detail
    if more := problem.errors.total - len(faults):
        faults.append(f"and {more} more")
    is_said = len(faults) == 1 and problem.detail.casefold() == f"{problem.errors[0].detail}.".casefold()
    return "; ".join(faults) if is_said else f"{problem.detail} {'; '.join(faults)}"
