"""What the worst bodies may cost, and what the front does with bodies that do not come."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from service.bodies.documents import check_size, read_document
from service.bodies.instances import read_instances
from service.problems import Problem
from tests.service import models

LIMIT = 8 * 2**20
USUAL_S = 0.02  # of processor time for what `times_slower` does
SCHEMA = models.flowers().schema
HOSTILE = {
    "opening brackets": b"[" * 1_000_000,
    "a body of opening brackets": b"[" * LIMIT,
    "a body of empty lists": b'{"instances":[' + b"[]," * (LIMIT // 3 - 10) + b"[]]}",
    "a body of numbers": b'{"instances":[' + b"1," * (LIMIT // 2 - 10) + b"1]}",
    "a body of keys": b"{" + b'"a":1,' * (LIMIT // 6 - 10) + b'"a":1}',
    "a body of digits": b'{"instances":[[' + b"1" * (LIMIT - 40) + b",1,1,1]]}",
    "a body of spaces": b" " * LIMIT,
    "a list of spaces": b'{"instances":[' + b" " * (LIMIT - 40) + b"]}",
    "a body of good rows": b'{"instances":[' + b"[1,2,3,4]," * (LIMIT // 10 - 10) + b"[1,2,3,4]]}",
    "a body of quotes": b'"' * LIMIT,
    "a body of backslashes": b'["' + b"\\" * (LIMIT - 10) + b'"]',
    "deep objects": b'{"a":' * 1_000_000,
    "deep lists of numbers": b"[1," * 10_000 + b" " * (LIMIT - 30_000),
    "lists of objects that never go on": b"[{[]:" * 10_000 + b" " * (LIMIT - 50_000),
    "a list behind backslashes": b'["' + b"\\" * (LIMIT - 10) + b'",[1]',
    "small but all duplicates": b"{" + b'"a":1,' * 10_000 + b'"a":1}',
    "many unknown names": b'{"instances":[{' + b",".join(b'"n%d":1' % i for i in range(5000)) + b"}]}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_bad_body_costs_more_than_100_ms_or_twice_the_limit(name: Any) -> None:
    body = HOSTILE[name]
    fastest = min(seconds_to_refuse(body) for _ in range(5))
    assert fastest < 0.1 * times_slower()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from what is resident now
    before = peak_kilobytes()
    seconds_to_refuse(body)
    assert (peak_kilobytes() - before) * 1024 <= 2 * LIMIT


def peak_kilobytes() -> int:
    """Return the most memory that was resident: parsers reserve address space that they never touch."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def times_slower() -> float:
    """Return how many times slower this machine is than one for which the figures are, at least 1."""

    def seconds() -> float:
        started = time.process_time()
        for number in range(200_000):
            str(number)
        return time.process_time() - started

    return max(1.0, min(seconds() for _ in range(5)) / USUAL_S)


def seconds_to_refuse(body: bytes) -> float:
    started = time.process_time()  # of this process alone, whatever else the machine does
    with pytest.raises(Problem):
        read_instances(body, SCHEMA, 10_000)
    return time.process_time() - started


def test_a_million_brackets_are_refused_in_50_ms_for_being_deep() -> None:
    started = time.process_time()
    with pytest.raises(Problem, match="deeper than 64") as refused:
        read_document(b"[" * 1_000_000)
    assert time.process_time() - started < 0.05 * times_slower()
    assert refused.value.status == 400
    with pytest.raises(Problem, match="deeper than 64"):
        check_size(b"[" * 1_000_000, 1000)


def scope_of(length: Any) -> Any:
    headers = [(b"content-length", b"%d" % length)] if length is not None else [(b"transfer-encoding", b"chunked")]
    return {
        "type": "http", "method": "POST", "path": "/predict", "raw_path": b"/predict", "query_string": b"",
        "headers": headers,
    }  # fmt: skip


def ask(application: Any, length: Any, messages: Any, *, wait: Any = False) -> Any:
    sent = []
    waiting = list(messages)

    async def receive() -> Any:
        if not waiting and wait:
            await asyncio.sleep(60)
        return waiting.pop(0)

    async def send(message: Any) -> Any:
        sent.append(message)

    asyncio.run(application.front(scope_of(length), receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]).get(b"connection")


def test_a_body_that_does_not_arrive_is_408_and_the_connection_closes(build: Any) -> None:
    part = {"type": "http.request", "body": b"{", "more_body": True}
    assert ask(build(body_timeout_s=0.05), 100, [part], wait=True) == (408, b"close")


def test_a_chunked_body_beyond_the_limit_is_413_never_a_truncated_success(build: Any) -> None:
    application = build(max_body_bytes=1024)
    good = b'{"instances": [[1,2,3,4]]}'
    pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in (good, b" " * 1000)]
    assert ask(application, None, [*pieces, {"type": "http.request", "body": b""}]) == (413, b"close")


def test_a_chunked_body_within_the_limit_is_answered(build: Any) -> None:
    pieces = [
        {"type": "http.request", "body": part, "more_body": True} for part in (b'{"instances": ', b"[[1,2,3,4]]}")
    ]
    assert ask(build(), None, [*pieces, {"type": "http.request", "body": b""}]) == (200, None)


def test_a_client_that_leaves_before_its_body_ends_is_400(build: Any) -> None:
    part = {"type": "http.request", "body": b"{", "more_body": True}
    assert ask(build(), 100, [part, {"type": "http.disconnect"}]) == (400, b"close")
