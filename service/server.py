"""Starts the service under gunicorn: everything that must be set, set, and the way to ask it, printed."""

import gc
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from predictor.wording import shown
from service.application import Application, create_application, create_observer
from service.front import Front
from service.heap import give_back
from service.observing.logs import LogWriter, capture_logging
from service.observing.metrics import SharedObserver
from service.settings import Settings
from service.versions.catalog import Catalog
from service.wire.closing import begin_no_more
from service.wire.worker import ENDING

__all__ = ["STUCK_S", "BindError", "Service", "serve"]

STUCK_S = 30
FILES_BESIDE_CONNECTIONS = 256
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - heartbeats, which must not wait for a disk
HIGHEST_PORT = 65535


class BindError(ValueError):
    """An address that cannot be listened on; the message is one sentence for the person who starts the service."""


class Master(Arbiter):  # type: ignore[misc]
    """gunicorn's master, without the signal that would start a second one from a command line it cannot repeat."""

    def spawn_worker(self) -> int:
        """Fork a worker to which no signal is lost: until it listens by itself they wait, not to reach this handler."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            pid: int = super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - gunicorn's signature
        """Let no connection begin that nobody would take, then let the workers end."""
        for listener in self.LISTENERS:
            begin_no_more(listener.sock)
        super().stop(graceful)

    def handle_usr2(self) -> None:
        """Ignore the signal."""
        self.log.warning("SIGUSR2 is not supported: start a second service instead.")


class MasterLog(Logger):  # type: ignore[misc]
    """gunicorn's own messages, as lines of the service's log."""

    def setup(self, cfg: Any) -> None:
        """Pass every message on to the root logger, which the service has set up."""
        self.cfg = cfg
        self._access_log_enabled = False
        self.loglevel = self.LOG_LEVELS.get(cfg.loglevel.lower(), 20)
        self.error_log.propagate = True
        self.error_log.setLevel(self.loglevel)


class Service(BaseApplication):  # type: ignore[misc]
    """The application as gunicorn's master and workers see it; `slot` rows of counters go with its workers."""

    def __init__(self, settings: Settings, observer: SharedObserver, listener: socket.socket) -> None:
        self.settings = settings
        self.observer = observer
        self.url = url_of(listener, "http" if settings.tls_cert is None else "https")
        # gunicorn closes this descriptor once it has a copy, and knows the address by its number.
        self.descriptor = listener.detach()
        self.application: Application
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn up; called again at SIGHUP, which replaces the workers one by one and reads nothing new."""
        for name, value in gunicorn_settings(self.settings, self.descriptor).items():
            self.cfg.set(name, value)
        self.cfg.set("pre_fork", self._before_fork)
        self.cfg.set("child_exit", self._after_worker)
        self.cfg.set("when_ready", self._when_ready)

    def load(self) -> Front:
        """Load the models, once, before the first fork."""
        self.application = create_application(self.settings, self.observer)
        for entry in self.application.runtime.registry.catalog.models.values():
            for served in entry.serving.values():
                self.observer.layout.version(served.name, served.version)  # a count of zero is shown, too
        return self.application.front

    def run(self) -> None:
        """Serve until told to end."""
        Master(self).run()

    def _before_fork(self, _master: Any, worker: Any) -> None:
        worker.slot = self.observer.counters.claim(worker)
        self.observer.log.flush()
        if worker.slot:
            self.application.wsgi.load()
        gc.collect()
        give_back()
        gc.freeze()  # what is here now is shared by all workers as long as nobody writes to it

    def _after_worker(self, _master: Any, worker: Any) -> None:
        self.observer.counters.release(worker.slot)
        self.application.runtime.registry.plans.leave(worker.slot)

    def _when_ready(self, _master: Any) -> None:
        catalog = self.application.runtime.registry.catalog
        sys.stderr.write(welcome(self.url, catalog, self.settings.models))
        sys.stderr.flush()


def serve(settings: Settings) -> None:
    """Serve until told to end; BindError when the address cannot be had. Ends the process."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    log = LogWriter(level=settings.log_level, is_json=settings.log_format == "json")
    capture_logging(log)
    observer = create_observer(settings, log)
    listener = listening_socket(settings.bind, settings.backlog)
    raise_file_limit(settings.max_connections + FILES_BESIDE_CONNECTIONS)
    Service(settings, observer, listener).run()


def gunicorn_settings(settings: Settings, descriptor: int) -> dict[str, Any]:
    """Return what gunicorn is set to."""
    return {
        "bind": f"fd://{descriptor}",
        "workers": settings.workers,
        "worker_class": "service.wire.worker.EventLoopWorker",
        "preload_app": True,
        "timeout": STUCK_S,
        "graceful_timeout": int(settings.graceful_timeout_s),
        "backlog": settings.backlog,
        "worker_tmp_dir": SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else None,  # noqa: PTH112
        "control_socket_disable": True,
        "reuse_port": False,
        "logger_class": MasterLog,
        "loglevel": settings.log_level,
        "proc_name": "ganglion",
    }


def listening_socket(bind: str, backlog: int) -> socket.socket:
    """Listen on "HOST:PORT", an IPv6 host in brackets; BindError says in plain words why that cannot be."""
    host, port = parsed_address(bind)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(backlog)
    except (OSError, UnicodeError) as error:
        listener.close()
        raise BindError(f"Cannot listen on {bind}: {_advice(error)}") from error
    return listener


def parsed_address(bind: str) -> tuple[str, int]:
    """Split "HOST:PORT"; BindError when it is something else."""
    host, colon, port = bind.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > HIGHEST_PORT:
        raise BindError(f"{bind!r} is not an address to listen on: write HOST:PORT, for example 127.0.0.1:8000.")
    return host or "0.0.0.0", int(port)  # noqa: S104 - an empty host has always meant all


def _advice(error: Exception) -> str:
    number = getattr(error, "errno", None)
    known = {
        98: "another program listens there already. Choose another port with --bind HOST:PORT.",
        13: "ports below 1024 need special rights. Choose a higher port with --bind HOST:PORT.",
        99: "this machine has no such address. 127.0.0.1 serves this machine only, 0.0.0.0 all networks.",
    }
    return known.get(number or 0, f"{getattr(error, 'strerror', None) or error}.")


def raise_file_limit(files: int) -> None:
    """Let the process open as many files as its connections need, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = files if hard == resource.RLIM_INFINITY else min(files, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def url_of(listener: socket.socket, scheme: str) -> str:
    """Return the URL that reaches the listener from this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def welcome(url: str, catalog: Catalog, models: Path) -> str:
    """Return what a person reads when the service is up: the URL and a line to try."""
    served = next((m for m in (catalog.models.get(catalog.default or ""), *catalog.models.values()) if m), None)
    if served is None or not served.serving:
        if faults := catalog.faults():
            return f"Serving at {url} - no model can answer: {'; '.join(faults)}. It is tried again by itself.\n"
        place = f"{shown(str(models))}{'' if models.exists() else ', which is not there yet'}"
        return f"Serving at {url} - no model is loaded yet; publish one into {place}, and it is picked up by itself.\n"
    route = "/predict" if served.name == catalog.default else f"/models/{served.name}/predict"
    chosen = served.serving.get("champion") or next(iter(served.serving.values()))
    body = json.dumps({"instances": [list(chosen.predictor.golden.rows[0])]}, ensure_ascii=True).replace("'", "\\u0027")
    return f"Serving at {url}\nTry it:\n  curl {url}{route} -H 'Content-Type: application/json' -d '{body}'\n"
