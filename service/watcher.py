"""Hot reload: a thread that looks at the repository now and then, and at what other processes propose all the time."""

import threading
import time

from service.keys import KeyRing, KeysError
from service.observing import Observer
from service.registry import Registry

__all__ = ["Watcher"]

RETRY_S = 30.0
FOLLOW_S = 0.02
JUDGE_S = 0.5


class Watcher:
    """Refreshes a registry when its repository changes, and the keys when their file does.

    What failed to load is tried again every 30 seconds.

    Start it after the process has forked: threads do not survive a fork.
    """

    def __init__(
        self,
        registry: Registry,
        observer: Observer,
        interval_s: float,
        retry_s: float = RETRY_S,
        keys: KeyRing | None = None,
    ) -> None:
        self._registry = registry
        self._observer = observer
        self._interval_s = interval_s
        self._retry_s = retry_s
        self._keys = keys
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

    def _watch(self) -> None:
        looked = judged = -self._interval_s - JUDGE_S
        while not self._stopping.wait(min(FOLLOW_S, self._interval_s)):
            try:
                self._registry.follow()
                if time.monotonic() - looked >= self._interval_s:
                    self._registry.catch_up(self._retry_s)
                    self._read_keys()
                    looked = time.monotonic()
                if time.monotonic() - judged >= JUDGE_S:
                    judged = time.monotonic()
                    self._registry.judge()
            except Exception as error:  # noqa: BLE001 - the thread outlives any fault; the old models keep serving
                self._observer.reported("error", "the repository watcher failed", error=error)
                looked = time.monotonic()

    def _read_keys(self) -> None:
        try:
            if self._keys is not None and self._keys.refresh():
                self._observer.reported("info", "the API keys were read again")
        except KeysError as error:
            self._observer.reported("error", "the API keys cannot be read: the old ones go on", reason=str(error))
