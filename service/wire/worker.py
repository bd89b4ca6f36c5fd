"""A gunicorn worker that serves an ASGI application with this project's own protocol on a uvloop event loop."""

import asyncio
import gc
import itertools
import os
import signal
import socket
import sys
from typing import Any

import uvloop
from gunicorn.workers.base import Worker

from service.heap import keep_for_the_next
from service.wire.accepting import Acceptor, make_room_for
from service.wire.framing import Limits
from service.wire.ground import Ground
from service.wire.protocol import Connection

__all__ = ["ENDING", "EventLoopWorker"]

TICK_S = 0.1
TURNS = 5
DRIFT_TURN = 2
BREATH_S = 0.001
"""Between parts of what is to be done, for the requests that arrived meanwhile."""
HEARTBEAT_TICKS = 10
SWITCH_S = 0.00005
"""How long the event loop waits for a thread at bulk work before it asks for the interpreter's lock.

A single row needs the lock several times, whenever NumPy or a system call gave it up, and waits anew each time.
"""
COLLECTED_AFTER = (400, 2, 10_000)
"""How many more lists and objects than were freed are looked through at a time for what only they hold, after how many
such times those that live longer, and after how many of these all that live.

By default it is 700, 10 and 10. A request of 100,000 rows would have thousands looked through at once, for a
millisecond or two, and all that live again and again, for tens of milliseconds at a time.
"""
ENDING = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
"""What a process is told to end with; a worker listens for them as soon as it has an event loop."""
MARGIN_S = 1.0  # before the master's own patience ends
QUICK_S = 1.0
POLL_S = 0.02
SETTLE_S = 0.25  # longer than the handshakes take that have begun when nothing new may begin any more


class EventLoopWorker(Worker):  # type: ignore[misc]
    """One process that serves: its signals, its clock, and its end; `accepting` and `ground` do the rest.

    `app` is the `service.server.Service`: it brings the settings, the observer and the application.
    """

    def init_signals(self) -> None:
        """Leave signals to the event loop; only an abort by the master acts at once."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGABRT, self.handle_abort)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGWINCH, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)

    def run(self) -> None:
        """Serve until told to end."""
        sys.setswitchinterval(SWITCH_S)
        keep_for_the_next()
        make_room_for(self.app.settings.max_connections)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        self._watch_signals()
        self._take_part()
        self._lay_ground()
        lifespan = Lifespan(self.wsgi)
        await lifespan.start()
        gc.collect()
        gc.freeze()  # what a worker is made of is there to stay: to look through it would take tens of milliseconds
        gc.set_threshold(*COLLECTED_AFTER)
        self.acceptor.begin()
        ticker = self.loop.create_task(self._tick())
        await self.stopping.wait()
        await self._drain()
        await lifespan.stop()
        ticker.cancel()
        self.app.observer.end()

    def _take_part(self) -> None:
        """Count, watch and serve what the other workers do, from now on by this worker's clock."""
        application = self.app.application
        self.app.observer.begin(self.slot)
        self.drift = application.runtime.drift
        if self.drift is not None:
            self.drift.is_ticked = True
        application.reloader.is_ticked = True
        # What is served may have changed between the master's start and this fork.
        application.runtime.registry.join(self.slot)

    def _lay_ground(self) -> None:
        """Make what connections stand on, and what takes them."""
        settings, observer = self.app.settings, self.app.observer
        self.patience_s = max(QUICK_S, settings.graceful_timeout_s - MARGIN_S)
        self.tls = settings.tls()
        self.ground = Ground(
            self.wsgi,
            observer,
            limits_of(settings),
            self.loop,
            trusted=settings.trusted_proxies,
            direct=self.wsgi.direct,
            refusing=self.wsgi,
            is_encrypted=self.tls is not None,
        )
        self.acceptor = Acceptor(self.sockets, self.ground, observer, self._connect, is_alone=settings.workers == 1)
        self.ground.on_left = self.acceptor.left

    def _watch_signals(self) -> None:
        self.loop.add_signal_handler(signal.SIGTERM, self._stop)
        self.loop.add_signal_handler(signal.SIGQUIT, self._stop_soon)
        # Ctrl-C reaches every process of the terminal; the master, which gets it too, tells the workers what to do.
        self.loop.add_signal_handler(signal.SIGINT, lambda: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)  # the master held them back over the fork

    def _stop(self) -> None:
        self.app.application.runtime.is_ending = True
        self.acceptor.end()
        self.stopping.set()

    def _stop_soon(self) -> None:
        self.patience_s = QUICK_S
        self._stop()

    async def _tick(self) -> None:
        """Do by turns what is to be done again and again, never all of it at once: what arrives meanwhile waits."""
        for count in itertools.count():
            self.app.application.reloader.tick()
            turn = count % TURNS
            if turn == 0:
                self.ground.tick()
                for _ in self.app.observer.parts():
                    await asyncio.sleep(BREATH_S)
            elif count % (2 * TURNS) == DRIFT_TURN and self.drift is not None:
                self.drift.tick()
            if count % (TURNS * HEARTBEAT_TICKS) == 1:
                self._beat()
            await asyncio.sleep(TICK_S / TURNS)

    def _beat(self) -> None:
        self.notify()
        if os.getppid() != self.ppid:
            self.app.observer.reported("warning", "the master is gone: the worker ends")
            self._stop()

    async def _connect(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        try:
            await self.loop.connect_accepted_socket(
                lambda: Connection(self.ground),
                accepted,
                ssl=self.tls,
                ssl_handshake_timeout=self.app.settings.header_timeout_s if self.tls else None,
            )
        except OSError:
            accepted.close()
            self.ground.count -= 1
            self.acceptor.left()

    async def _drain(self) -> None:
        """Take what begins while the listeners end, close them, let every request end."""
        end = self.loop.time() + self.patience_s
        settled = self.loop.time() + SETTLE_S
        while self.loop.time() < settled:
            self.acceptor.take_all()
            self.ground.drain()
            await asyncio.sleep(POLL_S)
        self.acceptor.take_all()
        for listener in self.sockets:
            listener.close()
        while self.ground.count or self.ground.tasks:
            self.ground.drain()
            if self.loop.time() > end:
                self.app.observer.reported(
                    "warning", "requests are cut off: they did not end in time", count=len(self.ground.tasks)
                )
                break
            await asyncio.sleep(POLL_S)
        for connection in tuple(self.ground.connections):
            connection.abort()


class Lifespan:
    """Tells an ASGI application of its start and its end."""

    def __init__(self, application: Any) -> None:
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        self._task = asyncio.ensure_future(application(scope, self._events.get, self._answers.put))

    async def start(self) -> None:
        """Let the application start; RuntimeError when it cannot."""
        await self._say("startup")

    async def stop(self) -> None:
        """Let the application end."""
        await self._say("shutdown")
        await self._task

    async def _say(self, event: str) -> None:
        self._events.put_nowait({"type": f"lifespan.{event}"})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done() or answer.result()["type"] != f"lifespan.{event}.complete":
            answer.cancel()
            raise RuntimeError(f"the application failed at its {event}")


def limits_of(settings: Any) -> Limits:
    """Take the limits of the wire from the settings."""
    return Limits(
        header_bytes=settings.max_header_bytes,
        uri_bytes=settings.max_uri_bytes,
        body_bytes=settings.max_body_bytes,
        header_timeout_s=settings.header_timeout_s,
        body_timeout_s=settings.body_timeout_s,
        keep_alive_s=settings.keep_alive_s,
        connections=settings.max_connections,
    )
