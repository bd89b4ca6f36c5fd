"""HTTP/1.1 on one connection: bytes in, requests to the ASGI application, answers out in order.

A request is read to its end before the application is called, and one is in work at a time: what a client sends
meanwhile waits unparsed. What is not HTTP is answered here; the parser (llhttp, strict) finds most of it.
"""

import asyncio
from collections import deque
from enum import IntEnum
from functools import partial
from typing import Any

import httptools

from service.messages import Request, Response, response_headers
from service.wire.exchange import Exchange, rendered, rendered_head
from service.wire.framing import (
    HEAD_TOO_LARGE,
    URI_TOO_LONG,
    HeaderList,
    RefusedError,
    check_head,
    head_without_upgrade,
)
from service.wire.ground import Ground
from service.wire.heads import Head
from service.wire.refusals import FRAMING_TOO_LARGE, HEAD_BROKEN_OFF, HEAD_TOO_LATE, Refusal, reason_of, refusal
from service.wire.slices import SLICE_BYTES, Slices

__all__ = ["Connection", "Phase"]

NEVER = float("inf")
SLICE = 8192  # bytes parsed at once: bounds how many pipelined requests are held ready
LINGER_S = 2.0
HSTS = (b"strict-transport-security", b"max-age=31536000")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Phase(IntEnum):
    """Where in a message the parser stands."""

    IDLE = 0  # between messages
    HEAD = 1
    BODY = 2
    ENDING = 3  # nothing more is read from this client: what arrives is thrown away


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.limits = ground.limits
        self.parser = httptools.HttpRequestParser(self)
        self.transport: Any = None
        self.peer: tuple[str, int] = ("", 0)
        self.local: tuple[str, int] | None = None
        self.phase = Phase.IDLE
        self.deadline = NEVER
        self.waits_for: Phase | None = None  # what the deadline is for
        self.current: Exchange | None = None  # the request in work
        self.ready: deque[Exchange | Refusal] = deque()  # what follows it
        self.arriving: Exchange | None = None  # the request whose body is being read
        self.held = b""  # received while a request was in work, not parsed yet
        self.is_at_end = False  # the client has ended its side
        self.is_writable = True
        self.slices: Slices | None = None  # of a large answer that is being written
        self.host: bytes | None = None  # the last Host that was well-formed
        self.head: Head | None = None  # the last one that the parser found in what arrived
        self.unparsed = b""  # a known head, while its body is waited for
        self.url = b""
        self.headers: HeaderList = []
        self.seen = 0  # bytes of a message that became neither head nor body yet
        self.size = 0  # bytes of the body so far
        self.length = 0  # bytes that it was said to have, 0 for a chunked one

    @property
    def is_idle(self) -> bool:
        """Whether the client owes nothing and is owed nothing."""
        return self.phase is Phase.IDLE and self.current is None and self.is_writable

    @property
    def is_waiting(self) -> bool:
        """Whether the next move is the client's."""
        return self.current is None

    @property
    def _owes(self) -> bool:
        """Whether an answer is still to be made or written."""
        return self.current is not None or self.slices is not None or bool(self.held)

    # What the transport calls

    def connection_made(self, transport: Any) -> None:
        """Begin; the first header section has its time from now on."""
        self.transport = transport
        peer = transport.get_extra_info("peername")
        local = transport.get_extra_info("sockname")
        if peer:
            self.peer = (peer[0], peer[1])
        if local:
            self.local = (local[0], local[1])
        self.ground.connections.add(self)
        self.deadline = self.ground.now + self.limits.header_timeout_s

    def connection_lost(self, _error: Exception | None) -> None:
        """End; the request in work runs on, and its answer goes nowhere."""
        self.phase = Phase.ENDING
        self.current = self.slices = None
        self.ready.clear()
        self.held = b""
        self.ground.left(self)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, or hold it while a request is in work."""
        if self.phase is Phase.IDLE and self.current is None and self.is_writable:
            self._begin_with(data)  # as `_take` would: the commonest case costs one call less
            return
        if self.phase is Phase.ENDING:
            return
        if self.current is not None or not self.is_writable:
            self.held += data
            self.transport.pause_reading()
        else:
            self._take(data)

    def eof_received(self) -> bool:
        """Note the end of the client's side; True keeps ours open for the answers still to come."""
        self.is_at_end = True
        if not self._owes and self.phase is not Phase.ENDING:
            self._broken_off()
        return self._owes

    def pause_writing(self) -> None:
        """Begin no further answer while the client does not read."""
        self.is_writable = False
        if self.slices is not None:
            self.slices.pause()
            self.deadline = self.ground.now + self.limits.keep_alive_s

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        if self.slices is not None:
            self.deadline = NEVER
            self.slices.resume()
            return
        self.is_writable = True
        if self.current is None and self.phase is not Phase.ENDING:
            self._next()

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
        exchange = Exchange(self, self.head)
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
        self._enqueue(exchange)

    # Reading

    def _take(self, data: bytes) -> None:
        """Read what arrived while no request is in work."""
        if self.phase is Phase.IDLE:
            self._begin_with(data)
        elif self.unparsed:
            self._gather(data)
        elif len(data) <= SLICE or self._is_within_body(len(data)):
            self._feed(data)
        else:
            self._feed_slices(data)

    def _begin_with(self, data: bytes) -> None:
        """Read from the beginning of a message; a head that is known goes without the parser, and so does its body."""
        text, head = self.ground.heads.find(data)
        rest = len(data) - len(text)
        if head is None:
            self._get_to_know(text, data)
        elif rest == head.framing.length:
            self._work_on(Exchange(self, head, data[len(text) :]))
        elif rest < head.framing.length:
            self.unparsed = text
            self.phase = Phase.BODY
            self.size = 0
            self.arriving = Exchange(self, head)
            self._gather(data[len(text) :])
        else:
            self._feed_slices(data)

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
        if size < len(data):
            self._feed_slices(data[size:])

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
            self._wait()
            return
        text, self.unparsed = self.unparsed, b""
        self.arriving = None
        self.phase = Phase.IDLE
        if self.size == length:
            exchange.is_whole = True
            self._enqueue(exchange)
        else:
            self._feed_slices(text + b"".join(exchange.pieces))

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
            if not self._is_excessive() and self.current is None:
                self._wait()

    def _is_within_body(self, more: int) -> bool:
        """Tell whether what arrived is all of the body being read, and nothing of a request behind it."""
        return self.phase is Phase.BODY and self.size + more <= self.length

    def _feed_slices(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            if self.phase is Phase.ENDING:
                return
            if self.current is not None:
                self.held = data[start:] + self.held
                self.transport.pause_reading()
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
        self._enqueue(exchange)

    def _broken_off(self) -> None:
        """Answer for what the client's end cut short, or end."""
        if self.phase is Phase.BODY and self.arriving is not None:
            self._give_up(self.arriving)
        elif self.phase is Phase.HEAD:
            self._refuse(RefusedError(*HEAD_BROKEN_OFF))
        else:
            self._end(is_read=True)

    # Answering

    def _refuse(self, error: RefusedError) -> None:
        """Answer what is no request, after the answers that are owed before it."""
        method = self.parser.get_method().decode("ascii") if self.url else "other"
        self.arriving = None
        self.phase = Phase.ENDING
        self._enqueue(refusal(error, method, self.url.partition(b"?")[0], self.headers, self.ground.ids))

    def _enqueue(self, item: Exchange | Refusal) -> None:
        if self.current is None and not self.ready:
            self._begin(item)
        else:
            self.ready.append(item)

    def _work_on(self, exchange: Exchange) -> None:
        self.deadline = NEVER
        self.waits_for = None
        self.current = exchange
        exchange.start()

    def _begin(self, item: Exchange | Refusal) -> None:
        if isinstance(item, Exchange):
            self._work_on(item)
            return
        self.deadline = NEVER
        self.waits_for = None
        headers, body = item.answer()
        head = rendered_head(item.status, self.ground.date_line, headers, ends=True, is_old=False)
        self.transport.write(head if item.method == "HEAD" else head + body)
        self.ground.observer.answered(
            request_id=item.request_id, method=item.method, route="unmatched", path=item.path, status=item.status,
            seconds=0.0, received=0, sent=len(body), model=None, version=None, rows=0,
        )  # fmt: skip
        self._end(is_read=False)

    def answer(self, exchange: Exchange, status: int, headers: HeaderList, body: bytes) -> None:
        """Write the answer of the request in work, then go on or end."""
        if self.ground.is_encrypted:
            headers = [*headers, HSTS]
        ends = self._ends(exchange)
        for name, value in headers:
            if name == b"connection" and value == b"close":
                ends = True
        is_old = exchange.head.version == "1.0"
        head = rendered_head(status, self.ground.date_line, headers, ends=ends, is_old=is_old)
        if exchange.head.method == "HEAD":
            self._write(exchange, head, ends=ends)
        elif len(body) <= SLICE_BYTES:
            self._write(exchange, head + body, ends=ends)
        else:
            self.transport.write(head)  # goes out together with the first slice
            self._write(exchange, body, ends=ends)

    def deliver(self, exchange: Exchange, request: Request, response: Response) -> None:
        """Do the same with the answer to a request, the commonest kind of which costs little."""
        if response.headers or self.ground.is_encrypted or exchange.head.version == "1.0" or self._ends(exchange):
            self.answer(exchange, response.status, response_headers(request, response), response.body)
        else:
            self._write(exchange, rendered(request, response, self.ground.date_line), ends=False)

    def _ends(self, exchange: Exchange) -> bool:
        """Tell whether nothing more is to be read after the answer of the request in work."""
        if not (exchange.head.is_kept and exchange.is_whole):
            return True
        return self.ground.is_draining and not self.ready and not self.held

    def _write(self, exchange: Exchange, data: bytes, *, ends: bool) -> None:
        self.current = None
        if len(data) <= SLICE_BYTES:
            self.transport.write(data)
            self._written(exchange, ends=ends)
        else:
            self.is_writable = False  # until all of it is handed over
            self.slices = Slices(self.transport, self.ground.loop, data, partial(self._last_written, exchange, ends))
            self.slices.write()

    def _last_written(self, exchange: Exchange, ends: bool, is_writable: bool) -> None:  # noqa: FBT001 - called back
        self.slices = None
        self.is_writable = is_writable
        self._written(exchange, ends=ends)

    def _written(self, exchange: Exchange, *, ends: bool) -> None:
        if ends:
            self._end(is_read=exchange.is_whole and not self.ready and not self.held)
        elif self.is_writable:
            self._next()
        else:
            self.deadline = self.ground.now + self.limits.keep_alive_s

    def fail_current(self) -> None:
        """Answer for an application that ended without an answer."""
        if self.current is None:
            return
        head, self.current = self.current.head, None
        error = RefusedError(500, "The request failed. Its id, in 'instance', finds the reason in the log.")
        self._begin(refusal(error, head.method, head.path, head.headers, self.ground.ids))

    def _next(self) -> None:
        """Begin the next request that is ready, parse what was held, or wait for the client."""
        if self.ready:
            self._begin(self.ready.popleft())
            return
        if self.held:
            data, self.held = self.held, b""
            self.transport.resume_reading()
            self._take(data)
            if self.current is not None or self.phase is Phase.ENDING:
                return
        if self.is_at_end:
            self._broken_off()
        else:
            self._wait()

    def _wait(self) -> None:
        """Give the client its time for what is next; a part that drips in gets no more of it."""
        phase = self.phase
        exchange = self.arriving
        if exchange is not None and exchange.expects_continue:
            exchange.expects_continue = False
            if not exchange.pieces:
                self.transport.write(CONTINUE)
        if phase is not self.waits_for:
            self.waits_for = phase
            self.deadline = self.ground.now + self.ground.patience_s[phase]

    def _end(self, *, is_read: bool) -> None:
        """End after what is written; a client that still sends gets a moment to read the answer first.

        Closing with input unread would reset the connection and could destroy the answer on its way.
        """
        self.phase = Phase.ENDING
        # One that has yet to read much of the answer is given the time for it.
        self.deadline = self.ground.now + (LINGER_S if self.is_writable else self.limits.keep_alive_s)
        self.held = b""
        self.ready.clear()
        if is_read or self.is_at_end:
            self.transport.close()
        else:
            self.transport.resume_reading()
            self.transport.write_eof()

    def expire(self) -> None:
        """Act on a deadline that has passed."""
        self.deadline = NEVER
        if self.phase is Phase.HEAD:
            self._refuse(RefusedError(*HEAD_TOO_LATE))
        elif self.phase is Phase.BODY and self.arriving is not None:
            self.arriving.is_late = True
            self._give_up(self.arriving)
        elif self.phase is Phase.IDLE and self.is_writable:
            self._end(is_read=True)
        else:
            self.abort()

    def abort(self) -> None:
        """Drop the connection with whatever is unwritten."""
        self.transport.abort()
