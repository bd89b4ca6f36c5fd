"""A long body that came in pieces keeps nobody from the event loop while it is put together."""

import asyncio
import threading
from typing import Any

import pytest

from service.messages import WHOLE_BODY
from service.observer import QuietObserver
from service.wire.exchange import JOINED_BYTES
from service.wire.framing import Limits
from service.wire.ground import Ground
from service.wire.protocol import Connection

LIMITS = Limits(
    header_bytes=4096, uri_bytes=1024, body_bytes=2**24, header_timeout_s=9.0, body_timeout_s=9.0, keep_alive_s=9.0,
    connections=9,
)  # fmt: skip


class Transport:
    """Ends with the answer."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def get_extra_info(self, _name: str) -> None:
        return None

    def write(self, data: bytes) -> None:
        self.answer.set_result(data)


async def _asked(body: bytes, pieces: int) -> list[tuple[str, bool]]:
    """Return the ways that one request took, and whether its body was what had been sent."""
    ways: list[tuple[str, bool]] = []

    async def application(scope: Any, _receive: Any, send: Any) -> None:
        ways.append((threading.current_thread().name, scope["extensions"][WHOLE_BODY] == body))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def direct(_head: Any, found: bytes, _then: Any) -> bool:
        ways.append(("direct", found == body))
        return False

    ground = Ground(application, QuietObserver(), LIMITS, asyncio.get_running_loop(), direct=direct)
    ground.room = 0  # so that it comes in pieces
    connection, transport = Connection(ground), Transport()
    connection.connection_made(transport)
    connection.data_received(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
    size = -(-len(body) // pieces)
    for start in range(0, len(body), size):
        connection.data_received(body[start : start + size])
    assert b"200 OK" in await transport.answer
    return ways


@pytest.mark.parametrize(
    ("size", "pieces", "ways"),
    [
        (JOINED_BYTES, 4, ["direct", "MainThread"]),
        (JOINED_BYTES + 1, 4, ["MainThread"]),
        (20 * JOINED_BYTES, 90, ["MainThread"]),
        (20 * JOINED_BYTES, 1, ["direct", "MainThread"]),
    ],
)
def test_a_long_body_in_pieces_is_not_put_together_on_the_loop(size: int, pieces: int, ways: list[str]) -> None:
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    assert asyncio.run(_asked(body, pieces)) == [(way, True) for way in ways]
