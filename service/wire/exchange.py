"""One request and its answer, between the connection and the ASGI application."""

import asyncio
from typing import Any, Protocol

from service.messages import WHOLE_BODY, Request, Response
from service.wire.framing import HeaderList
from service.wire.ground import Ground
from service.wire.heads import Head

__all__ = ["Exchange", "Line"]

JOINED_BYTES = 262_144
"""Longer bodies that came in pieces are put together by a thread: to get memory for megabytes takes milliseconds."""


class Line(Protocol):
    """What an exchange needs of its connection."""

    @property
    def ground(self) -> Ground:
        """What it shares with all others."""

    @property
    def peer(self) -> tuple[str, int]:
        """The client's address."""

    @property
    def local(self) -> tuple[str, int] | None:
        """The address that the client has reached."""

    @property
    def current(self) -> "Exchange | None":
        """The exchange in work; an answer to any other goes nowhere."""

    def deliver(self, exchange: "Exchange", request: Request, response: Response) -> None:
        """Write the answer to a request."""

    def answer(self, exchange: "Exchange", status: int, headers: HeaderList, body: bytes) -> None:
        """Write an answer."""

    def fail_current(self) -> None:
        """Answer for an application that ended without an answer."""


class Exchange:
    """One request, and what the application makes of it.

    `is_whole` tells that the body arrived completely. A request whose body never will is handed to the application
    all the same, so that its answer has the shape of its route: `receive` then gives what there is with more to come
    (too long), raises TimeoutError (too late), or gives the disconnection after it (broken off).
    """

    __slots__ = (
        "connection", "expects_continue", "head", "is_given", "is_late", "is_whole", "parts", "pieces", "started",
    )  # fmt: skip

    def __init__(self, connection: Line, head: Head, body: bytes | None = None) -> None:
        self.connection = connection
        self.head = head
        self.expects_continue = head.framing.expects_continue
        self.is_whole = body is not None
        self.is_late = False
        self.is_given = False
        self.pieces: list[bytes] = [] if body is None else [body]
        self.parts: list[bytes] = []
        self.started: dict[str, Any] | None = None

    def start(self) -> None:
        """Let the application answer: directly where it can, else in a task."""
        ground = self.connection.ground
        is_ready = self.is_whole and self._is_joined_soon()
        if is_ready and ground.direct is not None and ground.direct(self.head, self._body(), self.complete):
            return
        ground.start(self._run())

    def complete(self, request: Request, response: Response) -> None:
        """Take the application's whole answer; one that cannot be written is answered for."""
        if self.connection.current is not self:
            return  # the client has gone
        try:
            self.connection.deliver(self, request, response)
        except Exception as error:  # noqa: BLE001 - other requests wait behind this call
            self._fail(error)

    async def _run(self) -> None:
        connection = self.connection
        ground = connection.ground
        scheme = "https" if ground.is_encrypted else "http"
        scope = self.head.scope(connection.peer, connection.local, trusted=ground.trusted, scheme=scheme)
        if self.is_whole:
            scope["extensions"] = {WHOLE_BODY: await self._whole_body()}
        try:
            await ground.application(scope, self.receive, self.send)
        except Exception as error:  # noqa: BLE001 - whatever escapes the application must still become an answer
            self._fail(error)
        else:
            self._end()

    def _fail(self, error: Exception) -> None:
        self.connection.ground.observer.reported("error", "the application failed", error=error)
        self._end()

    def _end(self) -> None:
        """Answer for an application that has ended without an answer."""
        if self.connection.current is self:
            self.connection.fail_current()

    async def receive(self) -> dict[str, Any]:
        """Give the application the body in one piece; after that, the disconnection."""
        if self.is_late:
            raise TimeoutError
        if self.is_given:
            return {"type": "http.disconnect"}
        self.is_given = True
        return {"type": "http.request", "body": self._body(), "more_body": not self.is_whole}

    def _is_joined_soon(self) -> bool:
        return len(self.pieces) == 1 or sum(map(len, self.pieces)) <= JOINED_BYTES

    async def _whole_body(self) -> bytes:
        if self._is_joined_soon():
            return self._body()
        return await asyncio.get_running_loop().run_in_executor(None, self._body)

    def _body(self) -> bytes:
        if len(self.pieces) != 1:
            self.pieces = [b"".join(self.pieces)]
        return self.pieces[0]

    async def send(self, message: dict[str, Any]) -> None:
        """Take the application's answer; all of it is written in one piece, with its last part."""
        if message["type"] == "http.response.start":
            self.started = message
            return
        body: bytes = message.get("body", b"")
        if self.parts or message.get("more_body", False):
            self.parts.append(body)
            if message.get("more_body", False):
                return
            body = b"".join(self.parts)
        if self.started is None or self.connection.current is not self:
            return
        self.connection.answer(self, self.started["status"], self.started["headers"], body)
