"""What all processes of one fork serve, and the moment when they change over together.

One process at a time leads: it writes a plan, waits until every worker has what the plan names, and makes it the
active one with a single store to shared memory. Every request looks at that cell first, so nobody answers with the
old plan after anybody has answered with the new one.
"""

import mmap
import os
import time
from contextlib import AbstractContextManager

from service.sharing.locking import SharedLock

__all__ = ["Plans"]

ROWS = 64
ACTIVE, PROPOSED, NEWEST, LENGTH, TOKEN, TRIED_NS, FIRST_ROW = 0, 1, 2, 3, 5, 6, 8  # LENGTH is of two cells
PLAN_BYTES = 8 * 2**20
POLL_S = 0.002


class Plans:
    """Numbered plans in one anonymous file made before the fork; a plan is any bytes of at most 8 MiB.

    There are two places for plans; the active one's is the lowest bit of its cell, so that one store changes both.

    A row belongs to a worker while it lives: 0 is nobody's, n + 1 says that plan n is held, -(n + 1) that it cannot be.
    Numbers begin at 1; `active` is 0 before there is a plan.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("plans")
        os.ftruncate(self._file, mmap.PAGESIZE + 2 * PLAN_BYTES)
        self._map = mmap.mmap(self._file, mmap.PAGESIZE + 2 * PLAN_BYTES)
        self._cells = memoryview(self._map)[: mmap.PAGESIZE].cast("q")
        self._row: int | None = None
        self._leading = SharedLock(self._file)

    @property
    def active(self) -> int:
        """The number of the plan that all serve by."""
        return self._cells[ACTIVE] >> 1

    @property
    def proposed(self) -> int:
        """The number of the newest plan, which may not be active yet; 0 while it is being written."""
        return self._cells[PROPOSED]

    @property
    def token(self) -> int:
        """What the leader said of the state that the newest plan was made from."""
        return self._cells[TOKEN]

    @property
    def tried(self) -> float:
        """When the last plan was made, a time of `time.monotonic`; 0 before there was one."""
        return self._cells[TRIED_NS] / 1e9

    def note(self, token: int) -> None:
        """Say what the repository was like when a plan was made of it, now."""
        self._cells[TOKEN] = token
        self._cells[TRIED_NS] = time.monotonic_ns()

    def leading(self, *, waits: bool = True) -> AbstractContextManager[bool]:
        """Be the one thread of all processes that may propose; False when another is and there is to be no waiting."""
        return self._leading.held(waits=waits)

    def propose(self, plan: bytes) -> int:
        """Write the next plan beside the active one, and return its number; ValueError when it is too long."""
        if len(plan) > PLAN_BYTES:
            raise ValueError(f"a plan of {len(plan)} bytes, at most {PLAN_BYTES} can be shared")
        place = 1 - (self._cells[ACTIVE] & 1)
        start = mmap.PAGESIZE + place * PLAN_BYTES
        self._cells[PROPOSED] = 0
        self._map[start : start + len(plan)] = plan
        self._cells[LENGTH + place] = len(plan)
        self._cells[NEWEST] += 1
        self._cells[PROPOSED] = number = self._cells[NEWEST]
        return number

    def activate(self, number: int) -> None:
        """Let everybody serve by the plan that was proposed last."""
        self._cells[ACTIVE] = number << 1 | 1 - (self._cells[ACTIVE] & 1)

    def read(self, number: int) -> bytes | None:
        """Return the active or the proposed plan by its number; None when it has given way to another meanwhile."""
        place = self._place(number)
        if place is None:
            return None
        start = mmap.PAGESIZE + place * PLAN_BYTES
        plan = self._map[start : start + self._cells[LENGTH + place]]
        return plan if self._place(number) == place else None

    def _place(self, number: int) -> int | None:
        active = self._cells[ACTIVE]
        if number == active >> 1:
            return active & 1
        return 1 - (active & 1) if number == self._cells[PROPOSED] else None

    def join(self, row: int) -> None:
        """Take a row: from now on plans wait for this worker."""
        self._row = min(row, ROWS - 1)
        self._cells[FIRST_ROW + self._row] = 1

    def leave(self, row: int | None = None) -> None:
        """Give up the row of a worker that has ended, or this worker's own."""
        row = self._row if row is None else row
        if row is not None:
            self._cells[FIRST_ROW + min(row, ROWS - 1)] = 0

    def hold(self, number: int, *, is_possible: bool = True) -> None:
        """Say that this worker has, or cannot have, what a plan names."""
        if self._row is not None:
            self._cells[FIRST_ROW + self._row] = number + 1 if is_possible else -(number + 1)

    def settled(self, number: int, patience_s: float) -> bool:
        """Wait until every worker holds a plan; False as soon as one cannot. Patience ends as if all did.

        A worker that is too slow loads what the plan names before its next answer.
        """
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            rows = self._cells[FIRST_ROW : FIRST_ROW + ROWS].tolist()
            if -(number + 1) in rows:
                return False
            if all(not row or row == number + 1 for row in rows):
                return True
            time.sleep(POLL_S)
        return True
