"""Requests at a fixed rate, whether or not the answers come: a generator that does not hide queueing.

Each request has a time when it is due; its latency counts from then. It takes an idle connection, or a new one.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass, field

__all__ = ["Outcome", "capacity", "drive"]


@dataclass
class Outcome:
    """Latencies in seconds from when each request was due, by the status of its answer; 0 is a broken connection."""

    seconds: float = 0.0
    latencies: dict[int, list[float]] = field(default_factory=dict)
    retry_after: set[str] = field(default_factory=set)

    def rate(self, status: int = 200) -> float:
        """Return the answers a second that had a status."""
        return len(self.latencies.get(status, ())) / self.seconds

    def percentile(self, percent: int, *statuses: int) -> float:
        """Return a percentile of the latencies with these statuses, in seconds; 0 without any."""
        found = [latency for status in statuses for latency in self.latencies.get(status, ())]
        return statistics.quantiles(found, n=100, method="inclusive")[percent - 1] if len(found) > 1 else 0.0


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _ask(connection: Connection, request: bytes) -> tuple[int, bytes]:
    reader, writer = connection
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:] if line)
    await reader.readexactly(int(fields[b"content-length"]))
    return int(head[9:12]), fields.get(b"retry-after", b"")


async def _drive(port: int, request: bytes, rate: float, seconds: float) -> Outcome:
    outcome = Outcome()
    idle: list[Connection] = []

    async def one(due: float) -> None:
        status, retry = 0, b""
        try:
            connection = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
            status, retry = await _ask(connection, request)
            idle.append(connection)
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        outcome.latencies.setdefault(status, []).append(time.perf_counter() - due)
        if retry:
            outcome.retry_after.add(retry.decode())

    began = time.perf_counter()
    tasks: set[asyncio.Task[None]] = set()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        task = asyncio.create_task(one(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.wait(tasks)
    outcome.seconds = time.perf_counter() - began
    for _, writer in idle:
        writer.close()
    return outcome


async def _capacity(port: int, request: bytes, connections: int, seconds: float) -> float:
    end = time.perf_counter() + seconds

    async def client() -> int:
        connection = await asyncio.open_connection("127.0.0.1", port)
        count = 0
        while time.perf_counter() < end:
            status, _ = await _ask(connection, request)
            count += status == 200  # noqa: PLR2004 - the status of success
        connection[1].close()
        return count

    began = time.perf_counter()
    counts = await asyncio.gather(*(client() for _ in range(connections)))
    return sum(counts) / (time.perf_counter() - began)


def drive(port: int, request: bytes, *, rate: float, seconds: float) -> Outcome:
    """Send requests for so many seconds at a rate, and wait for the last answer."""
    return asyncio.run(_drive(port, request, rate, seconds))


def capacity(port: int, request: bytes, *, connections: int, seconds: float) -> float:
    """Return how many requests a second are answered when each connection sends the next after an answer."""
    return asyncio.run(_capacity(port, request, connections, seconds))
