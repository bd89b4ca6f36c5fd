"""The service under more load than it can bear, in open loop, and beside requests of a hundred thousand rows.

    python -m benchmarks.overload [--seconds 5]

Two workers with one BLAS thread each, requests of 128 rows for an 8-2048-2048-3 network: small bodies, long products.
Latencies count from when a request was due, so that waiting shows. The client shares the machine's processors.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.open_loop import capacity, drive
from predictor import ClassOutputs, FolderRepository, NumericFeature, Schema
from tests.service import models
from tests.service.wire import GOOD, answers, running

FEATURES, HIDDEN, ROWS, MANY = 8, 2048, 128, 100_000


def main() -> int:
    """Measure and print two Markdown tables; return 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement [%(default)s]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        overload(Path(folder) / "wide", options.seconds)
        beside_many(Path(folder) / "small", options.seconds)
    return 0


def request_of(rows: Any) -> bytes:
    """Return a request for predictions of rows."""
    body = json.dumps({"instances": rows}).encode()
    return b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def overload(root: Path, seconds: float) -> None:
    """Ask for a half to ten times what can be done."""
    schema = Schema(tuple(NumericFeature(f"x{i}", low=0.0, high=1.0) for i in range(FEATURES)))
    network = models.network_of(FEATURES, (HIDDEN, HIDDEN, 3), "softmax", 1)
    outputs = ClassOutputs(("a", "b", "c"), "y")
    models.publish(FolderRepository(root), "flowers", models.predictor_of(schema, network, outputs, [[0.5] * FEATURES]))
    request = request_of(np.random.default_rng(0).random((ROWS, FEATURES)).round(3).tolist())
    with running(root, workers=2) as service:
        drive(service.port, request, rate=5, seconds=1)
        most = capacity(service.port, request, connections=4, seconds=seconds)
        print(f"Capacity, 4 connections in closed loop: {most:.0f} requests/s\n")
        print("| load | goodput | answered p50, p99, ms | refused p50, p99, ms |\n|---:|---:|---:|---:|")
        for times in (0.5, 2, 5, 10):
            found = drive(service.port, request, rate=times * most, seconds=seconds)
            answered = ", ".join(f"{found.percentile(p, 200) * 1000:.0f}" for p in (50, 99))
            refused = ", ".join(f"{found.percentile(p, 429, 503) * 1000:.1f}" for p in (50, 99))
            print(f"| {times:g}x | {found.rate() / most:.2f} | {answered} | {refused} |", flush=True)


def beside_many(root: Path, seconds: float) -> None:
    """Ask for single rows, alone and beside requests of a hundred thousand."""
    repository = models.filled_repository(root)
    large = request_of([models.FLOWER_ROW] * MANY)
    settings = {"max_rows": MANY, "max_rows_waiting": 3 * MANY, "max_body_bytes": 2**24}
    with running(repository.root, workers=2, **settings) as service:
        probe_ms(service, 1.0)
        print("\n| one row, 200 a second | p50, ms | p99, ms |\n|---|---:|---:|")
        print_row("alone", probe_ms(service, seconds))
        asking = os.fork()  # a thread of this process would slow its own probe
        if asking == 0:
            ask_for_ever(service, large)
        try:
            print_row("beside 100,000 rows at a time", probe_ms(service, seconds))
        finally:
            os.kill(asking, signal.SIGKILL)
            os.waitpid(asking, 0)


def ask_for_ever(service: Any, request: bytes) -> None:
    """Ask one after the other until killed."""
    try:
        with service.connect() as connection:
            connection.settimeout(30)
            given = answers(connection)
            while True:
                connection.sendall(request)
                next(given)
    finally:
        os._exit(1)


def probe_ms(service: Any, seconds: float) -> list[float]:
    """Ask for one row 200 times a second; return the times from when each was due."""
    taken = []
    with service.connect() as connection:
        given = answers(connection)
        began = time.perf_counter()
        for i in range(int(seconds * 200)):
            due = began + i / 200
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.sendall(GOOD)
            next(given)
            taken.append((time.perf_counter() - due) * 1000)
    return taken


def print_row(name: str, taken: list[float]) -> None:
    """Print the median and the 99th percentile."""
    cuts = statistics.quantiles(taken, n=100)
    print(f"| {name} | {cuts[49]:.2f} | {cuts[98]:.2f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
