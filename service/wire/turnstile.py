"""Requests that are refused by their header section and size, at a fraction of what it takes to look at them.

While a service is full, what each refusal costs is missing to the work that it has taken on. Refusals of requests with
one header section are alike but for the id, so the answer is made once, by what words all others, and then filled in.
"""

import time
from collections.abc import Iterator
from typing import Protocol

from service.messages import Request, Response, response_headers
from service.observer import Observer, Refused
from service.wire.heads import Head
from service.wire.rendering import HSTS, rendered_head

__all__ = ["Place", "Refusing", "Turnstile"]


class Refusing(Protocol):
    """An application that can tell which requests it would refuse."""

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


class Prepared:
    """The refusal of requests with one head, all but the id, for as long as its date and the time to wait are right."""

    __slots__ = ("busy_s", "date_line", "id_size", "pieces", "what")

    def __init__(self, place: Place, refusing: Refusing, head: Head, busy_s: int, given_id: str) -> None:
        request, response = refusing.refusal(head, busy_s, given_id)
        headers = response_headers(request, response)
        if place.is_encrypted:
            headers.append(HSTS)
        start = rendered_head(response.status, place.date_line, headers, ends=False, is_old=head.version == "1.0")
        self.busy_s = busy_s
        self.date_line = place.date_line
        self.id_size = len(given_id)  # ids of other lengths make answers of other lengths
        self.pieces = (start + response.body).split(given_id.encode("ascii"))
        route = request.match.template
        self.what = Refused(head.method, route, request.path, response.status, len(response.body))


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

    def tick(self) -> None:
        """Look no more if nothing was refused since the last tick."""
        self.is_busy, self._has_refused = self._has_refused, False

    def note_refused(self) -> None:
        """Look from now on: a request was refused on the long way."""
        self.is_busy = self._has_refused = True

    def answer(self, head: Head, size: int) -> bytes | None:
        """Return the answer to a request that is refused, and note it; None for one that is to be looked at."""
        began = time.monotonic()
        refusing = self._refusing
        busy_s = refusing.busy_s(head, size) if refusing else 0
        if refusing is None or not busy_s:
            return None
        place = self._place
        given_id = next(place.ids)
        prepared: Prepared | None = head.refusal
        if (
            prepared is None
            or prepared.busy_s != busy_s
            or prepared.date_line is not place.date_line
            or prepared.id_size != len(given_id)
        ):
            prepared = head.refusal = Prepared(place, refusing, head, busy_s, given_id)
        answer = given_id.encode("ascii").join(prepared.pieces)
        self._has_refused = True
        place.observer.refused(prepared.what, given_id, began, time.monotonic(), size)
        return answer
