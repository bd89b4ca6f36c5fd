"""The compose file's services under a project name of their own, and the few commands the tests need."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests

__all__ = ["ROOT", "Stack", "compose_command", "engine_missing", "eventually", "lent_stack"]

Found = TypeVar("Found")
ROOT = Path(__file__).parents[2]
BUILDKIT = {"DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1"}  # the default of newer engines


def engine_missing() -> str | None:
    """Return why no container can run here, or None."""
    if shutil.which("docker") is None:
        return "needs the docker client"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "needs a Docker engine that answers: start one or set DOCKER_HOST"
    return None if compose_command() else "needs docker compose or docker-compose"


def compose_command() -> tuple[str, ...] | None:
    """Return the Compose there is, v2 before 1.29."""
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]):
            version = subprocess.run([*command, "version"], capture_output=True, check=False)
            if version.returncode == 0:
                return command
    return None


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def eventually(read: Callable[[], Found | None], *, within_s: float, what: str) -> Found:
    """Return the first answer of `read` that is true; AssertionError with `what` when none comes in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            found = read()
        except requests.ConnectionError:
            found = None
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {within_s} s: {what}")


@dataclass(frozen=True)
class Stack:
    """A running compose project."""

    project: str
    port: int
    files: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *command: str, code: int | None = 0, timeout_s: float = 600) -> str:
        """Run a command at the root of the project; returns what it printed, first to stdout and then to stderr.

        Each is kept whole: the engine passes on what a container writes to the two in no order. `code` is what the
        command has to exit with, None for any.
        """
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **BUILDKIT, "GANGLION_PORT": str(self.port), **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        said = done.stdout + done.stderr
        assert code in (None, done.returncode), f"{' '.join(command)} gave {done.returncode}:\n{said[-4000:]}"
        return said

    def compose(self, *arguments: str, **options: Any) -> str:
        files = [word for file in self.files for word in ("--file", file)]
        return self.run(*(compose_command() or ()), "--project-name", self.project, *files, *arguments, **options)

    def job(self, *arguments: str, code: int | None = 0) -> str:
        """Run a command of the training image on the volume, as a person would."""
        return self.compose("run", "--rm", "-T", "train", *arguments, code=code)

    def container(self, service: str = "serve") -> str:
        # `ps` leaves out what has ended unless asked.
        return self.compose("ps", "--all", "--quiet", service).split()[-1]

    def inspect(self, service: str = "serve") -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.run("docker", "inspect", self.container(service)))
        return found[0]

    def python(self, code: str) -> str:
        """Run Python code in the serving container, by its own interpreter and user."""
        return self.run("docker", "exec", self.container(), "python", "-c", code)

    def answers(self) -> bool:
        return requests.get(f"{self.url}/readyz", timeout=60).ok

    def wait_until_ready(self) -> None:
        eventually(self.answers, within_s=120, what="/readyz answers 200")

    def predict(self) -> dict[str, Any]:
        answer = requests.post(f"{self.url}/predict", json={"instances": [[5.1, 3.5, 1.4, 0.2]]}, timeout=60)
        assert answer.status_code == requests.codes.ok, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def tell(self) -> None:
        """Ask about two flowers and tell what was true of them, until the log store knows the request."""
        rows = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
        asked = requests.post(
            f"{self.url}/predict", json={"instances": rows}, headers={"X-Request-Id": "a"}, timeout=60
        )
        assert asked.status_code == requests.codes.ok, asked.text

        def is_told() -> bool:
            told = {"request_id": "a", "truths": ["setosa", "virginica"]}
            answer = requests.post(f"{self.url}/feedback", json=told, timeout=60)
            return bool(answer.json()["feedback"][0]["state"] == "matched")

        eventually(is_told, within_s=120, what="the service finds its own answer in the store")


@contextmanager
def lent_stack(name: str, *files: str, **environment: str) -> Iterator[Stack]:
    """Lend a project of compose files beside the first, which is taken down after; skip where no container can run."""
    reason = engine_missing()
    if reason is not None:
        pytest.skip(reason)
    stack = Stack(f"ganglion-{name}-{os.getpid()}", free_port(), ("docker-compose.yml", *files), environment)
    try:
        yield stack
    finally:
        stack.compose("down", "--volumes", "--rmi", "local", "--remove-orphans", code=None)
