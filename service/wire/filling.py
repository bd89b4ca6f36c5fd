"""The rest of a long body, received straight into its place instead of in pieces that are put together afterwards."""

import asyncio
from collections.abc import Iterable
from io import BytesIO
from typing import Protocol

__all__ = ["LEAST_BYTES", "LONGEST_BYTES", "MOST_BYTES", "Filled", "Filling"]

LEAST_BYTES = 2**18
"""Bytes to come from which on it pays to change over."""
LONGEST_BYTES = 2**22
"""Of a body that is received so: longer ones would hold up the event loop for 3 ms while the system makes memory."""
MOST_BYTES = 2**25
"""Bytes, of all bodies of a worker that are received so at a time: the memory is taken before they arrive."""


class Filled(Protocol):
    """What a filling needs of its connection."""

    def body_received(self) -> None:
        """Take the whole body, but not before this has returned."""

    def eof_received(self) -> bool:
        """Note the end of the client's side."""

    def connection_lost(self, error: Exception | None) -> None:
        """End."""

    def pause_writing(self) -> None:
        """Begin no further answer."""

    def resume_writing(self) -> None:
        """Go on."""


class Filling(asyncio.BufferedProtocol):
    """Stands in for a connection at its transport until all of a body has arrived: `begun`, and what is to come."""

    def __init__(self, connection: Filled, begun: Iterable[bytes], length: int) -> None:
        self.length = length
        self._connection = connection
        self._room = BytesIO(bytes(length))
        self._rest = self._room.getbuffer()  # what is still empty
        for piece in begun:
            self._rest[: len(piece)] = piece
            self._rest = self._rest[len(piece) :]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - all there is, whatever is thought to come
        """Give the transport the place of what comes next."""
        return self._rest

    def buffer_updated(self, nbytes: int) -> None:
        """Note what has arrived there."""
        self._rest = self._rest[nbytes:]
        if not self._rest:
            self._connection.body_received()

    def body(self) -> bytes:
        """Return all of what has arrived: what was written to, but a copy while somebody holds a view of it."""
        self._rest.release()
        return self._room.getvalue()

    def eof_received(self) -> bool:
        """Pass on what is no part of a body, as the next three do."""
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._connection.resume_writing()
