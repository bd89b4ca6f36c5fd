"""Requests that are refused by their header section and size, at a fraction of what it takes to look at them.

While a service is full, what each refusal costs is missing to the work that it has taken on. Refusals of requests with
one header section are alike but for the id and the trace, so the answer is made once, by what words all others, and
then filled in.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from service.messages import Request, Response, request_id, response_headers
from service.observer import Observer, Refused
from service.observing.traces import TRACEPARENT, new_span_id, read_traceparent, traceparent
from service.wire.heads import NOTHING, Head, Own
from service.wire.rendering import HSTS, rendered_head

__all__ = ["Place", "Refusing", "Turnstile"]


class Refusing(Protocol):
    """An application that can tell which requests it would refuse."""

    def tell_when_full(self, then: Callable[[], None]) -> None:
        """Call `then` whenever a request is refused because there is too much to do, from any thread."""

    def busy_s(self, head: Head, size: int) -> int:
        """Return after how many seconds to ask again if a body of `size` would be refused whatever it holds, else 0."""

    def refusal(self, head: Head, busy_s: int, given_id: str) -> tuple[Request, Response]:
        """Return the answer to such a request, as if it came with an id."""


class Place(Protocol):
    """Where a turnstile stands: what it needs of the worker."""

    date_line: bytes
    is_encrypted: bool
    ids: Iterator[str]
    observer: Observer


Kind = tuple[int, bool]
"""How many characters the id of a request has, and whether it belongs to a trace."""
FILLED_IN, OTHER = ("Z", "*"), ("Q", "+")
"""What ids and the headers of traces are made of that stand in for others; no id has the latter in it.

Two of each tell whether an answer holds such text anyhow.
"""
TRACEPARENT_SIZE = 55
TRACE_FILLED_IN = FILLED_IN[1].encode() * TRACEPARENT_SIZE


class Prepared:
    """The refusal of requests with one head, all but what is their own, while its date and the time to wait are right.

    ValueError where the place of that cannot be told.
    """

    __slots__ = ("busy_s", "date_line", "pieces", "what")

    def __init__(self, place: Place, refusing: Refusing, head: Head, busy_s: int, kind: Kind) -> None:
        self.busy_s = busy_s
        self.date_line = place.date_line
        id_size, is_traced = kind
        answer, self.what = _refused(place, refusing, head, busy_s, _marks(kind, FILLED_IN))
        self.pieces = answer.split(FILLED_IN[0].encode() * id_size)
        other = _marks(kind, OTHER)
        found = self.traced(other.id, other.traceparent) if is_traced else self.answer(other.id)
        if _refused(place, refusing, head, busy_s, other)[0] != found:
            raise ValueError("an answer holds the text of an id elsewhere")

    def answer(self, given_id: str) -> bytes:
        """Return the answer to the request with an id."""
        return given_id.encode("ascii").join(self.pieces)

    def traced(self, given_id: str, traceparent: str) -> bytes:
        """Return the answer to the request with an id that belongs to a trace."""
        return self.answer(given_id).replace(TRACE_FILLED_IN, traceparent.encode("ascii"))


class Marks(NamedTuple):
    """What an answer says of one request alone; `traceparent` is empty where that has no trace."""

    id: str
    traceparent: str


def _marks(kind: Kind, letters: tuple[str, str]) -> Marks:
    return Marks(letters[0] * kind[0], letters[1] * TRACEPARENT_SIZE if kind[1] else "")


def _refused(place: Place, refusing: Refusing, head: Head, busy_s: int, own: Marks) -> tuple[bytes, Refused]:
    request, response = refusing.refusal(head, busy_s, own.id)
    headers = response_headers(request, response)
    if own.traceparent:
        headers.append((TRACEPARENT.encode(), own.traceparent.encode()))
    if place.is_encrypted:
        headers.append(HSTS)
    start = rendered_head(response.status, place.date_line, headers, ends=False, is_old=head.version == "1.0")
    what = Refused(
        head.method, request.match.template, request.path, response.status, len(response.body), bool(own.traceparent)
    )
    return start + response.body, what


class Turnstile:
    """Tells which requests of one worker are refused at once, and with which bytes.

    It is to be asked only while it `is_busy`, that is when something was refused lately, so that a service which is not
    full does not pay for it.
    """

    def __init__(self, place: Place, refusing: Refusing | None) -> None:
        self._place = place
        self._refusing = refusing
        self.is_busy = False
        self._has_refused = False
        if refusing is not None:
            refusing.tell_when_full(self.note_refused)

    def tick(self) -> None:
        """Look no more if nothing was refused since the last tick."""
        self.is_busy, self._has_refused = self._has_refused, False

    def note_refused(self) -> None:
        """Look from now on: a request was refused on the long way."""
        self.is_busy = self._has_refused = True

    def answer(self, head: Head, size: int, own: Own = NOTHING) -> bytes | None:
        """Return the answer to a request that is refused, and note it; None for one that is to be looked at.

        `own` is what the request says of itself, where its head is known without that.
        """
        began = time.monotonic()
        refusing = self._refusing
        if refusing is None:
            return None
        busy_s = refusing.busy_s(head, size)
        if not busy_s:
            return None
        place = self._place
        given_id = next(place.ids) if own.id is None else request_id(own.id, place.ids)
        trace = None if own.traceparent is None else read_traceparent(own.traceparent)
        try:
            prepared = self._prepared(refusing, head, busy_s, (len(given_id), trace is not None))
        except ValueError:
            return None
        self._has_refused = True
        note = place.observer.refused
        if trace is None:
            note(prepared.what, given_id, began, time.monotonic(), size)
            return prepared.answer(given_id)
        answer = prepared.traced(given_id, traceparent(trace.trace_id, new_span_id(), is_sampled=trace.is_sampled))
        note(prepared.what, given_id, began, time.monotonic(), size, trace_id=trace.trace_id)
        return answer

    def _prepared(self, refusing: Refusing, head: Head, busy_s: int, kind: Kind) -> Prepared:
        """Return the refusal of a kind: ids of another length make answers of another length."""
        known: dict[Kind, Prepared] | None = head.refusals
        if known is None:
            known = head.refusals = {}
        found = known.get(kind)
        if found is None or found.busy_s != busy_s or found.date_line is not self._place.date_line:
            found = known[kind] = Prepared(self._place, refusing, head, busy_s, kind)
        return found
