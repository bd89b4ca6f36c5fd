"""Signals while something is under way that is better not cut in two."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

__all__ = ["Held", "held_back", "sigterm_interrupts"]

ASKED_TO_END = (signal.SIGINT, signal.SIGTERM)
PLAIN = (signal.SIG_DFL, signal.default_int_handler)


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
def sigterm_interrupts() -> Iterator[Callable[[], None]]:
    """Let SIGTERM do what Ctrl-C does, so that what a block has begun is cleared away.

    Once the block has called what it is given, neither is heard any more: for an end that takes a moment, and that must
    not be called interrupted.
    """
    is_ending = False

    def end() -> None:
        nonlocal is_ending
        is_ending = True

    if threading.current_thread() is not threading.main_thread():
        yield end
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if not is_ending:
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in ASKED_TO_END}
    plain = [number for number, handler in before.items() if handler in PLAIN]
    for number in plain:
        signal.signal(number, handle)
    try:
        yield end
    finally:
        for number in plain:
            signal.signal(number, before[number])
