"""Signals while something is under way that is better not cut in two."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

__all__ = ["Held", "held_back", "sigterm_interrupts"]

ASKED_TO_END = (signal.SIGINT, signal.SIGTERM)


class Held:
    """Whether an interrupt is held back."""

    def __init__(self) -> None:
        self.is_interrupted = False


@contextmanager
def held_back(err: TextIO | None = None, message: str = "") -> Iterator[Held]:
    """Let Ctrl-C and SIGTERM wait for the block to look at them; with a message, which is shown, a second does not.

    Only the main thread can: elsewhere nothing is held back. A signal that whoever started the process has switched off
    stays so.
    """
    held = Held()
    if threading.current_thread() is not threading.main_thread():
        yield held
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if held.is_interrupted and err is not None:
            raise KeyboardInterrupt
        held.is_interrupted = True
        if err is not None:
            err.write(f"\n{message}\n")
            err.flush()

    heard = [number for number in ASKED_TO_END if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handle) for number in heard}
    try:
        yield held
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, so that what a block has begun is cleared away."""
    is_plain = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if threading.current_thread() is not threading.main_thread() or not is_plain:
        yield
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
