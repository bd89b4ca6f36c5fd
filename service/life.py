"""What begins in a process after it was forked, and ends with it."""

import os
from collections.abc import Callable, Iterator, Sequence

from service.messages import generated_ids

__all__ = ["Life"]

Act = Callable[[], object]


class Life:
    """Calls what `begins` once in each process, and what `ends` there: threads and connections do not survive a fork.

    `ids` are those that requests of this process get; no other process gives the same.
    """

    def __init__(self, begins: Sequence[Act], ends: Sequence[Act]) -> None:
        self._begins = begins
        self._ends = ends
        self._started_in: int | None = None
        self.ids: Iterator[str] = generated_ids()

    def start(self) -> None:
        """Begin in this process; once is enough."""
        if self._started_in != os.getpid():
            self._started_in = os.getpid()
            self.ids = generated_ids()
            for begin in self._begins:
                begin()

    def stop(self) -> None:
        """End what has begun here, and let running work end."""
        if self._started_in == os.getpid():
            self._started_in = None
            for end in self._ends:
                end()
