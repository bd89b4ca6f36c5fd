"""Builds the service of one process: every part once, each handed what it needs, behind two doors."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from predictor import FileRepository, FolderRepository, Repository
from service.computing.batching import Batcher, Work
from service.front import Front
from service.guard import Guard
from service.keys import KeyRing
from service.life import Life
from service.messages import Request
from service.observer import Observer, QuietObserver
from service.observing.drift import DriftWatch
from service.observing.layout import GAUGES, Layout
from service.observing.logs import LogWriter
from service.observing.metrics import SharedObserver
from service.observing.traces import Tracer
from service.pipeline import Pipeline
from service.router import Router
from service.routes import routes_of
from service.runtime import Runtime
from service.settings import Settings, load_settings
from service.sharing.counters import SharedCounters
from service.sharing.memory import Memory
from service.truth.logbook import Logbook, Retention
from service.versions.catalog import Served
from service.versions.evidence import Evidence
from service.versions.mirror import Ask, Mirror
from service.versions.registry import Registry
from service.versions.reloading import Reloader
from service.versions.shadow import Shadow
from service.versions.succession import Succession

if TYPE_CHECKING:
    from flask import Flask

    from service.observing.alarm import DriftAlarm

__all__ = ["Application", "create_app", "create_application", "create_observer", "repository_at"]

MODEL = "model.npz"
SPARE_ROWS = 64  # of counters, beyond what workers need


class LateFlask:
    """The Flask application, imported when the first worker is up or by the first request that needs it.

    Predictions never do, and its import is the longest part of a cold start. The master imports it before it forks
    the second worker, so that all workers but the first share its memory.
    """

    def __init__(self, settings: Settings, router: Router, pipeline: Pipeline, life: Life) -> None:
        self._given = settings, router, pipeline, life
        self._flask: Flask | None = None
        self._lock = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer one WSGI request."""
        return self.load()(environ, start_response)

    def load(self) -> "Flask":
        """Return the application, built once."""
        if self._flask is None:
            with self._lock:
                if self._flask is None:
                    from service.flask_app import create_flask  # noqa: PLC0415

                    self._flask = create_flask(*self._given)
        return self._flask


@dataclass(frozen=True)
class Application:
    """The parts that others take hold of; none has a thread until `life` starts.

    `front` is the door of event-loop servers, `wsgi` that of all others: each answers every route by itself.
    """

    runtime: Runtime
    router: Router
    pipeline: Pipeline
    batcher: Batcher
    reloader: Reloader
    mirror: Mirror | None
    alarm: "DriftAlarm | None"
    life: Life
    front: Front
    wsgi: LateFlask

    @property
    def flask(self) -> "Flask":
        """The Flask application behind `wsgi`, built when it is first asked for."""
        return self.wsgi.load()


def create_app() -> "Flask":
    """Build the Flask application from the environment, for a WSGI server that takes a factory."""
    return create_application(load_settings()).flask


def create_application(settings: Settings, observer: Observer | None = None) -> Application:
    """Load the models and build both doors; no thread is started, so this may happen before a fork."""
    memory, tracer = Memory(settings.state), Tracer(settings)
    keys = KeyRing(settings.api_key_file) if settings.api_key_file else None
    runtime = runtime_of(settings, observer or QuietObserver(), memory)
    batcher = Batcher(
        thread_rows=settings.thread_rows,
        max_rows_waiting=settings.max_rows_waiting,
        longest_wait_s=settings.max_wait_s,
    )
    reloader = Reloader(runtime.registry, runtime.observer, settings.reload_interval_s, keys=keys)
    mirror, alarm, logbook = mirror_of(runtime), alarm_of(runtime, memory), runtime.logbook
    life = Life(
        [part.start for part in (reloader, mirror, alarm, logbook) if part],
        [
            *(part.stop for part in (reloader, alarm, mirror) if part), runtime.registry.leave, batcher.close,
            *(part.stop for part in (logbook, tracer) if part),
        ],
    )  # fmt: skip
    router = Router(routes_of(settings))
    guard = Guard(keys, settings.admin_token(), settings.feedback_scope)
    pipeline = Pipeline(runtime, router, batcher, guard, tracer, mirror=mirror)
    wsgi = LateFlask(settings, router, pipeline, life)
    front = Front(settings, router, pipeline, life, wsgi)
    runtime.registry.refresh()
    return Application(runtime, router, pipeline, batcher, reloader, mirror, alarm, life, front, wsgi)


def create_observer(settings: Settings, log: LogWriter | None = None) -> SharedObserver:
    """Build the observer that all workers share; call it before the fork."""
    layout = Layout(route.template for route in routes_of(settings))
    counters = SharedCounters(SPARE_ROWS, layout.width, len(GAUGES))
    return SharedObserver(
        layout, counters, log or LogWriter(level=settings.log_level, is_json=settings.log_format == "json")
    )


def runtime_of(settings: Settings, observer: Observer, memory: Memory) -> Runtime:
    """Make what routes work with; nothing is loaded yet."""
    canaries, limits = {rule.model: rule for rule in settings.canary}, settings.limits()
    logbook = logbook_of(settings, observer)
    evidence = Evidence(logbook.live.of if logbook else None)
    store = repository_at(settings.models)
    succession = None
    if limits is not None:
        succession = Succession(limits, canaries, store, evidence=evidence, memory=memory, observer=observer)
    registry = Registry(
        store, observer, settings.default_model, succession=succession, batch_invariant=settings.batch_invariant
    )
    drift = DriftWatch() if settings.drift else None
    return Runtime(settings, observer, registry, evidence, canaries, Shadow(settings.shadow, observer), drift, logbook)


def logbook_of(settings: Settings, observer: Observer) -> Logbook | None:
    """Make what keeps predictions and feedback, None where no log store is set."""
    place = settings.log_place()
    if place is None:
        return None
    retention = Retention(settings.log_keep_days, settings.log_keep_requests)
    return Logbook(place, observer, share=settings.log_sample, retention=retention)


def mirror_of(runtime: Runtime) -> Mirror | None:
    """Make what asks watched versions again, None where none is watched."""
    limits = runtime.settings.limits()
    if limits is None:
        return None
    return Mirror(asking_unseen(runtime), runtime.registry, runtime.evidence, limits, runtime.observer)


def asking_unseen(runtime: Runtime) -> Ask:
    """Return what lets a version answer, as if the path had named it, and is neither counted nor logged."""
    quiet = runtime.quiet()

    def ask(request: Request, served: Served) -> NDArray[Any] | None:
        parameters = {name: text for name, text in request.parameters.items() if name != "alias"}
        asked = replace(request, parameters=parameters | {"version": str(served.version)}, served=None)
        work = request.match.routes[request.method].handler(asked, quiet)
        return work.answered() if isinstance(work, Work) else None

    return ask


def alarm_of(runtime: Runtime, memory: Memory) -> "DriftAlarm | None":
    """Make what tells a webhook of drift, None where the settings name none."""
    settings = runtime.settings
    if settings.drift_webhook is None or runtime.drift is None:
        return None
    from service.observing.alarm import DriftAlarm  # noqa: PLC0415 - it brings an HTTP client, which costs a start its time
    from service.observing.webhook import Webhook  # noqa: PLC0415 - the same

    return DriftAlarm(
        Webhook(settings.drift_webhook, *settings.webhook_secrets()),
        runtime.registry,
        runtime.drift,
        memory,
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
