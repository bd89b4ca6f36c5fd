"""Where a job writes what it has to say, when whoever reads it may leave, or its disk be full, before the end."""

import io
import os
import sys
from typing import TextIO, cast

__all__ = ["Outlet", "outlets"]


def outlets() -> tuple[TextIO, TextIO]:
    """Return where a job writes its results, and where its progress and what is wrong."""
    err = Outlet(sys.stderr)
    return cast("TextIO", Outlet(sys.stdout, err)), cast("TextIO", err)


class Outlet(io.TextIOBase):
    """A stream whose reader may go away, such as `head`, or which lies on a disk that is full.

    What is written after that is lost, and nothing else.
    """

    def __init__(self, stream: TextIO, beside: "Outlet | None" = None) -> None:
        self._stream = stream
        self._beside = beside  # where a full disk is told

    def write(self, text: str) -> int:
        """Write, if anybody still reads."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._let_go(error)
            return len(text)

    def flush(self) -> None:
        """Hand over what was written, if anybody still reads."""
        try:
            self._stream.flush()
        except OSError as error:
            self._let_go(error)

    def isatty(self) -> bool:
        """Say whether it is a terminal."""
        return self._stream.isatty()

    def _let_go(self, error: OSError) -> None:
        # What is still in the buffer, and what Python flushes at its end, goes nowhere without a complaint.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if self._beside is not None and not isinstance(error, BrokenPipeError):
            self._beside.write(
                f"warning: standard output cannot be written: {error.strerror or error}; the job goes on\n"
            )
            self._beside.flush()
