"""Which worker takes a connection: the one that has fewest, as far as that can be had without waiting for it."""

import contextlib
import errno
import fcntl
import os
import resource
import socket
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

from service.observer import Observer
from service.wire.ground import Ground

__all__ = ["Acceptor", "Census", "make_room_for"]

SHORT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
RETRY_ACCEPT_S = 0.2
DEFER_S = 0.002
DEFERRALS = 4  # a worker that waits for a processor gets one within some milliseconds
MOST_AT_ONCE = 64
MOST_ALONE = 256  # some 10 ms: in small parts, with turns between them, a burst of hundreds waits for longer

Connect = Callable[[socket.socket], Coroutine[Any, Any, None]]


class Census(Observer, Protocol):
    """An observer that knows how many connections each worker has."""

    def connected(self, connections: int) -> None:
        """Note how many this worker has."""

    def fewest_connections(self) -> float:
        """Return how many the worker has that has fewest."""


def make_room_for(connections: int) -> None:
    """Let the table of open files have room for so many, as far as the system allows.

    It doubles when it is full, and the system makes a process with threads wait some 10 ms for each time, just while
    many connections begin.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = connections if most == resource.RLIM_INFINITY else min(connections, most - 1)
    with Path(os.devnull).open("rb") as file, contextlib.suppress(OSError):  # where that number is taken there is room
        os.close(fcntl.fcntl(file.fileno(), fcntl.F_DUPFD_CLOEXEC, highest))


class Acceptor:
    """Accepts one connection at a time from the shared listeners, so that workers share the load.

    `connect` makes a connection of what was accepted; where that fails it takes the count back and calls `left`.
    `is_alone` tells that there is nobody to leave a connection to.
    """

    def __init__(
        self, listeners: Sequence[Any], ground: Ground, observer: Census, connect: Connect, *, is_alone: bool
    ) -> None:
        self._listeners = listeners
        self._ground = ground
        self._observer = observer
        self._connect = connect
        self._is_alone = is_alone
        self._loop: AbstractEventLoop = ground.loop
        self._accepting: set[Any] = set()
        self._is_ending = False
        self._is_deferring = False  # a connection is left to another worker for a moment
        self._is_short = False  # of files: none can be accepted for a moment
        self._taken_after_all = 1

    def begin(self) -> None:
        """Accept from all listeners, from now on or again."""
        if self._is_ending:
            return
        self._is_short = False
        for listener in self._listeners:
            if listener not in self._accepting:
                self._accepting.add(listener)
                self._loop.add_reader(listener.fileno(), self._offered, listener)

    def end(self) -> None:
        """Accept nothing more by itself; `take_all` still does."""
        self._is_ending = True
        self._pause()

    def left(self) -> None:
        """Note that a connection has ended: there is room for another."""
        self._observer.connected(self._ground.count)
        if not self._accepting and not self._is_deferring:
            self.begin()

    def take_all(self) -> None:
        """Take what the kernel has accepted already."""
        for listener in self._listeners:
            while self._accept(listener):
                pass

    def _pause(self) -> None:
        for listener in self._accepting:
            self._loop.remove_reader(listener.fileno())
        self._accepting.clear()

    def _offered(self, listener: Any) -> None:
        """Take a connection, unless another worker has fewer and is given a moment to take it.

        Kept connections stay where they are for long: without this one worker may have all of them.
        """
        fewest = self._observer.fewest_connections()
        if self._ground.count > fewest:
            self._pause()
            self._is_deferring = True
            self._loop.call_later(DEFER_S, self._accept_after_all, listener, DEFERRALS - 1)
        else:
            self._taken_after_all = 1
            # One at a time while there are few; later a fourth more does no harm, and turns may be long.
            most = MOST_ALONE if self._is_alone else min(MOST_AT_ONCE, 1 + int(fewest) // 4)
            self._accept_up_to(most, listener)

    def _accept_after_all(self, listener: Any, deferrals: int) -> None:
        has_more = self._ground.count > self._observer.fewest_connections()
        if has_more and deferrals and not self._is_ending:
            self._loop.call_later(DEFER_S, self._accept_after_all, listener, deferrals - 1)
            return
        self._is_deferring = False
        if self._is_ending:
            return
        if not has_more:
            self.begin()
            return
        # A worker that left several in vain (the other one is stuck) leaves no more of a burst than it must.
        most, self._taken_after_all = self._taken_after_all, min(MOST_AT_ONCE, 2 * self._taken_after_all)
        if not self._accept_up_to(most, listener):
            self._taken_after_all = 1
        if not self._is_short:
            self.begin()

    def _accept_up_to(self, most: int, listener: Any) -> bool:
        """Take so many connections; return whether there were as many."""
        return all(self._accept(listener) for _ in range(most))

    def _accept(self, listener: Any) -> bool:
        """Take one connection; return whether there was one."""
        if self._ground.is_full:
            self._ground.make_room()
            if self._ground.is_full:
                self._pause()
                return False
        try:
            accepted, _ = listener.accept()
        except OSError as error:
            if error.errno in SHORT_OF_FILES:
                self._observer.reported("error", "no connection can be accepted", reason=os.strerror(error.errno))
                self._pause()
                self._is_short = True
                self._loop.call_later(RETRY_ACCEPT_S, self.begin)
            return False  # another worker was faster, or the client has gone
        self._ground.count += 1
        self._observer.connected(self._ground.count)
        self._ground.start(self._connect(accepted))
        return True
