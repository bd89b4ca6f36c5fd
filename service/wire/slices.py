"""A large answer on its way out, a slice in each turn of the loop: copied at once it would hold up all others."""

from collections.abc import Callable
from typing import Any

__all__ = ["SLICE_BYTES", "Slices"]

SLICE_BYTES = 131_072


class Slices:
    """Hands `data` to a transport; `then` is called when all of it has been handed over, with whether it may go on.

    The protocol passes on what the transport tells it: `pause` when it takes no more, `resume` when it does again.
    """

    def __init__(self, transport: Any, loop: Any, data: bytes, then: Callable[[bool], None]) -> None:
        self._transport = transport
        self._loop = loop
        self._rest = memoryview(data)
        self._then = then
        self._is_paused = False

    def write(self) -> None:
        """Hand over the next slice, and see to it that the others follow."""
        if self._is_paused or self._transport.is_closing():
            return
        piece, self._rest = self._rest[:SLICE_BYTES], self._rest[SLICE_BYTES:]
        self._transport.write(piece)
        if not self._rest:
            self._then(not self._is_paused)
        elif not self._is_paused:
            self._loop.call_soon(self.write)

    def pause(self) -> None:
        """Hand over nothing more."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on, in the next turn."""
        if self._is_paused:
            self._is_paused = False
            self._loop.call_soon(self.write)
