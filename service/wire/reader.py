"""What arrives on one connection, read as the messages of HTTP/1.1 that it holds.

The parser (llhttp, strict) finds most of what is not HTTP; a header section that is known goes without it.
"""

from enum import IntEnum
from typing import Protocol

import httptools

from service.wire.exchange import Exchange, Line
from service.wire.filling import LEAST_BYTES
from service.wire.framing import (
    HEAD_TOO_LARGE,
    URI_TOO_LONG,
    HeaderList,
    Limits,
    RefusedError,
    check_head,
    head_without_upgrade,
)
from service.wire.heads import NOTHING, Head, Own
from service.wire.refusals import FRAMING_TOO_LARGE, HEAD_BROKEN_OFF, HEAD_TOO_LATE, Refusal, reason_of, refusal

__all__ = ["Phase", "ReadLine", "Reader"]

SLICE = 8192  # bytes parsed at once: bounds how many pipelined requests are held ready


class Phase(IntEnum):
    """Where in a message the parser stands."""

    IDLE = 0  # between messages
    HEAD = 1
    BODY = 2
    ENDING = 3  # nothing more is read from this client: what arrives is thrown away


class ReadLine(Line, Protocol):
    """What a reader needs of its connection."""

    @property
    def limits(self) -> Limits:
        """How much a client may send, and how slowly."""

    def hold(self, data: bytes) -> None:
        """Keep what cannot be read before the request in work is answered."""

    def enqueue(self, item: Exchange | Refusal) -> None:
        """Begin with what was read, or remember it."""

    def turns_away(self, head: Head, size: int, own: Own = NOTHING) -> bool:
        """Refuse a request at once if its head and size suffice to tell; return whether it was."""

    def work_on(self, exchange: Exchange) -> None:
        """Let the application answer a request; no other is in work."""

    def wait(self) -> None:
        """Give the client its time for what is next."""

    def fill(self, pieces: list[bytes], length: int) -> None:
        """Receive the rest of a long body straight into its place, if there is room; then call `Reader.take_body`."""

    def unfill(self) -> None:
        """Receive as ever again."""


