"""Tells a webhook of drift: one worker of them all, seldom, in a thread of its own."""

import threading
import time
from typing import Any

from predictor.drift import Shift
from service.observer import Observer
from service.observing.drift import DriftWatch
from service.observing.webhook import Webhook, WebhookError
from service.sharing.memory import Memory
from service.sharing.windows import WINDOWS
from service.versions.catalog import CHAMPION, Served
from service.versions.registry import Registry

__all__ = ["DriftAlarm"]

EVENT = "ganglion-drift"
LONGEST_PAUSE_S = 30.0
RETRY_S = 600.0
MOST_NAMED = 20
DIGITS = 4


class DriftAlarm:
    """Looks every now and then whether the rows of a champion have drifted, and sends it at most once an interval."""

    def __init__(
        self,
        webhook: Webhook,
        registry: Registry,
        drift: DriftWatch,
        memory: Memory,
        observer: Observer,
        *,
        interval_s: float,
        rows: int,
    ) -> None:
        self._webhook = webhook
        self._registry = registry
        self._drift = drift
        self._memory = memory
        self._observer = observer
        self._interval_s = interval_s
        self._rows = rows
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; after the process has forked."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="drift-alarm", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; one that is sending is not waited for long."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=1)
            self._thread = None

    def _watch(self) -> None:
        while not self._stopping.wait(min(LONGEST_PAUSE_S, self._interval_s / 10)):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the thread outlives any fault, as the reloader does
                self._observer.reported("error", "the look for drift failed", error=error)

    def look(self) -> None:
        """Look once at every champion, and send what is due."""
        for entry in self._registry.catalog.models.values():
            served = entry.serving.get(CHAMPION)
            if served is None:
                continue
            rows, features, predictions = self._drift.shifts(served, WINDOWS[0])
            found = {"features": _drifted(features), "predictions": _drifted(predictions)}
            if rows >= self._rows and any(found.values()) and self._is_due(entry.name):
                self._send(served, {"rows": rows, **found})

    def _send(self, served: Served, found: dict[str, Any]) -> None:
        payload = {"model": served.name, "version": served.version, "window": WINDOWS[0], **found}
        said: dict[str, Any] = {"model": served.name, "version": served.version, "host": self._webhook.host}
        try:
            status = self._webhook.send(EVENT, payload)
        except WebhookError as error:
            self._observer.noted("webhook_failed", model=served.name)
            self._observer.reported("warning", "drift could not be told to the webhook", reason=str(error), **said)
            self._note(served.name, time.time() - self._interval_s + min(RETRY_S, self._interval_s))
        else:
            self._observer.noted("webhook_sent", model=served.name)
            names = [shift["name"] for shift in (*found["features"], *found["predictions"])]
            self._observer.reported("info", "drift was told to the webhook", status=status, drifted=names, **said)

    def _is_due(self, name: str) -> bool:
        """Tell whether this process is the one to send now; others, and this one, then wait for the interval."""
        with self._memory.changing() as known:
            sent, now = known.setdefault("drift_told", {}), time.time()
            # A time to come is of a clock that has been set back since.
            if 0 <= now - sent.get(name, 0.0) < self._interval_s:
                return False
            sent[name] = now
        return True

    def _note(self, name: str, at: float) -> None:
        with self._memory.changing() as known:
            known.setdefault("drift_told", {})[name] = at


def _drifted(shifts: list[Shift]) -> list[dict[str, Any]]:
    found = sorted((shift for shift in shifts if shift.state == "drifted"), key=lambda shift: -(shift.psi or 0.0))
    return [{"name": shift.name, "psi": round(shift.psi or 0.0, DIGITS)} for shift in found[:MOST_NAMED]]
