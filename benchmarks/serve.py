"""The service beside a plain Flask service, in one interleaved run: requests a second, CPU, cold start, memory.

    python benchmarks/serve.py [--seconds 5] [--rounds 3] [--starts 5]

Both serve the same 8-64-64-3 network on two workers with one BLAS thread each, and are asked for one row a request over
8 connections that are kept where the server keeps them. Driven by `wrk` where it is installed, else by a small asyncio
client of this file, which is slower and says so. CPU is user and system time of all of a server's processes.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


import numpy as np  # noqa: E402 - after the path and the number of threads are set

CONNECTIONS = 8
WORKERS = 2
SIZES = (8, 64, 64, 3)
ROW = [0.5, -1.0, 0.25, 2.0, -0.75, 1.5, 0.0, -0.125]
BODY = json.dumps({"instances": [ROW]}).encode()
TICKS = os.sysconf("SC_CLK_TCK")
START_TIMEOUT_S = 20

PLAIN = """
import numpy as np
from flask import Flask, jsonify, request

app = Flask(__name__)
arrays = np.load("plain.npz")
layers = [(arrays[f"W{i}"], arrays[f"b{i}"]) for i in range(3)]
classes = np.array(["a", "b", "c"])


@app.post("/predict")
def predict():
    A = np.asarray(request.get_json()["instances"], dtype=np.float32)
    for i, (W, b) in enumerate(layers):
        A = A @ W + b
        if i < 2:
            A = np.maximum(A, 0)
    A = np.exp(A - A.max(axis=1, keepdims=True))
    A /= A.sum(axis=1, keepdims=True)
    return jsonify(predictions=classes[A.argmax(axis=1)].tolist(), probabilities=A.tolist())
"""


@dataclass
class Contestant:
    """One server: how to start it, and what was measured of it."""

    name: str
    command: list[str]
    port: int
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)
    pss_mib: float = 0.0

    def start(self) -> float:
        """Start it; return the seconds until its first right answer."""
        began = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while time.perf_counter() - began < START_TIMEOUT_S:
            with contextlib.suppress(OSError, ValueError):
                answer = json.loads(ask(self.port))
                if answer["predictions"] == [self.expected]:
                    return time.perf_counter() - began
            time.sleep(0.002)
        raise RuntimeError(f"{self.name} gave no right answer in {START_TIMEOUT_S} s")

    expected: str = "a"

    def stop(self) -> None:
        """End it and wait for it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=30)
            self.process = None

    def processes(self) -> list[int]:
        """Return the master's and the workers' process ids."""
        if self.process is None:
            return []
        master = self.process.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return [master, *map(int, children)]


def main() -> int:
    """Measure and print a Markdown table; return 0."""
    options = parsed()
    with tempfile.TemporaryDirectory() as text:
        contestants = prepare(Path(text))
        try:
            measure_starts(contestants, options.starts)
            measure_load(contestants, options.rounds, options.seconds)
        finally:
            for contestant in contestants:
                contestant.stop()
    print(report(contestants, options))
    return 0


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each server, in turn [%(default)s]")
    parser.add_argument("--starts", type=int, default=5, help="cold starts of each server, in turn [%(default)s]")
    return parser.parse_args()


def prepare(folder: Path) -> list[Contestant]:
    """Write the same network for both servers, and say how each is started."""
    rng = np.random.default_rng(7)
    shapes = list(itertools.pairwise(SIZES))
    weights = [(rng.normal(0, 0.2, shape).astype(np.float32), np.zeros(shape[1], np.float32)) for shape in shapes]
    expected = "abc"[int(np.argmax(forward(weights)))]
    arrays: dict[str, Any] = {f"{n}{i}": a for i, pair in enumerate(weights) for n, a in zip("Wb", pair, strict=True)}
    np.savez(folder / "plain.npz", **arrays)
    (folder / "plain.py").write_text(PLAIN)
    publish(folder / "models", weights)
    python, ports = sys.executable, (free_port(), free_port())
    plain = [python, "-m", "gunicorn", "-k", "sync", "-w", str(WORKERS), "-b", f"127.0.0.1:{ports[0]}", "plain:app"]
    ours = [python, "-m", "service", "serve", "--models", str(folder / "models"), "--workers", str(WORKERS)]
    ours += ["--bind", f"127.0.0.1:{ports[1]}"]
    found = [Contestant("plain Flask view, sync worker", plain, ports[0], folder)]
    found.append(Contestant("ganglion", ours, ports[1], ROOT))
    for contestant in found:
        contestant.expected = expected
    return found


def forward(weights: list[Any]) -> Any:
    """Return the logits of the row that is asked for."""
    A = np.array(ROW, np.float32)
    for i, (W, b) in enumerate(weights):
        A = A @ W + b
        if i < len(weights) - 1:
            A = np.maximum(A, 0)
    return A


def publish(root: Path, weights: list[Any]) -> None:
    """Publish the network as the model `bench`."""
    from network import MLP, Architecture, Layer, Parameters  # noqa: PLC0415 - of the checkout
    from predictor import (  # noqa: PLC0415
        ClassOutputs,
        FolderRepository,
        Golden,
        NumericFeature,
        Predictor,
        Schema,
        save_bytes,
    )

    layers = tuple(Layer(n, "relu" if i < len(SIZES) - 2 else "softmax") for i, n in enumerate(SIZES[1:]))
    architecture = Architecture(SIZES[0], layers)
    arrays = {f"layers.{i}.{n}": a for i, pair in enumerate(weights) for n, a in zip("Wb", pair, strict=True)}
    network = MLP(architecture, Parameters.from_arrays(architecture, arrays))
    schema = Schema(tuple(NumericFeature(f"x{i}", low=-10.0, high=10.0, histogram=None) for i in range(SIZES[0])))
    golden = Golden((tuple(ROW),), network.infer(schema.encode_rows([ROW]).X))
    lineage = {"data": "0" * 64, "revision": None, "seed": 7}
    predictor = Predictor(schema, network, ClassOutputs(("a", "b", "c"), "y"), golden, {}, {}, lineage)
    repository = FolderRepository(root)
    repository.promote("bench", repository.publish("bench", {"model.npz": save_bytes(predictor)}))


