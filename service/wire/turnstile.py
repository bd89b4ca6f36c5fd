"""Requests that are refused by their header section and size, at a fraction of what it takes to look at them.

While a service is full, what each refusal costs is missing to the work that it has taken on. Refusals of requests with
one header section are alike but for the id, so the answer is made once, by what words all others, and then filled in.
"""

import time
from collections.abc import Iterator
from typing import Protocol

from service.messages import Request, Response, request_id, response_headers
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


FILLED_IN, OTHER = "Z", "Q"
"""What ids are made of that stand in for others; two of them tell whether an answer holds such text anyhow."""


class Prepared:
    """The refusal of requests with one head, all but the id, for as long as its date and the time to wait are right.

    ValueError where the place of an id of so many characters cannot be told.
    """

    __slots__ = ("busy_s", "date_line", "pieces", "what")

    def __init__(self, place: Place, refusing: Refusing, head: Head, busy_s: int, id_size: int) -> None:
        self.busy_s = busy_s
        self.date_line = place.date_line
        answer, self.what = _refused(place, refusing, head, busy_s, FILLED_IN * id_size)
        self.pieces = answer.split(FILLED_IN.encode() * id_size)
        if _refused(place, refusing, head, busy_s, OTHER * id_size)[0] != self.answer(OTHER * id_size):
            raise ValueError("an answer holds the text of an id elsewhere")

    def answer(self, given_id: str) -> bytes:
        """Return the answer to the request with an id."""
        return given_id.encode("ascii").join(self.pieces)


def _refused(place: Place, refusing: Refusing, head: Head, busy_s: int, given_id: str) -> tuple[bytes, Refused]:
    request, response = refusing.refusal(head, busy_s, given_id)
    headers = response_headers(request, response)
    if place.is_encrypted:
        headers.append(HSTS)
    start = rendered_head(response.status, place.date_line, headers, ends=False, is_old=head.version == "1.0")
    route = request.match.template
    return start + response.body, Refused(head.method, route, request.path, response.status, len(response.body))


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

    def answer(self, head: Head, size: int, asked_id: str | None = None) -> bytes | None:
        """Return the answer to a request that is refused, and note it; None for one that is to be looked at.

        `asked_id` is what the request calls itself, where its head is known without that.
        """
        began = time.monotonic()
        refusing = self._refusing
        busy_s = refusing.busy_s(head, size) if refusing else 0
        if refusing is None or not busy_s:
            return None
        place = self._place
        given_id = next(place.ids) if asked_id is None else request_id(asked_id, place.ids)
        try:
            prepared = self._prepared(refusing, head, busy_s, len(given_id))
        except ValueError:
            return None
        self._has_refused = True
        place.observer.refused(prepared.what, given_id, began, time.monotonic(), size)
        return prepared.answer(given_id)

    def _prepared(self, refusing: Refusing, head: Head, busy_s: int, id_size: int) -> Prepared:
        """Return the refusal for ids of so many characters: those of another length make answers of another length."""
        known: dict[int, Prepared] | None = head.refusals
        if known is None:
            known = head.refusals = {}
        found = known.get(id_size)
        if found is None or found.busy_s != busy_s or found.date_line is not self._place.date_line:
            found = known[id_size] = Prepared(self._place, refusing, head, busy_s, id_size)
        return found
