"""What the log store costs predictions: one worker, whose store is switched off and on many times a second.

``python -m benchmarks.log_store [--store URL --password-file FILE]`` answers one-row requests of an 8-64-64-3 network,
eight at a time, as fast as it can: bytes in, bytes out, through the worker's own connection, counters, log lines and
drift counts, without a network. Then the same at a fixed rate, where all that is drawn is kept.

Two things cost: what is done on the request's path, and the thread that writes. The first is the processor time of the
thread that answers, of one slice beside that of its neighbour: everything but the store is the same in both, down to
the objects and their places in memory, and what else the machine does meets both alike. The second is the processor
time of the store's thread over that of the thread that answers, of the same seconds. Both are told with 95 % bootstrap
intervals, and what they come to in all. A database's server is not counted.
"""

import argparse
import asyncio
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import uvloop
from numpy.typing import NDArray

from benchmarks.bulk import SHAPES, predictor_of
from benchmarks.serving.networks import questions
from predictor import FolderRepository, save_bytes
from service.application import create_application, create_observer
from service.observing.logs import LogWriter
from service.settings import load_settings
from service.wire.ground import Ground
from service.wire.protocol import Connection
from service.wire.worker import SWITCH_S, TICK_S, limits_of

CLIENTS = 8
SLICES = {"paced": (0.05, 200), "flooded": (0.01, 2000)}  # how long, and how many pairs
WARM_S = 1.0  # the store has been connected to, and has taken something
SECONDS = 15
PACED = 400  # requests a second: all that are drawn are kept
RESAMPLES = 10_000

Floats = NDArray[np.float64]


class Client:
    """A transport whose other end sends the next request as soon as it has an answer."""

    def __init__(self, message: bytes, loop: Any) -> None:
        self.message = message
        self.loop = loop
        self.answered = 0
        self.is_asking = False
        self.connection: Any = None

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        """Return an address."""
        return ("127.0.0.1", 1)

    def write(self, _data: bytes) -> None:
        """Take an answer; ask again in the next turn."""
        self.answered += 1
        if self.is_asking:
            self.loop.call_soon(self.ask)

    def ask(self) -> None:
        """Send a request."""
        self.connection.data_received(self.message)

    def __getattr__(self, _name: str) -> Any:
        """Take every other call of a transport, and do nothing."""
        return lambda *_: None


class Worker:
    """A worker in this process, whose log store can be switched off and on."""

    def __init__(self, models: Path, log: Path, message: bytes, **settings: Any) -> None:
        given = load_settings(models=models, default_model="m8", **settings)
        self.observer = create_observer(given, LogWriter(log.open("w")))
        application = create_application(given, self.observer)
        self.runtime, self.front = application.runtime, application.front
        self.observer.begin(0)
        if self.runtime.drift is not None:
            self.runtime.drift.is_ticked = True
        loop = asyncio.get_running_loop()
        self.ground = Ground(self.front, self.observer, limits_of(given), loop, direct=self.front.direct)
        self.clients = [Client(message, loop) for _ in range(CLIENTS)]
        for client in self.clients:
            client.connection = Connection(self.ground)
            client.connection.connection_made(client)
        self.pipeline = application.pipeline
        self._keep = self.pipeline._keep  # noqa: SLF001 - the one thing that differs between slices

    def switch(self, *, is_on: bool) -> None:
        """Let requests be kept, or not, as if there was no store."""
        self.pipeline._keep = self._keep if is_on else None  # noqa: SLF001 - as above

    async def tick(self) -> None:
        """Do a worker's housekeeping for ever."""
        while True:
            self.ground.tick()
            self.observer.tick()
            if self.runtime.drift is not None:
                self.runtime.drift.tick()
            await asyncio.sleep(TICK_S)

    async def flooded(self, seconds: float) -> int:
        """Ask as fast as it goes for a while; return how many were answered."""
        before = self._answered
        for client in self.clients:
            client.is_asking = True
            client.loop.call_soon(client.ask)
        await asyncio.sleep(seconds)
        for client in self.clients:
            client.is_asking = False
        await asyncio.sleep(0)
        return self._answered - before

    async def paced(self, seconds: float) -> int:
        """Ask at a fixed rate; return the same."""
        before, began = self._answered, time.perf_counter()
        for number in range(int(PACED * seconds)):
            await asyncio.sleep(max(0.0, began + number / PACED - time.perf_counter()))
            self.clients[0].ask()
        return self._answered - before

    @property
    def _answered(self) -> int:
        return sum(client.answered for client in self.clients)

    def written(self) -> float:
        """Return how many requests the store has taken so far."""
        return self.observer.counters.sums()[self.observer.layout.logged("written")]


