"""Where the service's own time goes: the parts of a prediction timed alone, the whole without sockets, and the rest.

As in a worker, four connections share the product of one row each, and a header section has come before.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.serving.contestants import Contestant
from benchmarks.serving.inside import http_us, inside_us
from benchmarks.serving.networks import Question
from service.application import create_application
from service.bodies.answers import work_for
from service.bodies.instances import read_instances
from service.bodies.plain import plain_numbers
from service.settings import load_settings

__all__ = ["lines"]

KINDS = {"one": "one row", "many": "1,024 rows"}
CONNECTIONS = {"one": 4, "many": 2}
SHARED = {"one": 4, "many": 1}
REST_INSIDE = "routing, sharing, counting, drift, access log, cold caches (by difference, without sockets)"
BUDGET_S = 0.2
REPEATS = 7


def lines(models: Path, asked: dict[str, Question], ours: Contestant | None) -> Iterator[str]:
    """Yield a table of microseconds a request and shares of the processor time that the server took for it."""
    application = create_application(load_settings(models=models))
    try:
        yield from ("", "| a request for | part | us | share |", "|---|---|---:|---:|")
        for kind, name in KINDS.items():
            whole = median(ours.figures[f"{kind}_cpu"]) if ours else None
            message = ours.message(asked[kind]) if ours else asked[kind].native()
            parts = _parts(application.runtime, asked[kind], SHARED[kind])
            parts = {"HTTP": http_us(message)} | parts if ours else parts
            inside = inside_us(models, message, CONNECTIONS[kind]) if ours else sum(parts.values())
            parts[REST_INSIDE] = inside - sum(parts.values())
            for part, taken in (parts if whole is None else _with_rest(parts, whole)).items():
                yield f"| {name} | {part} | {taken:.1f} | {taken / (whole or sum(parts.values())):.0%} |"
    finally:
        application.life.stop()


def _with_rest(parts: dict[str, float], whole: float) -> dict[str, float]:
    return parts | {
        "sockets, and two workers on two busy cores (by difference)": whole - sum(parts.values()),
        "all": whole,
    }


def _parts(runtime: Any, question: Question, shared: int) -> dict[str, float]:
    """Return the microseconds that each part takes alone, hot."""
    served = runtime.registry.catalog.current("m8")
    schema, network, most = served.predictor.schema, served.predictor.network, runtime.settings.max_rows
    body = question.native()
    instances = read_instances(body, schema, most)
    work = work_for(served, instances, runtime.observer, most)
    A = network.infer(work.X)
    X = np.concatenate([work.X] * shared)
    decoding = _us(lambda: plain_numbers(body, len(schema.names), most))
    return {
        "decoding": decoding,
        "checking and scaling": max(0.0, _us(lambda: read_instances(body, schema, most)) - decoding),
        "product": _us(lambda: network.infer(X)) / shared,
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
