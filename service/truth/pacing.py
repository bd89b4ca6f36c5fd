"""How much of what waits for the log store is written at a time, so that its cost has a bound."""

from collections import deque

from service.truth.logrecords import Kept

__all__ = ["COST_A_FLUSH", "Pace"]

COST_A_FLUSH = 40_960
"""Cells that are written at a time at most: of small requests some 500."""
LEAST_COST = COST_A_FLUSH // 16
CPU_A_FLUSH_S = 0.004
"""Processor time for that many: where the store takes more, as one with millions of records may, fewer are written."""
SLOWER, FASTER = 0.5, 1.25  # how quickly that is learnt


class Pace:
    """For one thread. What is written beyond what is allowed, as a request of very many rows, later times pay for."""

    def __init__(self) -> None:
        self._allowed = COST_A_FLUSH
        self._owed = 0

    def take(self, waiting: deque[Kept]) -> tuple[list[Kept], int]:
        """Take requests from those that wait, the oldest first; return them and what they cost."""
        self._owed = max(0, self._owed - self._allowed)
        some: list[Kept] = []
        cost = 0
        while waiting and self._owed + cost < self._allowed:
            kept = waiting.popleft()
            cost += kept[-1]
            some.append(kept)
        self._owed += cost
        return some, cost

    def learn(self, took_s: float, cost: int) -> None:
        """Allow less when what was written took too much processor time for its cost, and more when it did not."""
        due_s = CPU_A_FLUSH_S * max(1.0, cost / COST_A_FLUSH)
        factor = max(SLOWER, due_s / took_s) if took_s > due_s else FASTER
        self._allowed = min(COST_A_FLUSH, max(LEAST_COST, int(self._allowed * factor)))
