"""A running service in its own processes, and raw bytes to it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.service.models import DEADLINE_S

ROOT = Path(__file__).parents[2]
ROW = [5.1, 3.5, 1.4, 0.2]
BODY = json.dumps({"instances": [ROW]}).encode()


def posted(body: bytes, headers: str = "") -> bytes:
    """Return a request for predictions; each of the further headers ends its line."""
    return f"POST /predict HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def asking(rows: Any, headers: str = "") -> bytes:
    """Return a request for predictions for rows."""
    return posted(json.dumps({"instances": rows}).encode(), headers)


GOOD = posted(BODY)
CHANGING = ("x-request-id", "date", "server", "connection")
START_S = 120


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fixed(self) -> tuple[int, dict[str, str], bytes]:
        """Everything but request ids, times and what belongs to the connection."""
        headers = {name: text for name, text in self.headers.items() if name not in CHANGING}
        given = self.headers.get("x-request-id", "")
        return self.status, headers | {"content-length": ""}, self.body.replace(given.encode(), b"ID")


class Running:
    """The service as `python -m service serve` starts it, on a free port, with settings by name."""

    def __init__(self, models: Path, *, workers: int = 2, **settings: Any) -> None:
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        environment = {name: text for name, text in os.environ.items() if not name.startswith("GANGLION_")}
        environment |= {f"GANGLION_{name.upper()}": str(value) for name, value in settings.items()}
        environment.setdefault("GANGLION_DEFAULT_MODEL", "flowers")
        environment.setdefault("GANGLION_DEADLINE_S", str(DEADLINE_S))
        command = [sys.executable, "-m", "service", "serve", "--models", str(models), "--bind", "127.0.0.1:0"]
        command += ["--workers", str(workers)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=self.output, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        self.welcome = ""
        while "curl" not in self.welcome and "no model" not in self.welcome:
            line = self.process.stderr.readline()
            assert line, self.log()
            self.welcome += line
        self.url = self.welcome.split("Serving at ")[1].split()[0]
        self.port = int(self.url.rpartition(":")[2])
        self.all_workers(workers)

    def workers(self) -> list[int]:
        """Return the processes that the master has now, without those that have died and are not replaced yet."""
        master = self.process.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return [int(pid) for pid in children if is_alive(int(pid))]

    def all_workers(self, count: int = 2) -> list[int]:
        """Wait until there are so many, and return them."""
        found: list[int] = []

        def are_there() -> bool:
            found[:] = self.workers()
            return len(found) == count

        until(are_there)
        return found

    def cpu_s(self) -> float:
        """Return the processor time that the workers have used, which depends less on who else uses the machine."""
        total = 0
        for pid in self.workers():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def log(self) -> str:
        file = self.output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines()]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=START_S)

    def send(self, data: bytes, *, ends: bool = False) -> list[Answer]:
        """Send bytes on a connection of their own and read answers until the server closes it or waits."""
        with self.connect() as connection:
            connection.sendall(data)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            return list(answers(connection))

    def ask(self, data: bytes) -> Answer:
        """Send a request and read one answer."""
        with self.connect() as connection:
            connection.sendall(data)
            return next(answers(connection))

    def predicts(self) -> bool:
        return self.ask(GOOD).status == 200

    def get(self, path: str) -> Answer:
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    def metric(self, pattern: str) -> float:
        """Sum the samples of the metrics page whose line matches."""
        text = self.get("/metrics").body.decode()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(pattern, line))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=START_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stderr is not None
            self.process.stderr.close()
            self.output.close()


def is_alive(pid: int) -> bool:
    """Tell whether a process runs, or could."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:  # it has gone, before or while it was read
        return False


@contextlib.contextmanager
def running(models: Path, **settings: Any) -> Iterator[Running]:
    service = Running(models, **settings)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.stop()
        else:
            assert service.process.stderr is not None
            service.process.stderr.close()
            service.output.close()


def answers(connection: socket.socket, *, head_only: bool = False) -> Iterator[Answer]:
    """Yield answers until the server has closed the connection."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                assert data == b""
                return
            data += piece
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in lines)}
        length = 0 if head_only else int(headers.get("content-length", 0))
        while len(data) < length:
            piece = connection.recv(65536)
            assert piece, "the answer broke off"
            data += piece
        yield Answer(int(first.split(" ")[1]), headers, data[:length])
        data = data[length:]


def until(is_so: Any, *, seconds: float = START_S) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)
