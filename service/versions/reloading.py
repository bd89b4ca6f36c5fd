"""Hot reload: a thread that looks at the repository now and then, and at what other processes propose all the time."""

import threading
import time

from service.keys import KeyRing, KeysError
from service.observer import Observer
from service.versions.registry import Registry

__all__ = ["Reloader"]

RETRY_S = 30.0
FOLLOW_S = 0.02
JUDGE_S = 0.5


class Reloader:
    """Refreshes a registry when its repository changes, and the keys when their file does.

    What failed to load is tried again every 30 seconds.

    Start it after the process has forked: threads do not survive a fork. Where an event loop calls `tick` and has said
    so by `is_ticked`, its thread sleeps until there is something to load: each time it wakes, requests wait for the
    interpreter's lock, and then for a processor.
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
        self._waking = threading.Event()
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self.is_ticked = False

    def start(self) -> None:
        """Begin to watch."""
        self._is_stopping = False
        self._waking.clear()
        self._thread = threading.Thread(target=self._watch, name="reloader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._is_stopping = True
        self._waking.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            self._thread = None

    def tick(self) -> None:
        """Wake the thread if another process has proposed something; for every fiftieth of a second or so."""
        if self._registry.is_behind:
            self._waking.set()

    def _watch(self) -> None:
        looked = judged = time.monotonic()  # what is served was read a moment ago
        while True:
            self._waking.wait(min(JUDGE_S if self.is_ticked else FOLLOW_S, self._interval_s))
            self._waking.clear()
            if self._is_stopping:
                return
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
                self._observer.reported("error", "the look at the repository failed", error=error)
                looked = time.monotonic()

    def _read_keys(self) -> None:
        try:
            if self._keys is not None and self._keys.refresh():
                self._observer.reported("info", "the API keys were read again")
        except KeysError as error:
            self._observer.reported("error", "the API keys cannot be read: the old ones go on", reason=str(error))
