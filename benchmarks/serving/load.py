"""Load from wrk: requests a second, their p99, and the server's processor time."""

import re
import subprocess
import tempfile

from benchmarks.open_loop import capacity, drive
from benchmarks.serving.contestants import Contestant
from benchmarks.serving.networks import Question

__all__ = ["CONNECTIONS", "measure", "measure_half"]

CONNECTIONS = {"one": 8, "many": 4, "large": 32}
SETTLING_S = 0.2
OPEN = 16
"""Connections in open loop: a request that finds all of them busy waits, and its latency counts on."""
IN_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def measure(contestant: Contestant, kind: str, question: Question, seconds: int) -> None:
    """Ask over and over on connections that are kept, and note what came of it; RuntimeError for a wrong answer."""
    if not contestant.answers(question):
        raise RuntimeError(f"{contestant.name} answers {kind} wrongly")
    before = contestant.cpu_s()
    text = _wrk(contestant, question, CONNECTIONS[kind], seconds)
    after = contestant.cpu_s()
    found = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text)
    late = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", text)
    if found is None or late is None or "Non-2xx" in text or not int(found[1]):
        raise RuntimeError(f"not every answer of {contestant.name} was right:\n{text}")
    requests, took_s = int(found[1]), float(found[2]) * IN_MS[found[3]] / 1e3
    rate, cpu_us = requests / took_s, (after - before) / requests * 1e6
    contestant.note(**{f"{kind}_rate": rate, f"{kind}_cpu": cpu_us, f"{kind}_p99": float(late[1]) * IN_MS[late[2]]})


def _wrk(contestant: Contestant, question: Question, connections: int, seconds: int) -> str:
    with tempfile.NamedTemporaryFile(suffix=".body") as body, tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        body.write(contestant.body(question))
        body.flush()
        script.write("wrk.method='POST'\nwrk.headers['Content-Type']='application/json'\n")
        script.write(f"wrk.body=io.open('{body.name}', 'rb'):read('*a')\n")
        script.flush()
        url = f"http://127.0.0.1:{contestant.port}{contestant.target(question)}"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "--latency"]
        return subprocess.run([*command, "-s", script.name, url], check=True, capture_output=True, text=True).stdout


def measure_half(contestant: Contestant, question: Question, seconds: float, rate: float | None = None) -> None:
    """Ask in open loop, at a rate or at half of what 8 connections of the same generator get; note p99 in ms.

    RuntimeError when more than one request in a hundred fails: those that do are left out of the figure.
    """
    if not contestant.keeps:
        return
    request = contestant.message(question)
    name = "same" if rate else "half"
    if rate is None:
        rate = capacity(contestant.port, request, connections=CONNECTIONS["one"], seconds=seconds) / 2
    outcome = drive(
        contestant.port, request, rate=rate, seconds=seconds, connections=OPEN, most=OPEN, settling_s=SETTLING_S
    )
    counts = {status: len(found) for status, found in outcome.latencies.items()}
    if counts.get(200, 0) < 0.99 * sum(counts.values()):
        raise RuntimeError(f"too few answers of {contestant.name} were right, by status: {counts}")
    contestant.note(**{f"{name}_p99": outcome.percentile(99, 200) * 1e3, f"{name}_rate": rate})
