"""Requests that were refused for too much work: noted at little cost, counted and logged together.

What is spent on a refusal is missing to the work that was taken on. Lines of refusals with one header section differ in
four fields only, so that each is a template filled in.
"""

import time
from collections.abc import Callable
from typing import Any

from service.observer import Refused
from service.observing.logs import LogWriter
from service.observing.tallies import Tallies

__all__ = ["RefusedRequests", "request_record"]

Noted = tuple[str, float, float, int, tuple[bytes, ...]]
"""The id of a request, when it was read and when it was answered, the size of its body, the id of its trace if any."""

LONGEST_TEXT = 256
MOST_TEMPLATES = 256
OPEN = {"time": b"%b", "request_id": b"%b", "ms": b"%.3f", "bytes_in": b"%d"}
TRACE = {"trace_id": b"%b"}


class RefusedRequests:
    """What one process has refused since it last counted."""

    def __init__(self, tallies: Tallies, log: LogWriter, shed: Callable[[int], None]) -> None:
        self._tallies = tallies
        self._log = log
        self._shed = shed
        self._waiting: list[tuple[Refused, Noted]] = []
        self._templates: dict[Refused, bytes] = {}

    def add(self, what: Refused, noted: Noted) -> int:
        """Keep one, and return how many are kept; safe from any thread."""
        self._waiting.append((what, noted))
        return len(self._waiting)

    def count(self, *, is_logged: bool) -> None:
        """Tally what was kept and hand its lines to the log."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        groups: dict[Refused, list[Noted]] = {}
        for what, noted in waiting:
            groups.setdefault(what, []).append(noted)
        self._shed(len(waiting))
        for what, group in groups.items():
            kind = (what.route, what.method, what.status, None, None)
            self._tallies.add_brief(kind, [ended - began for _, began, ended, _, _ in group])
            if is_logged:
                self._write(what, group)

    def _write(self, what: Refused, group: list[Noted]) -> None:
        template = self._template(what)
        since = time.time() - time.monotonic()
        stamp = self._log.stamp
        lines, last_ms, when = [], 0, b""
        for given_id, began, ended, received, trace in group:
            ms = int((since + ended) * 1000)
            if ms != last_ms:
                last_ms, when = ms, stamp(since + ended).encode()
            lines.append(template % (when, given_id.encode(), (ended - began) * 1000, received, *trace))
        self._log.put(*lines)

    def _template(self, what: Refused) -> bytes:
        found = self._templates.get(what)
        if found is None:
            if len(self._templates) == MOST_TEMPLATES:
                self._templates.clear()
            record = request_record(
                when="", request_id="", method=what.method, route=what.route, path=what.path, status=what.status, ms=0,
                received=0, sent=what.sent,
            )  # fmt: skip
            if what.is_traced:
                record["trace_id"] = ""
            found = self._templates[what] = self._log.template(record, OPEN | TRACE if what.is_traced else OPEN)
        return found


def request_record(
    *,
    when: str,
    request_id: str,
    method: str,
    route: str,
    path: str,
    status: int,
    ms: float,
    received: int,
    sent: int,
) -> dict[str, Any]:
    """Return what the line of every request has, in its order; `received` and `sent` are bytes of the bodies."""
    return {
        "time": when,
        "level": "info",
        "message": "request",
        "request_id": request_id,
        "method": method,
        "route": route,
        "path": path if len(path) <= LONGEST_TEXT else path[:LONGEST_TEXT],
        "status": status,
        "ms": ms,
        "bytes_in": received,
        "bytes_out": sent,
    }