class Reader:
    """The reading half of a connection, which is handed each request and each refusal as soon as it is read."""

    def __init__(self, connection: ReadLine) -> None:
        self.connection = connection
        self.ground = connection.ground
        self.limits = connection.limits
        self.parser = httptools.HttpRequestParser(self)
        self.phase = Phase.IDLE
        self.arriving: Exchange | None = None  # the request whose body is being read
        self.host: bytes | None = None  # the last Host that was well-formed
        self.head: Head | None = None  # the last one that the parser found in what arrived
        self.unparsed = b""  # a known head, while its body is waited for
        self.url = b""
        self.headers: HeaderList = []
        self.seen = 0  # bytes of a message that became neither head nor body yet
        self.size = 0  # bytes of the body so far
        self.length = 0  # bytes that it was said to have, 0 for a chunked one

    def take(self, data: bytes) -> None:
        """Read what arrived while no request is in work."""
        if self.phase is Phase.IDLE:
            self.begin_with(data)
        elif self.unparsed:
            self._gather(data)
        else:
            self._parse(data)

    def begin_with(self, data: bytes) -> None:
        """Read from the beginning of a message; a head that is known goes without the parser, and so does its body."""
        text, head = self.ground.heads.find(data)
        rest = len(data) - len(text)
        if head is None:
            if not (self.ground.turnstile.is_busy and self._is_turned_away(text, rest)):
                self._get_to_know(text, data)
        elif rest == head.framing.length:
            if not (self.ground.turnstile.is_busy and self.connection.turns_away(head, rest)):
                self.connection.work_on(Exchange(self.connection, head, data[len(text) :]))
        elif rest < head.framing.length:
            self.unparsed = text
            self.phase = Phase.BODY
            self.size = 0
            self.arriving = Exchange(self.connection, head)
            self._gather(data[len(text) :])
        else:
            self._feed_slices(data)

    def take_body(self, body: bytes) -> None:
        """Take the whole body that has arrived in its place."""
        if self.arriving is None:
            return
        self.arriving.pieces = [body]
        self.size = len(body)
        if self.unparsed:
            self._gather(b"")
        else:
            self.parser = httptools.HttpRequestParser(self)  # the last one waits for that body still
            self.on_message_complete()

    def break_off(self) -> bool:
        """Hand over what the client's end has cut short; False when nothing was."""
        if self.phase is Phase.BODY and self.arriving is not None:
            self._give_up(self.arriving)
        elif self.phase is Phase.HEAD:
            self._refuse(RefusedError(*HEAD_BROKEN_OFF))
        else:
            return False
        return True

    def be_late(self) -> bool:
        """Hand over what did not arrive in time; False when nothing is on its way."""
        if self.phase is Phase.HEAD:
            self._refuse(RefusedError(*HEAD_TOO_LATE))
        elif self.phase is Phase.BODY and self.arriving is not None:
            self.arriving.is_late = True
            self._give_up(self.arriving)
        else:
            return False
        return True

    # What the parser calls

    def on_message_begin(self) -> None:
        """Begin a header section."""
        self.phase = Phase.HEAD
        self.url = b""
        self.headers = []
        self.seen = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header. Trailers are thrown away, and so are names that CGI would mistake for other ones."""
        if self.phase is Phase.HEAD and b"_" not in name:
            self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """Make the exchange; RefusedError when this is no request, or not one to take."""
        version = self.parser.get_http_version()
        method = self.parser.get_method().decode("ascii")
        framing = check_head(version, method, self.url, self.headers, limits=self.limits, known_host=self.host)
        self.host = framing.host
        if self.parser.should_upgrade():
            return  # what follows is read again, see _ignore_upgrade
        self.phase = Phase.BODY
        self.seen = self.size = 0
        self.length = framing.length
        self.head = Head(version, method, self.url, self.headers, framing, is_kept=self.parser.should_keep_alive())
        exchange = Exchange(self.connection, self.head)
        self.arriving = exchange
        if framing.length > self.limits.body_bytes:
            self._give_up(exchange)

    def on_body(self, piece: bytes) -> None:
        """Take a piece of a body; one that grows beyond the limit is handed over as it is."""
        exchange = self.arriving
        if exchange is None:
            return
        exchange.pieces.append(piece)
        self.seen = 0
        self.size += len(piece)
        if self.size > self.limits.body_bytes:
            self._give_up(exchange)

    def on_message_complete(self) -> None:
        """Hand a whole request over."""
        exchange = self.arriving
        if exchange is None:
            return
        self.arriving = None
        exchange.is_whole = True
        self.phase = Phase.IDLE if exchange.head.is_kept else Phase.ENDING
        self.connection.enqueue(exchange)

    # What the methods above share

    def _get_to_know(self, text: bytes, data: bytes) -> None:
        """Parse the beginning of a message, and keep its head if `text` is all of it and nothing else."""
        last = self.head
        size = len(data) if len(data) <= SLICE else min(len(text) + 1, SLICE)
        self._feed(data[:size])
        head = self.head
        # So it is when all that follows it was read as the body of the only message in it.
        is_exact = self.phase in (Phase.IDLE, Phase.BODY) and self.size == size - len(text)
        if is_exact and head is not None and head is not last and head.is_kept:
            self.ground.heads.keep(text, head)
            if self.ground.turnstile.is_busy:
                self.ground.heads.keep_without_own(text, head)
        if size < len(data):
            self._parse(data[size:])
        else:
            self._fill()

    def _is_turned_away(self, text: bytes, size: int) -> bool:
        """Refuse a request at once whose head is known but for what is its own; return whether it was."""
        head, own = self.ground.heads.find_without_own(text)
        return head is not None and size == head.framing.length and self.connection.turns_away(head, size, own)

    def _gather(self, piece: bytes) -> None:
        """Take what follows a known head: its body, or what the parser is to make of all of it."""
        exchange = self.arriving
        if exchange is None:
            return
        if piece:
            exchange.pieces.append(piece)
            self.size += len(piece)
        length = exchange.head.framing.length
        if self.size < length:
            self.connection.wait()
            self._fill()
            return
        text, self.unparsed = self.unparsed, b""
        self.arriving = None
        self.phase = Phase.IDLE
        if self.size == length:
            if not (self.ground.turnstile.is_busy and self.connection.turns_away(exchange.head, length)):
                exchange.is_whole = True
                self.connection.enqueue(exchange)
        else:
            self._feed_slices(text + b"".join(exchange.pieces))

    def _fill(self) -> None:
        """Have the rest of the body that is being read, if it is long, received straight into its place."""
        exchange = self.arriving
        if exchange is not None and self.phase is Phase.BODY and self.connection.current is None:
            length = exchange.head.framing.length
            if length - self.size >= LEAST_BYTES:
                self.connection.fill(exchange.pieces, length)

    def _parse(self, data: bytes) -> None:
        if len(data) <= SLICE or self._is_within_body(len(data)):
            self._feed(data)
        else:
            self._feed_slices(data)
        self._fill()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            if self.phase is not Phase.ENDING:
                self._refuse(reason_of(error, data))
            return
        if self.phase is Phase.HEAD or self.phase is Phase.BODY:
            self.seen += len(data)
            if not self._is_excessive() and self.connection.current is None:
                self.connection.wait()

    def _is_within_body(self, more: int) -> bool:
        """Tell whether what arrived is all of the body being read, and nothing of a request behind it."""
        return self.phase is Phase.BODY and self.size + more <= self.length

    def _feed_slices(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            if self.phase is Phase.ENDING:
                return
            if self.connection.current is not None:
                self.connection.hold(data[start:])
                return
            # What is left of a body belongs to one request, however long it is.
            end = start + max(SLICE, self.length - self.size if self.phase is Phase.BODY else 0)
            self._feed(data[start:end])
            start = end

    def _is_excessive(self) -> bool:
        """Refuse a message that is unfinished and already too large; a slice before it may be counted as its own."""
        fault = None
        if self.phase is Phase.HEAD:
            if len(self.url) > self.limits.uri_bytes:
                fault = URI_TOO_LONG
            elif self.seen > self.limits.header_bytes + SLICE:
                fault = HEAD_TOO_LARGE if self.headers else URI_TOO_LONG
        elif (
            self.arriving is not None
            and self.arriving.head.framing.is_chunked
            and self.seen > self.limits.header_bytes + SLICE
        ):
            fault = FRAMING_TOO_LARGE
        if fault is not None:
            self._refuse(RefusedError(*fault))
        return fault is not None

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read on as HTTP/1.1: the parser stopped after the head, so a new one gets it without the offer."""
        head = head_without_upgrade(self.parser.get_method(), self.url, self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self._feed_slices(head + rest)

    def _give_up(self, exchange: Exchange) -> None:
        """Hand a request over whose body will never be whole, and read no further."""
        self.arriving = None
        self.phase = Phase.ENDING
        self.connection.unfill()
        self.connection.enqueue(exchange)

    def _refuse(self, error: RefusedError) -> None:
        """Hand over what is no request."""
        method = self.parser.get_method().decode("ascii") if self.url else "other"
        self.arriving = None
        self.phase = Phase.ENDING
        path = self.url.partition(b"?")[0]
        self.connection.enqueue(refusal(error, method, path, self.headers, self.ground.ids))
