"""A request's whole way through this service in one process: everything that a worker does but for its sockets."""

import asyncio
import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from service.application import Application, create_application, create_observer
from service.messages import Request, Response
from service.observer import QuietObserver
from service.observing.logs import LogWriter
from service.settings import load_settings
from service.wire.ground import Ground
from service.wire.heads import Head
from service.wire.protocol import Connection
from service.wire.worker import limits_of

__all__ = ["http_us", "inside_us"]

ROUNDS = 7
ROUND_S = 0.3
PIECE_BYTES = 262_144  # what an event loop reads at once
TICK_S = 0.1


class Sink:
    """A transport that lets go of what is written, and tells when it was."""

    def __init__(self, answered: Callable[[bytes], object]) -> None:
        self._answered = answered

    def get_extra_info(self, _name: str) -> None:
        """Know nothing of the other side."""

    def write(self, data: bytes) -> None:
        """Tell that there is an answer."""
        self._answered(data)

    def pause_reading(self) -> None:
        """Go on."""

    def resume_reading(self) -> None:
        """Go on."""


def http_us(message: bytes) -> float:
    """Return the processor time, in microseconds, of reading one request that came before, and of writing an answer."""
    waiting: list[Any] = []
    request, response = Request("POST", "/", "", {}, b"", "id", 0.0), Response(200, b"{}")
    loop = uvloop.new_event_loop()

    def direct(_head: Head, _body: bytes, then: Any) -> bool:
        waiting.append(then)
        return True

    limits = limits_of(load_settings())
    ground = Ground(lambda *_: asyncio.sleep(0), QuietObserver(), limits, loop, direct=direct)
    connection = Connection(ground)
    connection.connection_made(Sink(len))
    pieces = _pieces(message)

    def once() -> None:
        for piece in pieces:
            connection.data_received(piece)
        waiting.pop()(request, response)

    try:
        return _least_us(once)
    finally:
        loop.close()


def inside_us(models: Path, message: bytes, connections: int) -> float:
    """Return the processor time of a request in microseconds when so many clients send it over and over."""
    settings = load_settings(models=models)
    with Path(os.devnull).open("w") as nowhere:
        observer = create_observer(settings, LogWriter(nowhere))
        application = create_application(settings, observer)
        observer.begin(0)
        if application.runtime.drift is not None:
            application.runtime.drift.is_ticked = True
        gc.collect()
        gc.freeze()  # as before the workers are forked
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_measured(application, message, connections))
        finally:
            gc.unfreeze()
            application.life.stop()
            observer.end()


async def _measured(application: Application, message: bytes, connections: int) -> float:
    runtime, front, loop = application.runtime, application.front, asyncio.get_running_loop()
    ground = Ground(front, runtime.observer, limits_of(runtime.settings), loop, direct=front.direct)
    answers: list[bytes] = []
    clients = [Connection(ground) for _ in range(connections)]
    for connection in clients:
        connection.connection_made(Sink(answers.append))
    return min([await _round(clients, _pieces(message), answers, runtime) for _ in range(ROUNDS)])


def _pieces(message: bytes) -> list[bytes]:
    return [message[start : start + PIECE_BYTES] for start in range(0, len(message), PIECE_BYTES)]


def _least_us(function: Callable[[], None], count: int = 500) -> float:
    found = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(count):
            function()
        found.append((time.thread_time() - began) / count * 1e6)
    return min(found)


async def _round(clients: list[Connection], pieces: list[bytes], answers: list[bytes], runtime: Any) -> float:
    count, began, ticked = 0, time.process_time(), time.monotonic()
    end = ticked + ROUND_S
    while (now := time.monotonic()) < end:
        for connection in clients:
            for piece in pieces:
                connection.data_received(piece)
        while len(answers) < len(clients):  # noqa: ASYNC110 - turns of the loop are what is measured
            await asyncio.sleep(0)
        if not all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers):
            raise RuntimeError(f"not every answer was right: {answers}")
        count += len(answers)
        answers.clear()
        if now > ticked + TICK_S:
            ticked = now
            runtime.observer.tick()
            if runtime.drift is not None:
                runtime.drift.tick()
    return (time.process_time() - began) / count * 1e6
