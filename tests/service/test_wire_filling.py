"""A long body is received straight into its place, whatever comes before and after it, and its room is given back."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvloop

from service.messages import WHOLE_BODY
from service.observer import QuietObserver
from service.wire.filling import LEAST_BYTES, LONGEST_BYTES, MOST_BYTES
from service.wire.framing import Limits
from service.wire.ground import Ground
from service.wire.protocol import Connection

PATIENCE_S = 60.0
TEXT = bytes(range(251)) * 17_000


async def digest(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what identifies the body, or with why there is none."""
    body: bytes | None = scope.get("extensions", {}).get(WHOLE_BODY)
    text = b"cut"
    if body is not None:
        text = hashlib.sha256(body).hexdigest().encode()
    else:
        try:
            await receive()
        except TimeoutError:
            text = b"late"
    length = str(len(text)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def serving(*, body_timeout_s: float = PATIENCE_S) -> AsyncIterator[tuple[Ground, int]]:
    """Serve on a real socket; yield what the connections stand on, and the port."""
    limits = Limits(
        header_bytes=4096, uri_bytes=1024, body_bytes=2 * MOST_BYTES, header_timeout_s=PATIENCE_S,
        body_timeout_s=body_timeout_s, keep_alive_s=PATIENCE_S, connections=12,
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    ground = Ground(digest, QuietObserver(), limits, loop)
    server = await loop.create_server(lambda: Connection(ground), "127.0.0.1", 0)
    try:
        yield ground, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in tuple(ground.connections):
            connection.abort()
        await until(lambda: not ground.connections)


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.001)

    async def answer(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return await self.reader.readexactly(length)


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def head_of(length: int, own: bytes = b"") -> bytes:
    """Return the head of a request; with a line that is one request's own it is never known."""
    return b"POST /a HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n" % (own, length)


def cut(data: bytes, *sizes: int) -> list[bytes]:
    """Cut off pieces of these sizes; the rest is the last one."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def digest_of(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.002)


async def known(client: Client, length: int) -> None:
    """Ask once, so that the head of such a request is known."""
    await client.send(head_of(length), TEXT[:length])
    assert await client.answer() == digest_of(TEXT[:length])


def on_a_loop(test: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test)


@pytest.mark.parametrize("own", [b"", b"X-Api-Key: a\r\n"])
@pytest.mark.parametrize("length", [LEAST_BYTES - 1, LEAST_BYTES, LEAST_BYTES + 1, 3_211_392])
def test_a_long_body_is_what_was_sent_however_it_is_cut_and_whatever_follows(length: int, own: bytes) -> None:
    body = TEXT[-length:]
    other, head = TEXT[:1000], head_of(length, own)

    async def ask() -> None:
        async with serving() as (ground, port), connected(port) as client:
            await known(client, length)
            for sizes in ((), (len(head),), (len(head) + 7,), (20,), (len(head), *[100_003] * (length // 100_003))):
                await client.send(*cut(head + body + head_of(1000, own) + other, *sizes))
                assert [await client.answer(), await client.answer()] == [digest_of(body), digest_of(other)]
                assert ground.room == MOST_BYTES

    on_a_loop(ask())


@pytest.mark.parametrize("own", [b"", b"X-Api-Key: a\r\n"])
def test_only_a_long_body_takes_room_before_it_arrives(own: bytes) -> None:
    async def ask() -> None:
        async with serving() as (ground, port), connected(port) as client:
            for length, taken in ((LEAST_BYTES - 1, 0), (2_000_000, 2_000_000), (LONGEST_BYTES + 1, 0)):
                await known(client, length)
                await client.send(head_of(length, own), TEXT[:50])
                await until(lambda taken=taken: ground.room == MOST_BYTES - taken)  # type: ignore[misc]
                await client.send(TEXT[50:length])
                assert await client.answer() == digest_of(TEXT[:length])
                assert ground.room == MOST_BYTES

    on_a_loop(ask())


def test_bodies_beyond_the_room_arrive_all_the_same() -> None:
    body = bytes(range(256)) * 15_000
    count = MOST_BYTES // len(body) + 2
    most = MOST_BYTES - (count - 2) * len(body)

    async def ask() -> None:
        async with serving() as (ground, port):
            clients = [await stack_up(port) for _ in range(count)]
            for client in clients:
                await client.send(head_of(len(body)), body)
                assert await client.answer() == digest_of(body)
            for client in clients:
                await client.send(head_of(len(body)), body[:100_000])
            await until(lambda: ground.room == most)
            for client in reversed(clients):
                await client.send(body[100_000:])
                assert await client.answer() == digest_of(body)
                client.writer.close()
            assert ground.room == MOST_BYTES

    async def stack_up(port: int) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", port))

    on_a_loop(ask())


def test_a_client_may_wait_until_it_is_told_to_send_a_long_body_and_close_after_one() -> None:
    body = TEXT[:2_000_000]

    async def ask() -> None:
        async with serving() as (ground, port), connected(port) as client:
            for _ in range(2):
                await client.send(head_of(len(body), b"Expect: 100-continue\r\n"))
                assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                await client.send(body)
                assert await client.answer() == digest_of(body)
            await client.send(head_of(len(body), b"Connection: close\r\n") + body)
            assert await client.answer() == digest_of(body)
            assert await client.reader.read() == b""
            assert ground.room == MOST_BYTES

    on_a_loop(ask())


@pytest.mark.parametrize("way", ["eof", "reset"])
def test_a_body_that_breaks_off_gives_its_room_back(way: str) -> None:
    async def ask() -> None:
        async with serving() as (ground, port), connected(port) as client:
            await known(client, 2_000_000)
            await client.send(head_of(2_000_000), TEXT[:600_000])
            await until(lambda: ground.room < MOST_BYTES)
            if way == "eof":
                client.writer.write_eof()
                assert await client.answer() == b"cut"
                assert await client.reader.read() == b""
            else:
                client.writer.transport.abort()
            await until(lambda: ground.room == MOST_BYTES)
            async with connected(port) as another:
                await known(another, 2_000_000)

    on_a_loop(ask())


def test_a_body_that_is_late_gives_its_room_back_and_what_follows_is_thrown_away() -> None:
    async def ask() -> None:
        async with serving(body_timeout_s=0.2) as (ground, port), connected(port) as client:
            await known(client, 2_000_000)
            await client.send(head_of(2_000_000), TEXT[:600_000])
            await until(lambda: ground.room < MOST_BYTES)

            def is_late() -> bool:
                ground.tick()
                return ground.room == MOST_BYTES

            await until(is_late)
            assert await client.answer() == b"late"
            await client.send(TEXT[600_000:2_000_000])
            assert await client.reader.read() == b""

    on_a_loop(ask())
