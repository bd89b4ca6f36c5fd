"""How threads at bulk work make way for the event loop of their process, which needs the interpreter's lock in between.

Whoever gives up the lock and takes it back at once has it back before a thread that waits for it is awake, and makes it
wait anew. So a thread keeps the lock until it is asked for it, and when it was, it stays away until the loop is done.
"""

import threading
import time

__all__ = ["LoopWork", "make_way"]

AWAY_S = 0.0002  # about as long as the loop takes to answer a row
MOST_AWAYS = 5
WAITED_S = 0.00003  # more than to be called and to ask for the time takes


class LoopWork:
    """Whether an event loop is in the middle of something, as it says itself; safe to ask from any thread."""

    def __init__(self) -> None:
        self.is_begun = False

    def enter(self) -> None:
        """Let the calling thread make way for this loop from now on."""
        _here.loop_work = self
        _here.waited_s = 0.0


_here = threading.local()


def make_way() -> None:
    """Leave the interpreter's lock to the loop if it is in the middle of something, for a millisecond at most.

    So it seems to be when this thread has waited since it was here before: for the lock that it had to give up.
    Does nothing on a thread that has not entered into it, as that of the loop itself.
    """
    work: LoopWork | None = getattr(_here, "loop_work", None)
    if work is None:
        return
    waited_s = time.monotonic() - time.thread_time()
    if work.is_begun or waited_s - _here.waited_s > WAITED_S:
        for _ in range(MOST_AWAYS):
            time.sleep(AWAY_S)
            if not work.is_begun:
                break
        waited_s = time.monotonic() - time.thread_time()
    _here.waited_s = waited_s
