"""HTTP/1.1 on one connection: bytes in, requests to the ASGI application, answers out in order.

A request is read to its end before the application is called, and one is in work at a time: what a client sends
meanwhile waits unread. What is not HTTP is answered here, and the connection ends.
"""

import asyncio
from collections import deque
from functools import partial
from typing import Any

from service.messages import Request, Response, response_headers
from service.wire.exchange import Exchange
from service.wire.filling import LONGEST_BYTES, Filling
from service.wire.framing import HeaderList, RefusedError
from service.wire.ground import Ground
from service.wire.heads import NOTHING, Head, Own
from service.wire.reader import Phase, Reader
from service.wire.refusals import Refusal, refusal
from service.wire.rendering import HSTS, rendered, rendered_head
from service.wire.slices import SLICE_BYTES, Slices

__all__ = ["Connection"]

NEVER = float("inf")
LINGER_S = 2.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.limits = ground.limits
        self.reader = Reader(self)
        self.transport: Any = None
        self.peer: tuple[str, int] = ("", 0)
        self.local: tuple[str, int] | None = None
        self.deadline = NEVER
        self.waits_for: Phase | None = None  # what the deadline is for
        self.current: Exchange | None = None  # the request in work
        self.ready: deque[Exchange | Refusal] = deque()  # what follows it
        self.held = b""  # received while a request was in work, not read yet
        self.is_at_end = False  # the client has ended its side
        self.is_writable = True
        self.slices: Slices | None = None  # of a large answer that is being written
        self.filling: Filling | None = None  # what receives a long body instead of this

    @property
    def is_idle(self) -> bool:
        """Whether the client owes nothing and is owed nothing."""
        return self.reader.phase is Phase.IDLE and self.current is None and self.is_writable

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
        self.reader.phase = Phase.ENDING
        self.unfill()
        self.current = self.slices = None
        self.ready.clear()
        self.held = b""
        self.ground.left(self)

    def data_received(self, data: bytes) -> None:
        """Read what arrived, or hold it while a request is in work."""
        if self.reader.phase is Phase.IDLE and self.current is None and self.is_writable:
            self.reader.begin_with(data)  # as `take` would: the commonest case costs one call less
            return
        if self.reader.phase is Phase.ENDING:
            return
        if self.current is not None or not self.is_writable:
            self.hold(data)
        else:
            self.reader.take(data)

    def eof_received(self) -> bool:
        """Note the end of the client's side; True keeps ours open for the answers still to come."""
        self.is_at_end = True
        if not self._owes and self.reader.phase is not Phase.ENDING:
            self._break_off()
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
        if self.current is None and self.reader.phase is not Phase.ENDING:
            self._next()

    # What the reader calls

    def hold(self, data: bytes) -> None:
        """Keep what cannot be read before the request in work is answered, and let the client wait."""
        self.held += data
        self.transport.pause_reading()

    def enqueue(self, item: Exchange | Refusal) -> None:
        """Begin with what was read, or remember it for when what came before is answered."""
        if self.current is None and not self.ready:
            self._begin(item)
        else:
            self.ready.append(item)

    def turns_away(self, head: Head, size: int, own: Own = NOTHING) -> bool:
        """Refuse a request at once if its head and size suffice to tell; return whether it was. No other is in work."""
        answer = None if self.ground.is_draining else self.ground.turnstile.answer(head, size, own)
        if answer is None:
            return False
        self.transport.write(answer)
        self.waits_for = None
        self.wait()
        return True

    def work_on(self, exchange: Exchange) -> None:
        """Let the application answer a request; no other is in work."""
        self.deadline = NEVER
        self.waits_for = None
        self.current = exchange
        exchange.start()

    def wait(self) -> None:
        """Give the client its time for what is next; a part that drips in gets no more of it."""
        phase = self.reader.phase
        exchange = self.reader.arriving
        if exchange is not None and exchange.expects_continue:
            exchange.expects_continue = False
            if not exchange.pieces:
                self.transport.write(CONTINUE)
        if phase is not self.waits_for:
            self.waits_for = phase
            self.deadline = self.ground.now + self.ground.patience_s[phase]

    def fill(self, pieces: list[bytes], length: int) -> None:
        """Receive the rest of a long body straight into its place, if there is room; a body in TLS arrives as ever."""
        if length > min(self.ground.room, LONGEST_BYTES) or self.ground.is_encrypted:
            return
        self.ground.room -= length
        self.filling = Filling(self, pieces, length)
        self.transport.set_protocol(self.filling)

    def unfill(self) -> None:
        """Receive as ever again."""
        filling, self.filling = self.filling, None
        if filling is not None:
            self.ground.room += filling.length
            self.transport.set_protocol(self)

    def body_received(self) -> None:
        """Take a long body that has arrived in its place when the transport has let go of it, in the next turn."""
        self.transport.pause_reading()
        self.ground.loop.call_soon(self._take_body)

    def _take_body(self) -> None:
        if self.filling is None:
            return  # given up meanwhile
        body = self.filling.body()
        self.unfill()
        self.transport.resume_reading()
        self.reader.take_body(body)

    # What the exchange calls

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

    def fail_current(self) -> None:
        """Answer for an application that ended without an answer."""
        if self.current is None:
            return
        head, self.current = self.current.head, None
        error = RefusedError(500, "The request failed. Its id, in 'instance', finds the reason in the log.")
        self._begin(refusal(error, head.method, head.path, head.headers, self.ground.ids))

    # Answering, in order

    def _begin(self, item: Exchange | Refusal) -> None:
        if isinstance(item, Exchange):
            self.work_on(item)
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

    def _next(self) -> None:
        """Begin the next request that is ready, read what was held, or wait for the client."""
        if self.ready:
            self._begin(self.ready.popleft())
            return
        if self.held:
            data, self.held = self.held, b""
            self.transport.resume_reading()
            self.reader.take(data)
            if self.current is not None or self.reader.phase is Phase.ENDING:
                return
        if self.is_at_end:
            self._break_off()
        else:
            self.wait()

    def _end(self, *, is_read: bool) -> None:
        """End after what is written; a client that still sends gets a moment to read the answer first.

        Closing with input unread would reset the connection and could destroy the answer on its way.
        """
        self.reader.phase = Phase.ENDING
        # One that has yet to read much of the answer is given the time for it.
        self.deadline = self.ground.now + (LINGER_S if self.is_writable else self.limits.keep_alive_s)
        self.held = b""
        self.ready.clear()
        if is_read or self.is_at_end:
            self.transport.close()
        else:
            self.transport.resume_reading()
            self.transport.write_eof()

    def _break_off(self) -> None:
        """Answer for what the client's end cut short, or end."""
        if not self.reader.break_off():
            self._end(is_read=True)

    # What the clock calls

    def expire(self) -> None:
        """Act on a deadline that has passed."""
        self.deadline = NEVER
        if self.reader.be_late():
            return
        if self.reader.phase is Phase.IDLE and self.is_writable:
            self._end(is_read=True)
        else:
            self.abort()

    def abort(self) -> None:
        """Drop the connection with whatever is unwritten."""
        self.transport.abort()