def measure_starts(contestants: list[Contestant], starts: int) -> None:
    """Start every server several times, in turn, and leave it running after the last."""
    for i in range(starts):
        for contestant in contestants:
            contestant.starts_s.append(contestant.start())
            if i < starts - 1:
                contestant.stop()


def measure_load(contestants: list[Contestant], rounds: int, seconds: float) -> None:
    """Load every server several times, in turn."""
    for contestant in contestants:
        drive(contestant.port, 1.0)
    for _ in range(rounds):
        for contestant in contestants:
            processes = contestant.processes()
            before = cpu_s(processes)
            requests, took_s = drive(contestant.port, seconds)
            contestant.rates.append(requests / took_s)
            contestant.cpu_us.append((cpu_s(processes) - before) / requests * 1e6)
    for contestant in contestants:
        for _ in range(20 * WORKERS):  # every worker has then answered another kind of request, too
            ask(contestant.port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        contestant.pss_mib = sum(map(pss_kib, contestant.processes())) / 1024


def drive(port: int, seconds: float) -> tuple[int, float]:
    """Ask for one row over and over on 8 connections; return how many requests were answered, and the time taken."""
    if shutil.which("wrk") is None:
        return asyncio.run(drive_without_wrk(port, seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f"wrk.method='POST'\nwrk.headers['Content-Type']='application/json'\nwrk.body=[==[{BODY.decode()}]==]\n"
        )
        script.flush()
        url = f"http://127.0.0.1:{port}/predict"
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", script.name, url]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in text:
        raise RuntimeError(f"not every answer was right:\n{text}")
    found = re.search(r"(\d+) requests in ([\d.]+)s", text)
    if found is None:
        raise RuntimeError(f"wrk said something else:\n{text}")
    return int(found[1]), float(found[2])


async def drive_without_wrk(port: int, seconds: float) -> tuple[int, float]:
    """Do the same with asyncio streams."""
    end = time.perf_counter() + seconds

    async def client() -> int:
        count = 0
        reader = writer = None
        while time.perf_counter() < end:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(message())
            head = (await reader.readuntil(b"\r\n\r\n")).lower()  # type: ignore[union-attr]
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))  # type: ignore[union-attr]
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(f"not every answer was right: {head!r}")
            count += 1
            if b"connection: close" in head:
                writer.close()
                writer = None
        return count

    began = time.perf_counter()
    counts = await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return sum(counts), time.perf_counter() - began


def message() -> bytes:
    """Return one request."""
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return head.encode() + BODY


def ask(port: int, request: bytes | None = None) -> bytes:
    """Ask once, for a prediction if nothing else is said, on a connection of its own; return the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall((request or message()).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2]


def cpu_s(processes: list[int]) -> float:
    """Return the user and system time that processes have used, in seconds."""
    fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in processes)
    return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS


def pss_kib(pid: int) -> int:
    """Return the memory of a process, shared pages divided among those that share them."""
    found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def environment() -> dict[str, str]:
    """Return the environment of both servers: nothing set but one BLAS thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GANGLION_")}
    return kept | {"OPENBLAS_NUM_THREADS": "1"}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def report(contestants: list[Contestant], options: argparse.Namespace) -> str:
    """Return the conditions and the table."""
    plain, ours = contestants
    tool = "wrk -t1" if shutil.which("wrk") else "this file's asyncio client (wrk is not installed)"
    lines = [
        (
            f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores shared by the server "
            f"and the client, {cpu_name()}; {tool}, {CONNECTIONS} connections, {WORKERS} workers, network "
            f"{'-'.join(map(str, SIZES))}, one row a request; medians of {options.rounds} x {options.seconds:g} s and "
            f"of {options.starts} starts, in turn; access log on."
        ),
        "",
        f"| | {plain.name} | {ours.name} | ratio | asked for |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += rows(plain, ours)
    return "\n".join(lines)


def rows(plain: Contestant, ours: Contestant) -> Iterator[str]:
    """Yield the rows of the table."""
    median = statistics.median
    a, b = median(plain.rates), median(ours.rates)
    yield f"| requests a second | {a:,.0f} | {b:,.0f} | {b / a:.2f} | at least 3 |"
    a, b = median(plain.cpu_us), median(ours.cpu_us)
    yield f"| server CPU a request, us | {a:.0f} | {b:.0f} | {b / a:.2f} | at most 0.3 |"
    a, b = median(plain.starts_s), median(ours.starts_s)
    yield f"| cold start to the first right answer, s | {a:.2f} | {b:.2f} | {b / a:.2f} | at most 0.7 s |"
    a, b = plain.pss_mib, ours.pss_mib
    yield f"| memory, PSS of master and workers, MiB | {a:.1f} | {b:.1f} | {b / a:.2f} | at most 1.2 |"


def cpu_name() -> str:
    """Return what the processor calls itself."""
    with contextlib.suppress(OSError):
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        if found:
            return found[1]
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
