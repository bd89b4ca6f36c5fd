"""What the log store costs predictions: the same worker with and without it, in turn, in one process.

``python -m benchmarks.log_store [--store URL --password-file FILE]`` answers one-row requests of an 8-64-64-3 network,
eight at a time, as fast as it can: bytes in, bytes out, through the worker's own connection, counters, log lines and
drift counts, without a network. Then the same at a fixed rate, where every request is kept. Processor time is that of
the worker: of all its threads, the store's among them, and not of a database's server.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from operator import truediv
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

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
SECONDS = 1.0
WARM_S = 0.8  # the store has been connected to, and has taken something
ROUNDS = 15
PACED = 400  # requests a second that are all kept


class Client:
    """A transport whose other end sends the next request as soon as it has an answer."""

    def __init__(self, message: bytes, loop: Any) -> None:
        self.message = message
        self.loop = loop
        self.answered = 0
        self.is_asking = False
        self.slowest: list[float] = []
        self.sent = 0.0
        self.connection: Any = None

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        """Return an address."""
        return ("127.0.0.1", 1)

    def write(self, _data: bytes) -> None:
        """Take an answer; ask again in the next turn."""
        self.answered += 1
        self.slowest.append(time.perf_counter() - self.sent)
        if self.is_asking:
            self.loop.call_soon(self.ask)

    def ask(self) -> None:
        """Send a request."""
        self.sent = time.perf_counter()
        self.connection.data_received(self.message)

    def __getattr__(self, _name: str) -> Any:
        """Take every other call of a transport, and do nothing."""
        return lambda *_: None


class Side:
    """One worker in this process, with settings of its own."""

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

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let the log store's thread work, if there is one."""
        logbook = self.runtime.logbook
        if logbook is not None:
            logbook.start()
        try:
            yield
        finally:
            if logbook is not None:
                logbook.stop()

    async def tick(self, seconds: float) -> None:
        """Do a worker's housekeeping for a while."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.ground.tick()
            self.observer.tick()
            if self.runtime.drift is not None:
                self.runtime.drift.tick()
            await asyncio.sleep(TICK_S)

    async def flooded(self, seconds: float) -> tuple[float, float, float]:
        """Ask as fast as it goes; return requests a second, microseconds of processor time and the p99 in ms."""
        for client in self.clients:
            client.answered, client.slowest, client.is_asking = 0, [], True
            client.loop.call_soon(client.ask)
        began, cpu = time.perf_counter(), time.process_time()
        await self.tick(seconds)
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        for client in self.clients:
            client.is_asking = False
        await asyncio.sleep(TICK_S)
        count = sum(client.answered for client in self.clients)
        return count / took, cpu / count * 1e6, p99(self.clients)

    async def paced(self, seconds: float) -> tuple[float, float, float]:
        """Ask at a fixed rate; return the same."""
        client, ticking = self.clients[0], asyncio.ensure_future(self.tick(seconds))
        client.answered, client.slowest = 0, []
        began, cpu = time.perf_counter(), time.process_time()
        for number in range(int(PACED * seconds)):
            await asyncio.sleep(max(0.0, began + number / PACED - time.perf_counter()))
            client.ask()
        await ticking
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        return client.answered / took, cpu / client.answered * 1e6, p99([client])


def p99(clients: list[Client]) -> float:
    """Return how many milliseconds one answer in a hundred takes or more."""
    found = sorted(seconds for client in clients for seconds in client.slowest)
    return found[int(0.99 * len(found))] * 1e3


def kept(side: Side) -> float:
    """Return how many requests the store has taken so far."""
    return side.observer.counters.sums()[side.observer.layout.logged("written")]


async def measure(folder: Path, seconds: float, rounds: int, store: dict[str, Any]) -> Iterator[str]:
    """Return the lines of a table: medians without the store, and the medians of the ratios of neighbouring rounds."""
    repository = FolderRepository(folder / "models")
    file = save_bytes(predictor_of(SHAPES[0]))
    repository.promote("m8", repository.publish("m8", {"model.npz": file}))
    body = questions()["one"].native()
    message = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    message += b"content-length: %d\r\n\r\n" % len(body) + body
    off = Side(folder / "models", folder / "off.log", message)
    on = Side(folder / "models", folder / "on.log", message, **store)
    lines = []
    for name in ("flooded", "paced"):
        figures: dict[str, list[tuple[float, float, float]]] = {"off": [], "on": []}
        taken, spent = 0.0, 0.0
        for _ in range(rounds):
            for key, side in (("off", off), ("on", on)):
                with side.running():
                    await getattr(side, name)(WARM_S)
                    before, began = kept(on), time.perf_counter()
                    figures[key].append(await getattr(side, name)(seconds))
                    if side is on:
                        taken, spent = taken + kept(on) - before, spent + time.perf_counter() - began
        without = [median(column) for column in zip(*figures["off"], strict=True)]
        pairs = zip(figures["on"], figures["off"], strict=True)
        ratios = [median(column) for column in zip(*(map(truediv, on_, off_) for on_, off_ in pairs), strict=True)]
        told = (f"{value:,.1f} | {ratio:.3f}" for value, ratio in zip(without, ratios, strict=True))
        lines.append(f"| {name} | {' | '.join(told)} | {taken / spent:,.0f} |")
    return iter(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each side (default: %(default)s)")
    parser.add_argument("--store", metavar="URL", help="an empty PostgreSQL database (default: SQLite in a new folder)")
    parser.add_argument("--password-file", metavar="FILE", type=Path)
    given = parser.parse_args()
    sys.setswitchinterval(SWITCH_S)
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print("| load | requests/s | with | CPU, us | with | p99, ms | with | kept/s |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        store = {
            "log_store": given.store or f"sqlite:///{folder}/log.db",
            "log_store_password_file": given.password_file,
        }
        for line in runner.run(measure(Path(folder), given.seconds, given.rounds, store)):
            print(line)


if __name__ == "__main__":
    main()