class Writing:
    """The store's thread: how much processor time it has taken so far, in seconds."""

    def __init__(self) -> None:
        thread = next(thread for thread in threading.enumerate() if thread.name == "logbook")
        if thread.ident is None:
            raise RuntimeError("the store's thread has not begun")
        self._clock = time.pthread_getcpuclockid(thread.ident)

    def seconds(self) -> float:
        """Read its clock."""
        return time.clock_gettime(self._clock)


@dataclass(frozen=True)
class Cost:
    """What the store costs, as shares of what a worker without one takes for the same requests.

    `path` is, of each pair of slices, the processor time of a request with the store over that without; `thread` the
    store's thread over the one that answers, of each second of a load that is kept; `written` the share that was kept.
    """

    off_us: float
    path: Floats
    thread: Floats
    written: float

    def told(self) -> str:
        """Return cells of a table: each with the ends of its 95 % bootstrap interval."""
        rng = np.random.default_rng(0)
        path = np.median(rng.choice(self.path, (RESAMPLES, len(self.path))), axis=1)
        thread = np.mean(rng.choice(self.thread, (RESAMPLES, len(self.thread))), axis=1)
        known = (np.median(self.path) - 1, np.mean(self.thread), np.median(self.path) * (1 + np.mean(self.thread)) - 1)
        drawn = (path - 1, thread, path * (1 + thread) - 1)
        cells = [_cell(float(one), many) for one, many in zip(known, drawn, strict=True)]
        return f"{self.off_us:.1f} | {' | '.join(cells)} | {self.written:.0%}"


def _cell(known: float, drawn: Floats) -> str:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{known:+.1%} ({low:+.1%} to {high:+.1%})"


async def cost(worker: Worker, load: str) -> Cost:
    """Measure the path by slices, either first in turn, and then the thread by seconds."""
    took: dict[bool, list[float]] = {False: [], True: []}
    for is_on in (True, False):
        await slice_of(worker, load, WARM_S, is_on=is_on)
    length_s, pairs = SLICES[load]
    for pair in range(pairs):
        for is_on in (pair % 2 == 0, pair % 2 != 0):
            count, seconds = await slice_of(worker, load, length_s, is_on=is_on)
            took[is_on].append(seconds / count * 1e6)
    await slice_of(worker, load, WARM_S, is_on=True)
    writing, shares, asked = Writing(), [], 0
    written = worker.written()
    for _ in range(SECONDS):
        began = writing.seconds()
        count, seconds = await slice_of(worker, load, 1.0, is_on=True)
        shares.append((writing.seconds() - began) / seconds)
        asked += count
    kept = (worker.written() - written) / asked
    return Cost(median(took[False]), np.array(took[True]) / np.array(took[False]), np.array(shares), kept)


async def slice_of(worker: Worker, load: str, seconds: float, *, is_on: bool) -> tuple[int, float]:
    """Return how many requests were answered, and the processor time of the thread that answered them."""
    worker.switch(is_on=is_on)
    began = time.thread_time()
    count: int = await getattr(worker, load)(seconds)
    return count, time.thread_time() - began


async def show(folder: Path, store: dict[str, Any]) -> None:
    """Print the table, a line as soon as it is known."""
    repository = FolderRepository(folder / "models")
    file = save_bytes(predictor_of(SHAPES[0]))
    repository.promote("m8", repository.publish("m8", {"model.npz": file}))
    body = questions()["one"].native()
    message = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    message += b"content-length: %d\r\n\r\n" % len(body) + body
    worker = Worker(folder / "models", folder / "log", message, **store)
    logbook = worker.runtime.logbook
    if logbook is None:
        raise RuntimeError("there is no store")
    logbook.start()
    ticking = asyncio.ensure_future(worker.tick())
    print("| load | sample | CPU, us | path | thread | in all | kept |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for load in SLICES:
        print(f"| {load} | {store['log_sample']:g} | {(await cost(worker, load)).told()} |", flush=True)
    ticking.cancel()
    logbook.stop()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sample", type=float, default=1.0, help="the part of the requests that is kept (default: all)"
    )
    parser.add_argument("--store", metavar="URL", help="an empty PostgreSQL database (default: SQLite in a new folder)")
    parser.add_argument("--password-file", metavar="FILE", type=Path)
    given = parser.parse_args()
    sys.setswitchinterval(SWITCH_S)
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        store = {
            "log_store": given.store or f"sqlite:///{folder}/log.db",
            "log_store_password_file": given.password_file,
            "log_sample": given.sample,
        }
        runner.run(show(Path(folder), store))


if __name__ == "__main__":
    main()
