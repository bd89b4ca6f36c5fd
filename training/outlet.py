"""Where a job writes what it has to say, when whoever reads it may leave before the end."""

import io
import os
from typing import TextIO

__all__ = ["Outlet"]


class Outlet(io.TextIOBase):
    """A stream whose reader may go away, such as `head`: what is written after that is lost, and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if anybody still reads."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._let_go()
            return len(text)

    def flush(self) -> None:
        """Hand over what was written, if anybody still reads."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._let_go()

    def isatty(self) -> bool:
        """Say whether it is a terminal."""
        return self._stream.isatty()

    def _let_go(self) -> None:
        # What is still in the buffer, and what Python flushes at its end, goes nowhere without a complaint.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
