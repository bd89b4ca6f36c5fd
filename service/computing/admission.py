"""How much work a process has taken on, in rows and in seconds by its own measure, and when that is enough."""

import math
import threading
import time

__all__ = ["WEIGHT", "Admission", "FullError", "LateError", "Load", "learnt", "retry_after_s"]

LONGEST_RETRY_S = 60
FIRST_UNIT_S = 3e-10  # a row times a parameter, before anything was measured
FIRST_BYTE_S = 2e-8  # of a body that is read, computed and answered
TELLING_UNITS = 2_000_000  # less work says more of the overhead, or of who else wanted the processor
TELLING_BYTES = 32_768
WEIGHT = 0.1
MOST_AT_ONCE = 4.0


class FullError(RuntimeError):
    """As much work waits as may wait; `retry_after_s` says when it is worth asking again.

    `is_for_all` tells that more patience would not have helped.
    """

    def __init__(self, retry_after_s: int, *, is_for_all: bool = True) -> None:
        self.retry_after_s = retry_after_s
        self.is_for_all = is_for_all
        super().__init__("The service is busy: too much work is waiting.")


class LateError(RuntimeError):
    """The answer was not ready before the request's deadline; `retry_after_s` says when to ask again."""

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__("The answer was not ready in time.")


Load = tuple[int, float]
"""Rows, and the seconds that they are expected to take."""


class Admission:
    """Counts what is admitted and not yet done; safe from any thread, deadlines are times of `time.monotonic`.

    Work is expected to take what such work took before: by rows and parameters of the network, or by bytes of a body.
    """

    def __init__(self, most_rows: int, longest_wait_s: float) -> None:
        self._most_rows = most_rows
        self._longest_wait_s = longest_wait_s
        self._lock = threading.Lock()
        self.unit_s = FIRST_UNIT_S  # seconds for a row times a parameter
        self._byte_s = FIRST_BYTE_S
        self.rows = 0
        self.seconds = 0.0
        self._refused: dict[str, int] = {}  # the shortest body by its path, while nothing has been done since

    def of_bytes(self, size: int, rows: int) -> Load:
        """Estimate a body that is read, computed and answered as one piece of work."""
        return rows, size * self._byte_s

    def learn_units(self, units: int, seconds: float) -> None:
        """Note how long rows times parameters took."""
        if units >= TELLING_UNITS:
            self.unit_s = learnt(self.unit_s, seconds / units)

    def learn_bytes(self, size: int, seconds: float) -> None:
        """Note how long a body took."""
        if size >= TELLING_BYTES:
            self._byte_s = learnt(self._byte_s, seconds / size)

    def is_full(self, path: str, size: int) -> bool:
        """Tell whether a body of `size` for `path` would be refused, without a look at what it wants.

        The wait is too long already, or was for a body no longer than this one, and no work has been done since.
        """
        if self.seconds > self._longest_wait_s or self.rows >= self._most_rows:
            return True
        return bool(self._refused) and size >= self._refused.get(path, size + 1)

    def note_refused(self, path: str, size: int) -> None:
        """Remember that a body was too much, until work is done; not when all of it has been done meanwhile."""
        with self._lock:
            if self.rows:
                self._refused[path] = min(size, self._refused.get(path, size))

    def check(self, path: str, size: int) -> None:
        """Raise FullError for a body that is not worth a look."""
        if self.is_full(path, size):
            raise FullError(self.retry_after_s)

    def admit(self, load: Load, deadline: float) -> None:
        """Take on work, or raise FullError: too many rows, too long a wait, or one beyond the request's deadline."""
        rows, seconds = load
        with self._lock:
            if self.rows:  # what comes when nothing waits is always taken
                wait_s = self.seconds + seconds
                is_full = wait_s > self._longest_wait_s or self.rows + rows > self._most_rows
                if is_full or time.monotonic() + wait_s > deadline:
                    raise FullError(self.retry_after_s, is_for_all=is_full)
            self.rows += rows
            self.seconds += seconds

    def release(self, load: Load) -> None:
        """Note that work is done, or given up."""
        rows, seconds = load
        with self._lock:
            self._refused.clear()
            self.rows -= rows
            # Sums of floats drift; with nothing admitted nothing is waited for.
            self.seconds = max(0.0, self.seconds - seconds) if self.rows else 0.0

    @property
    def retry_after_s(self) -> int:
        """Whole seconds until what waits now is expected to be done, at least 1."""
        return retry_after_s(self.seconds)


def retry_after_s(seconds: float) -> int:
    """Return a wait in whole seconds, from 1 to 60."""
    return 1 if seconds <= 1 else min(LONGEST_RETRY_S, math.ceil(seconds))


def learnt(known: float, found: float, weight: float = WEIGHT) -> float:
    """Move towards what was found; one that took very long was kept from the processor, and counts for less."""
    return known + weight * (min(found, MOST_AT_ONCE * known) - known)
