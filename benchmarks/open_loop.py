"""Requests at a fixed rate, whether or not the answers come: a generator that does not hide queueing.

Each request has a time when it is due, and its latency counts from then, also while it waits for a connection. One
thread, plain sockets and one poll: what a request costs here is some tens of microseconds, and nothing else runs.
"""

import gc
import re
import select
import socket
import statistics
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["MOST_CONNECTIONS", "Outcome", "capacity", "drive"]

MOST_CONNECTIONS = 1024
PATIENCE_S = 60.0
END = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RETRY = re.compile(rb"\r\nretry-after: *([^\r]+)", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
OK = 200


@dataclass
class Outcome:
    """Latencies in seconds from when each request was due, by the status of its answer; 0 is a broken connection."""

    seconds: float = 0.0
    latencies: dict[int, list[float]] = field(default_factory=dict)
    retry_after: set[str] = field(default_factory=set)

    def note(self, status: int, latency: float) -> None:
        """Keep one latency."""
        self.latencies.setdefault(status, []).append(latency)

    def rate(self, status: int = OK) -> float:
        """Return the answers a second that had a status."""
        return len(self.latencies.get(status, ())) / self.seconds

    def percentile(self, percent: int, *statuses: int) -> float:
        """Return a percentile of the latencies with these statuses, in seconds; 0 without any."""
        found = [latency for status in statuses for latency in self.latencies.get(status, ())]
        return statistics.quantiles(found, n=100, method="inclusive")[percent - 1] if len(found) > 1 else 0.0


class _Connection:
    """One request at a time over one socket."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due: float | None = None  # None while nothing is asked
        self.unsent = b""
        self.received = b""
        self.size = 0  # of the whole answer, 0 before its head is there

    def send(self) -> None:
        """Send what the socket takes."""
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            return

    def receive(self) -> bytes | None:
        """Return a whole answer, None while it is not; OSError when the other side has ended."""
        try:
            piece = self.socket.recv(262_144)
        except BlockingIOError:
            return None
        if not piece:
            raise ConnectionResetError
        self.received += piece
        if not self.size and END in self.received:
            head = self.received.index(END)
            length = LENGTH.search(self.received, 0, head)
            if length is None:
                raise RuntimeError("an answer without Content-Length is not understood")
            self.size = head + len(END) + int(length[1])
        if not self.size or len(self.received) < self.size:
            return None
        answer, self.received, self.size = self.received, b"", 0
        return answer


class _Generator:
    """The connections to one server, those without a request in the order in which they were last used."""

    def __init__(self, port: int, request: bytes, most: int) -> None:
        self._port, self._request, self._most = port, request, most
        self._poll = select.epoll()
        self._open: dict[int, _Connection] = {}
        self._idle: deque[_Connection] = deque()
        self.outcome = Outcome()
        self.since = 0.0  # latencies of what was due before are not noted

    @property
    def is_busy(self) -> bool:
        """Whether answers are waited for."""
        return len(self._idle) < len(self._open)

    @property
    def is_free(self) -> bool:
        """Whether another request can be sent at once."""
        return bool(self._idle) or len(self._open) < self._most

    def connect(self) -> None:
        """Open one more connection."""
        connection = _Connection(self._port)
        self._open[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.EPOLLIN)
        self._idle.append(connection)

    def ask(self, due: float) -> None:
        """Send a request that was due at a time."""
        try:
            if not self._idle:
                self.connect()
            connection = self._idle.popleft()
            connection.due, connection.unsent = due, self._request
            self._send(connection)
        except OSError:
            self.outcome.note(0, time.perf_counter() - due)

    def answers(self, patience_s: float) -> int:
        """Wait so long for whatever comes, and note it; return how many requests were answered with 200."""
        # Of the two only `select` takes less than a millisecond.
        if not select.select((self._poll,), (), (), patience_s)[0]:
            return 0
        count = 0
        for number, events in self._poll.poll(0):
            connection = self._open[number]
            try:
                if events & select.EPOLLOUT:
                    self._send(connection)
                if events & ~select.EPOLLOUT:
                    count += self._heard(connection, connection.receive())
            except OSError:
                self._drop(connection)
        return count

    def close(self) -> None:
        """End every connection; what is not answered is broken."""
        for connection in list(self._open.values()):
            self._drop(connection)
        self._poll.close()

    def _send(self, connection: _Connection) -> None:
        was_short = connection.unsent is not self._request
        connection.send()
        if connection.unsent or was_short:
            events = select.EPOLLIN | select.EPOLLOUT if connection.unsent else select.EPOLLIN
            self._poll.modify(connection.socket, events)

    def _heard(self, connection: _Connection, answer: bytes | None) -> bool:
        if answer is None or connection.due is None:
            return False
        status = int(answer[9:12])
        if connection.due >= self.since:
            self.outcome.note(status, time.perf_counter() - connection.due)
        connection.due = None
        head = answer.index(END)
        if status != OK and (retry := RETRY.search(answer, 0, head)):
            self.outcome.retry_after.add(retry[1].decode())
        self._idle.append(connection)
        if CLOSE.search(answer, 0, head):
            self._drop(connection)
        return status == OK

    def _drop(self, connection: _Connection) -> None:
        del self._open[connection.socket.fileno()]
        connection.socket.close()
        if connection.due is None:
            self._idle.remove(connection)
        else:
            self.outcome.note(0, time.perf_counter() - connection.due)


@contextmanager
def _generator(port: int, request: bytes, connections: int, most: int) -> Iterator[_Generator]:
    was_enabled = gc.isenabled()
    gc.disable()
    generator = _Generator(port, request, most)
    try:
        for _ in range(connections):
            generator.connect()
        yield generator
    finally:
        generator.close()
        if was_enabled:
            gc.enable()


def drive(
    port: int,
    request: bytes,
    *,
    rate: float,
    seconds: float,
    connections: int = 1,
    most: int = MOST_CONNECTIONS,
    settling_s: float = 0.0,
) -> Outcome:
    """Send requests for so many seconds at a rate, and wait a minute at most for the last answer.

    There are `connections` at first; more are opened, up to `most`, when a request is due and none is idle. Idle ones
    take turns, so that all workers of a server get their share. Answers count once the first `settling_s` are over, in
    which connections are made and caches filled; what is lost always counts.
    """
    total = int(rate * seconds)
    waiting: deque[float] = deque()
    with _generator(port, request, connections, most) as generator:
        began = now = time.perf_counter()
        generator.since = began + settling_s
        number = 0
        while (number < total or waiting or generator.is_busy) and now < began + seconds + PATIENCE_S:
            while number < total and began + number / rate <= now:
                waiting.append(began + number / rate)
                number += 1
            while waiting and generator.is_free:
                generator.ask(waiting.popleft())
            left = began + number / rate - time.perf_counter() if number < total else 1.0
            generator.answers(max(0.0, left))
            now = time.perf_counter()
        generator.outcome.seconds = now - began - settling_s
    for due in waiting:
        generator.outcome.note(0, now - due)
    return generator.outcome


def capacity(port: int, request: bytes, *, connections: int, seconds: float) -> float:
    """Return how many requests a second are answered when each connection sends the next after an answer."""
    with _generator(port, request, connections, connections) as generator:
        began = now = time.perf_counter()
        count = 0
        while now < began + seconds:
            while generator.is_free:
                generator.ask(now)
            count += generator.answers(1.0)
            now = time.perf_counter()
        return count / (now - began)
