"""The service under more load than it can bear, in open loop, and beside requests of a hundred thousand rows.

    python -m benchmarks.overload [--seconds 5]

Two workers with one BLAS thread each, requests of 128 rows for an 8-2048-2048-3 network: small bodies, long products.
The client shares the machine's processors. Then one worker and requests of 100 rows as objects for a small network, an
answer to which takes less than a millisecond: there refusals are what takes time, and the worker and the client have a
processor each. Latencies count from when a request was due, so that waiting shows.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.open_loop import capacity, drive
from predictor import ClassOutputs, FolderRepository, NumericFeature, Schema
from tests.service import models
from tests.service.wire import GOOD, Running, answers, posted, running

FEATURES, HIDDEN, ROWS, MANY = 8, 2048, 128, 100_000
FULL = 429
CONNECTIONS = 512  # open from the beginning: to accept them is no part of what is measured


def main() -> int:
    """Measure and print Markdown tables; return 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement [%(default)s]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        overload(Path(folder) / "wide", options.seconds)
        overload_apart(Path(folder) / "apart", options.seconds)
        beside_many(Path(folder) / "small", options.seconds)
    return 0


def request_of(rows: Any) -> bytes:
    """Return a request for predictions of rows."""
    return posted(json.dumps({"instances": rows}).encode())


def large_requests() -> Iterator[tuple[str, bytes]]:
    """Yield a request for a hundred thousand rows in each of some forms."""
    names, row = models.FLOWER_NAMES, models.FLOWER_ROW
    yield "rows", request_of([row] * MANY)
    yield "objects", request_of([dict(zip(names, row, strict=True))] * MANY)
    columns = {name: [value] * MANY for name, value in zip(names, row, strict=True)}
    yield "columns", posted(json.dumps({"inputs": columns}).encode())
    lines = [names, *[row] * MANY]
    text = "".join(",".join(map(str, line)) + "\n" for line in lines)
    yield "CSV", posted(text.encode(), "Content-Type: text/csv\r\n")


def overload(root: Path, seconds: float) -> None:
    """Ask for a half to ten times what can be done."""
    schema = Schema(tuple(NumericFeature(f"x{i}", low=0.0, high=1.0) for i in range(FEATURES)))
    network = models.network_of(FEATURES, (HIDDEN, HIDDEN, 3), "softmax", 1)
    outputs = ClassOutputs(("a", "b", "c"), "y")
    models.publish(FolderRepository(root), "flowers", models.predictor_of(schema, network, outputs, [[0.5] * FEATURES]))
    request = request_of(np.random.default_rng(0).random((ROWS, FEATURES)).round(3).tolist())
    with running(root, workers=2) as service:
        drive(service.port, request, rate=20, seconds=2)
        print_times(service, request, seconds)


def overload_apart(root: Path, seconds: float) -> None:
    """Do the same where an answer takes less than a millisecond, with the client on a processor of its own.

    What waits for an answer keeps a connection: the client has enough of them if the wait is a fifth of a second.
    """
    row = dict(zip(models.FLOWER_NAMES, models.FLOWER_ROW, strict=True))
    request = request_of([row] * 100)
    repository = models.filled_repository(root)
    with (
        on_processors(slice(1)),
        running(repository.root, workers=1, max_wait_s=0.2) as service,
        on_processors(slice(1, None)),
    ):
        drive(service.port, request, rate=200, seconds=1)
        print_times(service, request, seconds)


@contextlib.contextmanager
def on_processors(which: slice) -> Iterator[None]:
    """Run on some of the machine's processors, if there are so many; so does what is started meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1)[which] or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def print_times(service: Running, request: bytes, seconds: float) -> None:
    """Print a table of half to ten times what can be done."""
    print("\n| load | goodput | by processor time | answered p50, p99, ms | refused p50, p99, ms | inside p99, ms |")
    print("|---:|---:|---:|---:|---:|---:|")
    for times in (0.5, 2, 5, 10):
        print(f"| {times:g}x | {at_times(service, request, times, seconds)} |", flush=True)


def at_times(service: Running, request: bytes, times: float, seconds: float) -> str:
    """Ask for so many times what four connections get done in closed loop right before and after; return the cells.

    Goodput is a share of that, by the clock and by the processor time of the workers.
    """
    lines, used = len(service.lines()), service.cpu_s()
    before = capacity(service.port, request, connections=4, seconds=seconds / 2)
    used_before, used = service.cpu_s() - used, service.cpu_s()
    found = drive(service.port, request, rate=times * before, seconds=seconds, connections=CONNECTIONS)
    used = service.cpu_s() - used
    after = capacity(service.port, request, connections=4, seconds=seconds / 2)
    by_cpu = found.rate() * found.seconds / used / (before * seconds / 2 / used_before)
    inside = [line["ms"] for line in service.lines()[lines:] if line.get("status") == FULL]
    return " | ".join(
        (
            f"{2 * found.rate() / (before + after):.2f}",
            f"{by_cpu:.2f}",
            ", ".join(f"{found.percentile(p, 200) * 1000:.0f}" for p in (50, 99)),
            ", ".join(f"{found.percentile(p, 429, 503) * 1000:.1f}" for p in (50, 99)) if inside else "-",
            f"{statistics.quantiles(inside, n=100)[98]:.2f}" if len(inside) > 1 else "-",
        )
    )


def beside_many(root: Path, seconds: float) -> None:
    """Ask for single rows, alone and beside requests of a hundred thousand."""
    repository = models.filled_repository(root)
    settings = {"max_rows": MANY, "max_rows_waiting": 3 * MANY, "max_body_bytes": 2**24}
    with running(repository.root, workers=2, **settings) as service:
        probe_ms(service, 1.0)
        print("\n| one row, 200 a second | p50, ms | p99, ms |\n|---|---:|---:|")
        print_row("alone", probe_ms(service, seconds))
        with beside(spin):
            print_row("beside a process that computes", probe_ms(service, seconds))
        for form, large in large_requests():
            with beside(partial(ask_for_ever, service, large)):
                print_row(f"beside 100,000 rows at a time as {form}", probe_ms(service, seconds))


@contextlib.contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """Let another process work meanwhile: a thread of this one would slow its own probe."""
    working = os.fork()
    if working == 0:
        try:
            work()
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(working, signal.SIGKILL)
        os.waitpid(working, 0)


def spin() -> None:
    """Compute until killed."""
    while True:
        pass


def ask_for_ever(service: Any, request: bytes) -> None:
    """Ask one after the other until killed."""
    with service.connect() as connection:
        connection.settimeout(30)
        while True:
            connection.sendall(request)
            head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")
            left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]) - len(body)
            while left:
                left -= len(connection.recv(min(left, 2**20)))


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
