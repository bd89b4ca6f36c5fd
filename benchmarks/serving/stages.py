"""Where the service's own time goes: the parts of a prediction timed alone, and the rest by difference."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import httptools

from benchmarks.serving.contestants import Contestant
from benchmarks.serving.networks import Question
from service.answers import work_for
from service.application import create_application
from service.instances import read_instances
from service.plain import plain_numbers
from service.settings import load_settings

__all__ = ["lines"]

KINDS = {"one": "one row", "many": "1,024 rows"}
BUDGET_S = 0.2
REPEATS = 7


class Silent:
    """Listens to a parser and keeps nothing."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Hear of a header."""

    def on_body(self, body: bytes) -> None:
        """Hear of a piece of the body."""


def lines(models: Path, asked: dict[str, Question], ours: Contestant | None) -> Iterator[str]:
    """Yield a table of microseconds a request and shares of the processor time that the server took for it."""
    application = create_application(load_settings(models=models))
    try:
        yield from ("", "| a request for | part | us | share |", "|---|---|---:|---:|")
        for kind, name in KINDS.items():
            whole = median(ours.figures[f"{kind}_cpu"]) if ours else None
            message = ours.message(asked[kind]) if ours else asked[kind].native()
            parts = _parts(application.runtime, asked[kind], message)
            for part, taken in (parts if whole is None else _with_rest(parts, whole)).items():
                yield f"| {name} | {part} | {taken:.1f} | {taken / (whole or sum(parts.values())):.0%} |"
    finally:
        application.runtime.stop()


def _with_rest(parts: dict[str, float], whole: float) -> dict[str, float]:
    rest = "routing, headers, event loop, counting, access log, system calls (by difference)"
    return parts | {rest: whole - sum(parts.values()), "all": whole}


def _parts(runtime: Any, question: Question, message: bytes) -> dict[str, float]:
    """Return the microseconds that each part takes alone, hot."""
    served = runtime.registry.catalog.current("m8")
    schema, network, most = served.predictor.schema, served.predictor.network, runtime.settings.max_rows
    body = question.native()
    instances = read_instances(body, schema, most)
    work = work_for(served, instances, runtime)
    A = network.infer(work.X)
    decoding = _us(lambda: plain_numbers(body, len(schema.names), most))
    return {
        "HTTP parsing": _us(lambda: httptools.HttpRequestParser(Silent()).feed_data(message)),
        "decoding": decoding,
        "checking and scaling": max(0.0, _us(lambda: read_instances(body, schema, most)) - decoding),
        "product": _us(lambda: network.infer(work.X)),
        "encoding": _us(lambda: work.finish(A)),
    }


def _us(function: Callable[[], Any]) -> float:
    """Return the least processor time of a call, in microseconds, of several means."""
    began = time.thread_time()
    function()
    count = max(1, int(BUDGET_S / REPEATS / max(time.thread_time() - began, 1e-6)))
    return min(_mean_us(function, count) for _ in range(REPEATS))


def _mean_us(function: Callable[[], Any], count: int) -> float:
    began = time.thread_time()
    for _ in range(count):
        function()
    return (time.thread_time() - began) / count * 1e6
