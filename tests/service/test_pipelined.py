"""Requests that follow one another on a connection before the first is answered, over a real socket in this process."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from service.observer import QuietObserver
from service.wire.framing import Limits
from service.wire.ground import Ground
from service.wire.protocol import Connection

PATIENCE_S = 100.0
LIMITS = Limits(
    header_bytes=8192, uri_bytes=8192, body_bytes=8192, header_timeout_s=PATIENCE_S, body_timeout_s=PATIENCE_S,
    keep_alive_s=PATIENCE_S, connections=9,
)  # fmt: skip
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"

Client = Callable[[Ground, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def served(application: Any, client: Client) -> None:
    """Let a client speak to an application over a connection of its own."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ground = Ground(application, QuietObserver(), LIMITS, loop)
        server = await loop.create_server(lambda: Connection(ground), "127.0.0.1", 0)
        taking = socket.socket()
        taking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)  # or the system would take megabytes for it
        taking.connect(server.sockets[0].getsockname())
        reader, writer = await asyncio.open_connection(sock=taking)
        async with asyncio.timeout(PATIENCE_S):
            await client(ground, reader, writer)
        writer.close()
        server.close()

    asyncio.run(run())


class Application:
    """Answers with so many bytes, once it may; `begun` counts the requests that it was called for."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.begun = 0
        self.has_begun = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        self.begun += 1
        self.has_begun.set()
        await self.may_answer.wait()
        headers = [(b"content-length", b"%d" % self.size)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(self.size)})


def test_what_has_arrived_is_answered_when_the_service_ends_and_the_last_answer_says_so() -> None:
    application = Application(1)

    async def client(ground: Ground, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(3 * REQUEST)
        await application.has_begun.wait()
        ground.drain()
        application.may_answer.set()
        found = await reader.read()
        assert application.begun == 3
        assert found.count(b"HTTP/1.1 200 OK\r\n") == 3
        assert found.count(b"connection: close\r\n") == 1
        assert b"connection: close\r\n" in found.rpartition(b"HTTP/1.1")[2]

    served(application, client)


def test_a_client_that_does_not_read_is_answered_no_further_until_it_does() -> None:
    application = Application(100_000)
    application.may_answer.set()
    requests = 400

    async def client(_ground: Ground, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(requests * REQUEST)
        await application.has_begun.wait()
        seen = 0
        while seen != application.begun:
            seen = application.begun
            await asyncio.sleep(0.2)
        assert application.begun < requests
        writer.write_eof()
        found = await reader.read()
        assert found.count(b"HTTP/1.1 200 OK\r\n") == application.begun == requests
        assert found.count(b"\0") == requests * application.size

    served(application, client)
