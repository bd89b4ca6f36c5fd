"""What one process serves with: settings, models, the batcher, the observer, the routes."""

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from predictor import FileRepository, FolderRepository, Repository
from service.batching import Batcher
from service.keys import KeyRing
from service.messages import generated_ids
from service.observing.drift import DriftWatch
from service.observing.observer import Observer, QuietObserver
from service.observing.traces import Tracer
from service.pipeline import Pipeline
from service.router import Router
from service.routes import routes_of
from service.settings import Settings
from service.sharing.memory import Memory
from service.truth.logbook import Logbook, Retention
from service.versions.mirror import Evidence, Mirror
from service.versions.registry import Registry
from service.versions.shadow import Shadow
from service.versions.succession import Succession
from service.versions.verdicts import Limits
from service.versions.watcher import Watcher

if TYPE_CHECKING:
    from service.observing.alarm import DriftAlarm

__all__ = ["Runtime"]

MODEL = "model.npz"


class Runtime:
    """Made once, before the process forks: holds no thread until `start`."""

    def __init__(
        self, settings: Settings, observer: Observer | None = None, repository: Repository | None = None
    ) -> None:
        self.settings = settings
        self.observer: Observer = observer or QuietObserver()
        self.canaries = {rule.model: rule for rule in settings.canary}
        self.logbook = logbook_of(settings, self.observer)
        self.evidence = Evidence(self.logbook.live if self.logbook else None)
        self.memory = Memory(settings.state)
        store = repository or repository_at(settings.models)
        limits = settings.limits()
        self.registry = Registry(
            store,
            self.observer,
            settings.default_model,
            succession=self._succession(store, limits),
            batch_invariant=settings.batch_invariant,
        )
        self.batcher = Batcher(
            thread_rows=settings.thread_rows,
            max_rows_waiting=settings.max_rows_waiting,
            longest_wait_s=settings.max_wait_s,
        )
        self.drift = DriftWatch() if settings.drift else None
        self.shadow = Shadow(settings.shadow, self.observer)
        self.keys = KeyRing(settings.api_key_file) if settings.api_key_file else None
        self.router = Router(routes_of(settings))
        self.tracer = Tracer(settings)
        self.mirror = Mirror(self, self.evidence, limits) if limits else None
        self.pipeline = Pipeline(self)
        self.ids: Iterator[str] = generated_ids()
        self.alarm = alarm_of(self)
        self.watcher = Watcher(self.registry, self.observer, settings.reload_interval_s, keys=self.keys)
        self._started_in: int | None = None
        self.is_ending = False  # this process has been told to end

    def _succession(self, store: Repository, limits: Limits | None) -> Succession | None:
        if limits is None:
            return None
        return Succession(
            limits, self.canaries, store, evidence=self.evidence, memory=self.memory, observer=self.observer
        )

    @property
    def is_ready(self) -> bool:
        """Whether every alias that should serve is proven, and this process goes on serving."""
        return self.registry.catalog.is_ready and not self.is_ending

    def start(self) -> None:
        """Begin in this process, after any fork: ids of its own, and the watcher; once is enough."""
        if self._started_in != os.getpid():
            self._started_in = os.getpid()
            self.ids = generated_ids()
            self.watcher.start()
            if self.mirror is not None:
                self.mirror.start()
            if self.alarm is not None:
                self.alarm.start()
            if self.logbook is not None:
                self.logbook.start()

    def stop(self) -> None:
        """End the watcher and let running work end."""
        if self._started_in == os.getpid():
            self._started_in = None
            self.watcher.stop()
            if self.alarm is not None:
                self.alarm.stop()
            if self.mirror is not None:
                self.mirror.stop()
            self.registry.leave()
            self.batcher.close()
            if self.logbook is not None:
                self.logbook.stop()
            self.tracer.stop()

    def quiet(self) -> "Runtime":
        """Return the same to work with unseen: what it is used for is neither counted nor logged."""
        other = copy.copy(self)
        other.observer = QuietObserver()
        return other


def logbook_of(settings: Settings, observer: Observer) -> Logbook | None:
    """Return what keeps predictions and feedback, None where no log store is set."""
    place = settings.log_place()
    if place is None:
        return None
    retention = Retention(settings.log_keep_days, settings.log_keep_requests)
    return Logbook(place, observer, share=settings.log_sample, retention=retention)


def alarm_of(runtime: Runtime) -> "DriftAlarm | None":
    """Return what tells a webhook of drift, None where the settings name none."""
    settings = runtime.settings
    if settings.drift_webhook is None or runtime.drift is None:
        return None
    from service.observing.alarm import DriftAlarm  # noqa: PLC0415 - it brings an HTTP client, which costs a start its time
    from service.observing.webhook import Webhook  # noqa: PLC0415 - the same

    return DriftAlarm(
        Webhook(settings.drift_webhook, *settings.webhook_secrets()),
        runtime.registry,
        runtime.drift,
        runtime.memory,
        runtime.observer,
        interval_s=settings.drift_webhook_interval_s,
        rows=settings.drift_webhook_rows,
    )


def repository_at(models: Path) -> Repository:
    """Return the repository in a folder, or the one model that the path or a file in the folder is."""
    for path in (models, models / MODEL):
        if path.is_file():
            return FileRepository(path)
    return FolderRepository(models)
