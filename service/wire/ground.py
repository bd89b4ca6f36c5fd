"""What all connections of one worker share: the application, the clock, the deadlines, the end."""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING, Any, Protocol

from service.messages import Request, Response, generated_ids
from service.observer import Observer
from service.wire.filling import MOST_BYTES
from service.wire.framing import Limits
from service.wire.heads import Head, Heads
from service.wire.turnstile import Refusing, Turnstile

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

__all__ = ["Ground", "Guest"]

Application = Callable[[Any, Any, Any], Awaitable[None]]
Direct = Callable[[Head, bytes, Callable[[Request, Response], None]], bool]

DRAIN_IDLE_S = 1.0


class Guest(Protocol):
    """What the ground needs of a connection on it."""

    deadline: float

    @property
    def is_idle(self) -> bool:
        """Whether the client owes nothing and is owed nothing."""

    @property
    def is_waiting(self) -> bool:
        """Whether the next move is the client's."""

    def expire(self) -> None:
        """Act on a deadline that has passed."""

    def abort(self) -> None:
        """Drop the connection."""


class Ground:
    """Made in the worker, on its running loop.

    A deadline is one number on a connection, compared with a clock that `tick` moves: setting one costs an
    assignment, whatever a client drips, and thousands of slow clients cost one comparison each a tick.
    """

    def __init__(
        self,
        application: Application,
        observer: Observer,
        limits: Limits,
        loop: "AbstractEventLoop",
        *,
        trusted: Iterable[str] = (),
        direct: Direct | None = None,
        refusing: Refusing | None = None,
        is_encrypted: bool = False,
    ) -> None:
        self.application = application
        self.direct = direct
        self.turnstile = Turnstile(self, refusing)
        self.is_encrypted = is_encrypted
        self.observer = observer
        self.limits = limits
        self.patience_s = limits.keep_alive_s, limits.header_timeout_s, limits.body_timeout_s  # by phase
        self.loop = loop
        self.trusted = frozenset(trusted)
        self.heads = Heads()
        self.connections: set[Guest] = set()
        self.tasks: set[Task[None]] = set()
        self.ids: Iterator[str] = generated_ids()
        self.is_draining = False
        self.room = MOST_BYTES  # left for long bodies
        self.count = 0  # of connections, those that are just being made among them
        self.on_left: Callable[[], None] | None = None
        self.now = loop.time()
        self.date_line = b""
        self._second = 0
        self.tick()

    @property
    def is_full(self) -> bool:
        """Whether there are as many connections as there may be."""
        return self.count >= self.limits.connections

    def tick(self) -> None:
        """Move the clock and end what is past its deadline."""
        now = self.now = self.loop.time()
        second = int(time())
        if second != self._second:
            self._second = second
            self.date_line = f"date: {formatdate(second, usegmt=True)}\r\n".encode()
        self.turnstile.tick()
        for connection in [c for c in self.connections if c.deadline <= now]:
            connection.expire()

    def left(self, connection: Guest) -> None:
        """Forget a connection; there is room for another."""
        self.connections.discard(connection)
        self.count -= 1
        if self.on_left is not None:
            self.on_left()

    def make_room(self) -> None:
        """End the connection that waits with the nearest deadline, so that slow clients do not keep others out."""
        waiting = [connection for connection in self.connections if connection.is_waiting]
        if waiting:
            min(waiting, key=lambda connection: connection.deadline).abort()

    def drain(self) -> None:
        """Let what runs end: every answer from now on closes its connection, and idle ones get a last moment.

        A client of a kept connection may be sending its next request just now; it is answered, and told to close.
        """
        self.is_draining = True
        for connection in self.connections:
            if connection.is_idle:
                connection.deadline = min(connection.deadline, self.now + DRAIN_IDLE_S)

    def start(self, work: Any) -> None:
        """Run a coroutine as a task that is kept from being collected."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
