"""How much one turn of the event loop takes up: what goes beyond waits for the next ones, in order.

A loop that decodes everything that has arrived before it looks at its sockets again keeps new requests waiting unseen,
for as long as all of that takes: it can neither refuse them nor tell them when to come again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from service.computing.admission import WEIGHT, FullError, learnt, retry_after_s
from service.messages import Request

__all__ = ["Turns"]

TURN_S = 0.004
LONGEST_TURN_S = 0.008
WORK_SHARE = 2
FIRST_BYTE_S = 2e-8
EACH_BYTES = 512  # what a request costs beside its body, in bytes of one

TakeUp = Callable[[Request, Any], None]
Clock = Callable[[], float]


class Turns:
    """The requests of one event loop that wait to be decoded, at most so many that they wait for `longest_wait_s`.

    `take_up` gets each with what it was put off with, on the loop, and must not raise. How long the others wait is
    judged by what the loop got done of them before. `clock` is the one that requests were received by.
    """

    def __init__(self, take_up: TakeUp, longest_wait_s: float, clock: Clock = time.monotonic) -> None:
        self._take_up = take_up
        self._clock = clock
        self._longest_wait_s = longest_wait_s
        self._waiting: deque[tuple[Request, Any]] = deque()
        self._size = 0  # of all that waits, as `size_of` has it
        self._byte_s = FIRST_BYTE_S
        self._since = self._begun = self._ended = 0.0
        self._taken = 0
        self._learnings = 0

    @property
    def wait_s(self) -> float:
        """How long a request that is put off now is expected to wait."""
        return self._size * self._byte_s

    @property
    def is_full(self) -> bool:
        """Whether a request would be refused: those that wait already wait for too long."""
        return self.wait_s > self._longest_wait_s

    def must_wait(self, began: float, now: float) -> bool:
        """Tell whether a turn that began its work at `began`, 0 for none, leaves a request to a later one."""
        return bool(self._waiting) or 0 < began < now - TURN_S

    def put_off(self, request: Request, then: Any) -> None:
        """Leave a request to a later turn; FullError when too many wait, or too many for its deadline."""
        wait_s = self.wait_s
        is_full = wait_s > self._longest_wait_s
        if is_full or request.received + wait_s > request.deadline:
            raise FullError(retry_after_s(wait_s), is_for_all=is_full)
        if not self._waiting:
            self._taken = 0
            self._since = self._begun = self._ended = request.received
            asyncio.get_running_loop().call_soon(self._resume)
        self._waiting.append((request, then))
        self._size += size_of(request)

    def _resume(self) -> None:
        began = self._clock()
        if self._taken:
            self._learnings += 1  # the first turns tell the most: until they did, far too much may be taken on
            found = (began - self._since) / self._taken
            self._byte_s = learnt(self._byte_s, found, max(WEIGHT, 1 / self._learnings))
        self._taken = 0
        self._since = began
        # Refusals take their time, too, all of them together more than answers may: the work keeps its share. Only
        # when that is much: a turn as long as the reading before it makes the next reading as long again.
        end = began + min(LONGEST_TURN_S, max(TURN_S, WORK_SHARE * (self._begun - self._ended) - TURN_S))
        # Called before what is taken up now leaves anything to do: what is computed and answered then is no reading.
        asyncio.get_running_loop().call_soon(self._note_begun)
        while self._waiting and self._clock() < end:
            request, then = self._waiting.popleft()
            size = size_of(request)  # before it is taken up: its body may be replaced by what it decodes to
            self._size -= size
            self._taken += size
            self._take_up(request, then)
        self._ended = self._clock()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._resume)

    def _note_begun(self) -> None:
        self._begun = self._clock()


def size_of(request: Request) -> int:
    """Return how much of the loop's time a request takes, beside others."""
    return len(request.body) + EACH_BYTES
