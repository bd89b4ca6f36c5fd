"""Hot reload: a thread that looks at the repository now and then and lets the registry catch up."""

import threading
import time

from predictor import RepositoryError
from service.observing import Observer
from service.registry import Registry

__all__ = ["Watcher"]

RETRY_S = 30.0


class Watcher:
    """Refreshes a registry when its repository changes; what failed to load is tried again every 30 seconds.

    Start it after the process has forked: threads do not survive a fork.
    """

    def __init__(self, registry: Registry, observer: Observer, interval_s: float, retry_s: float = RETRY_S) -> None:
        self._registry = registry
        self._observer = observer
        self._interval_s = interval_s
        self._retry_s = retry_s
        self._seen: object = None
        self._tried = -retry_s
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None

    def look(self, now: float) -> bool:
        """Refresh the registry if there is reason to; return whether it was refreshed."""
        try:
            token: object = self._registry.repository.fingerprint()
        except (RepositoryError, OSError):
            token = None  # the refresh finds and reports the same
        is_changed = token is None or token != self._seen
        is_due = bool(self._registry.catalog.faults()) and now - self._tried >= self._retry_s
        if not is_changed and not is_due:
            return False
        if token is None and now - self._tried < self._retry_s:
            return False
        self._tried = now
        # The token was taken before the read, so a change during it is seen at the next look.
        self._registry.refresh()
        self._seen = token
        return True

    def _watch(self) -> None:
        while not self._stopping.wait(self._interval_s):
            try:
                self.look(time.monotonic())
            except Exception as error:  # noqa: BLE001 - the thread outlives any fault; the old models keep serving
                self._observer.reported("error", "the repository watcher failed", error=error)
