"""The servers that take part: how each is started, asked, watched and ended."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serve import ROOT, cpu_s, environment, free_port, pss_kib
from benchmarks.serving.networks import Question

__all__ = ["OURS", "REFERENCE", "Contestant", "contestants"]

PEERS = Path(__file__).with_name("peers")
OURS = "ganglion"
REFERENCE = "FastAPI + onnxruntime"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


@dataclass
class Contestant:
    """One server: `path` takes a body; `features` in it are replaced by the width of the rows."""

    name: str
    command: list[str]
    port: int
    folder: Path
    path: str = "/predict"
    is_v2: bool = False
    keeps: bool = True
    is_right: bool = True
    process: "subprocess.Popen[bytes] | None" = None
    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, **figures: float) -> None:
        """Keep what was measured in one round."""
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)

    def body(self, question: Question) -> bytes:
        """Return a question as this server reads it."""
        return question.v2() if self.is_v2 else question.native()

    def target(self, question: Question) -> str:
        """Return the path that a question is sent to."""
        return self.path.format(features=len(question.rows[0]))

    def message(self, question: Question) -> bytes:
        """Return a question as an HTTP request."""
        body = self.body(question)
        head = f"POST {self.target(question)} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def start(self, question: Question) -> None:
        """Start it, and note the seconds until its first right answer; RuntimeError when there is none."""
        began = time.perf_counter()
        given = environment() | {
            "BENCH_FOLDER": str(self.folder),
            "PYTHONPATH": os.pathsep.join([str(PEERS), str(ROOT)]),
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=given, stdout=log, stderr=log, start_new_session=True
            )
        while time.perf_counter() - began < START_TIMEOUT_S and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                if self.answers(question):
                    return self.note(start=time.perf_counter() - began)
            time.sleep(0.005)
        raise RuntimeError(f"{self.name} gave no right answer: {(self.folder / 'log').read_text()[-2000:]}")

    def answers(self, question: Question) -> bool:
        """Ask once, on a connection of its own; say whether the answer was right."""
        request = self.message(question).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" in head.lower():
            body = b"".join(re.split(rb"(?:^|\r\n)[0-9a-f]+\r\n", body))
        return b" 200 " in head[:16] and (not self.is_right or question.is_answered_by(body))

    def processes(self) -> list[int]:
        """Return the ids of its processes: the first, its children and theirs."""
        return list(_tree(self.process.pid)) if self.process else []

    def cpu_s(self) -> float:
        """Return the processor time, in seconds, that its processes have used."""
        return cpu_s(self.processes())

    def pss_mib(self) -> float:
        """Return its memory in MiB, shared pages counted once."""
        return sum(map(pss_kib, self.processes())) / 1024

    def stop(self) -> None:
        """End it and all its processes."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # it leads a group of its own; most often nobody is left
        self.process.wait()
        self.process = None


def _tree(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        found = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _children(task)]
        yield pid
        for child in found:
            yield from _tree(child)


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


def contestants(folder: Path, environments: Path) -> list[Contestant]:
    """Return the servers whose environments are there, this service first; say which are not."""
    found = [_ours(folder), _floor(folder), _flask(folder)]
    for name, (kept_in, command) in COMMANDS.items():
        programs, port = environments / kept_in / "bin", free_port()
        if not programs.is_dir():
            print(f"{name} is left out: there is no environment {programs.parent}.")
            continue
        words = [word.format(bin=programs, port=port) for word in command]
        found.append(Contestant(name, words, port, folder))
    for contestant in found:
        if contestant.name == "MLServer":
            contestant.path, contestant.is_v2 = "/v2/models/bench/infer", True
            _settle_mlserver(folder, contestant.port)
    return found


UVICORN = [
    "{bin}/python",
    "-m",
    "uvicorn",
    "--workers",
    "2",
    "--port",
    "{port}",
    "--no-access-log",
    "--log-level",
    "warning",
]
COMMANDS: dict[str, tuple[str, list[str]]] = {
    REFERENCE: ("fastapi-onnx", [*UVICORN, "fastapi_onnxruntime:app"]),
    "FastAPI + scikit-learn": ("fastapi-sklearn", [*UVICORN, "fastapi_sklearn:app"]),
    "granian + orjson + NumPy": (
        "granian",
        [
            "{bin}/granian",
            "--interface",
            "asgi",
            "--workers",
            "2",
            "--port",
            "{port}",
            "--no-log",
            "granian_orjson:app",
        ],
    ),
    "MLServer": ("mlserver", ["{bin}/mlserver", "start", "mlserver"]),
    "BentoML": (
        "bentoml",
        ["{bin}/bentoml", "serve", "bentoml_service:Bench", "-p", "{port}", "--host", "127.0.0.1", "-q"],
    ),
    "LitServe": ("litserve", ["{bin}/python", str(PEERS / "litserve_api.py"), "{port}"]),
}
"""By name: the folder of the environment, and the command that starts two workers."""


def _ours(folder: Path) -> Contestant:
    port = free_port()
    command = [sys.executable, "-m", "service", "serve", "--models", str(folder / "models"), "--workers", "2"]
    return Contestant(OURS, [*command, "--bind", f"127.0.0.1:{port}"], port, folder, path="/models/m{features}/predict")


def _floor(folder: Path) -> Contestant:
    port = free_port()
    command = [sys.executable, str(PEERS / "floor.py"), str(folder / "models"), f"127.0.0.1:{port}"]
    return Contestant("floor", command, port, folder, is_right=False)


def _flask(folder: Path) -> Contestant:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "sync", "-w", "2", "-b", f"127.0.0.1:{port}", "flask_view:app"]
    return Contestant("plain Flask view", command, port, folder, keeps=False)


def _settle_mlserver(folder: Path, port: int) -> None:
    """Write MLServer's settings: two processes of the model behind the one that speaks HTTP."""
    ports = f'"http_port": {port}, "grpc_port": {free_port()}, "metrics_port": {free_port()}'
    text = f'{{"host": "127.0.0.1", {ports}, "parallel_workers": 2, "debug": false}}'
    (folder / "mlserver" / "settings.json").write_text(text)
