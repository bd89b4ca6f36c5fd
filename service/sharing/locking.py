"""One lock for the threads of all processes of one fork."""

import errno
import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["SharedLock"]

AGAIN_S = 0.001


class SharedLock:
    """Held by one thread of one process at a time, by way of a file that all of them have open; not to be nested.

    The file's lock ends with its process, so that one that is killed holds up nobody. It does not keep the threads of
    a process apart, which a lock of their own does.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._threads = threading.Lock()

    @contextmanager
    def held(self, *, waits: bool = True) -> Iterator[bool]:
        """Let the block have the lock; False when another has it and there is to be no waiting."""
        if not self._threads.acquire(blocking=waits):
            yield False
            return
        try:
            is_held = self._lock_file(waits=waits)
            try:
                yield is_held
            finally:
                if is_held:
                    fcntl.lockf(self._file, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def _lock_file(self, *, waits: bool) -> bool:
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            except OSError as error:
                # The kernel sees processes, not threads: where one thread waits for another process, and that process
                # for a lock that a second thread will soon give back, it takes this for a deadlock.
                if error.errno != errno.EDEADLK:
                    raise
                time.sleep(AGAIN_S)
            else:
                return True
