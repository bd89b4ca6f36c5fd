"""What a full service refuses by head and size alone is answered, counted and logged as any other refusal is."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from service.application import create_application, create_observer
from service.front import Front
from service.keys import new_key
from service.observing.logs import LogWriter
from service.settings import load_settings
from service.wire.ground import Ground
from service.wire.protocol import Connection
from service.wire.turnstile import Turnstile
from service.wire.worker import limits_of
from tests.service.wire import BODY

PATHS = (
    "/predict",
    "/models/flowers/predict",
    "/v1/models/flowers:predict",
    "/v2/models/flowers/infer",
    "/invocations",
)
SOON = 60.0
ROWS = 10**6
ID = re.compile(rb"x-request-id: ([^\r]+)\r\n")


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_open = True

    def get_extra_info(self, _name: str) -> Any:
        return ("127.0.0.1", 9)

    def write(self, data: bytes) -> None:
        assert self.is_open
        self.written.append(data)

    def close(self) -> None:
        self.is_open = False

    def is_closing(self) -> bool:
        return not self.is_open

    def pause_reading(self) -> None:
        pass

    resume_reading = write_eof = abort = pause_reading


class Served:
    """A front, the ground under it and one connection to it, all in this process."""

    def __init__(self, settings: Any, log: LogWriter, **ground: Any) -> None:
        self.observer = create_observer(settings, log)
        self.application = create_application(settings, self.observer)
        self.admission = self.application.batcher.admission
        front = self.application.front
        given: dict[str, Any] = {"direct": front.direct, "refusing": front} | ground
        self.ground = Ground(front, self.observer, limits_of(settings), asyncio.get_running_loop(), **given)
        self.connection = self.connect()

    def connect(self) -> Connection:
        connection = Connection(self.ground)
        self.ground.count += 1
        connection.connection_made(Wire())
        return connection

    async def ask(self, *pieces: bytes, connection: Connection | None = None) -> bytes:
        """Send the pieces of a request, and return all that is written until it is answered."""
        asked = connection or self.connection
        wire: Wire = asked.transport
        wire.written.clear()
        for piece in pieces:
            asked.data_received(piece)
        for _ in range(10_000):
            if asked.current is None:
                return b"".join(wire.written)
            await asyncio.sleep(0.001)
        raise AssertionError("there was no answer")

    def is_at_once(self, request: bytes) -> bool:
        """Tell whether a request is answered before the loop has had a turn."""
        self.connection.transport.written.clear()
        self.connection.data_received(request)
        return bool(self.connection.transport.written)

    def fill(self, seconds: float = 0.1) -> None:
        self.admission.admit((ROWS, seconds), time.monotonic() + SOON)

    def metric(self, name: str) -> float:
        text = self.observer.exposition()[1].decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def request_to(path: str, body: bytes = BODY, *, version: str = "1.1", headers: str = "") -> bytes:
    head = f"POST {path} HTTP/{version}\r\nHost: a\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def fixed(answer: bytes) -> bytes:
    """Return an answer without the id and the date."""
    found = ID.search(answer)
    assert found is not None, answer
    return re.sub(rb"date: [^\r]+", b"", answer.replace(found[1], b"ID"))


@pytest.fixture
def serve(repository: Any, tmp_path: Any) -> Callable[..., Any]:
    """Return a function that runs a test's coroutine over a service of its own; it returns the lines of its log."""
    path = tmp_path / "log"

    def run(test: Callable[[Served], Any], *, is_json: bool = True, ground: Any = None, **given: Any) -> Any:
        settings = load_settings(models=tmp_path / "models", default_model="flowers", **given)

        async def main() -> None:
            served = Served(settings, LogWriter(log, is_json=is_json), **(ground or {}))
            served.observer.begin(0)
            await test(served)
            served.observer.end()
            served.application.life.stop()

        with path.open("a") as log:
            asyncio.run(main())
        lines = path.read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines] if is_json else lines

    return run


@pytest.mark.parametrize("path", PATHS)
def test_a_refusal_at_once_is_the_one_of_the_long_way_with_an_id_of_its_own(serve: Any, path: str) -> None:
    async def test(served: Served) -> None:
        request = request_to(path)
        await served.ask(request)
        served.fill()
        answers = [await served.ask(request) for _ in range(3)]
        assert served.is_at_once(request)
        assert answers[0].startswith(b"HTTP/1.1 429 ")
        assert b"\r\nretry-after: 1\r\n" in answers[0]
        assert len({fixed(answer) for answer in answers}) == 1
        assert len({ID.search(answer)[1] for answer in answers}) == 3  # type: ignore[index]
        for answer in answers:
            head, _, body = answer.partition(b"\r\n\r\n")
            assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
        served.admission.release((ROWS, 0.1))
        assert b"429" not in (await served.ask(request))[:20]

    serve(test)


def test_refusals_at_once_are_counted_and_logged_like_others(serve: Any) -> None:
    async def test(served: Served) -> None:
        request = request_to("/predict?100%25=%s")
        await served.ask(request)
        served.fill()
        for _ in range(5):
            await served.ask(request)
        assert served.metric('ganglion_requests_total{method="POST",route="/predict",status="429"}') == 5
        assert served.metric('ganglion_shed_total{reason="full"}') == 5
        assert served.metric('ganglion_request_seconds_count{route="/predict"}') == 6

    began = time.time()
    first, *others = [line for line in serve(test) if line["message"] == "request" and line["status"] == 429]
    assert len(others) == 4
    for line in others:
        assert list(line) == list(first)
        assert {k: line[k] for k in line if k not in OPEN} == {k: first[k] for k in first if k not in OPEN}
        assert 0 <= line["ms"] < 1000
        assert line["bytes_in"] == len(BODY)
        assert abs(time.mktime(time.strptime(line["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - began) < 60
    assert len({line["request_id"] for line in (first, *others)}) == 5


def test_of_a_burst_only_the_first_is_looked_at(serve: Any) -> None:
    async def test(served: Served) -> None:
        request = request_to("/predict")
        await served.ask(request)
        served.fill()
        first, *others = [served.connect() for _ in range(600)]
        first.data_received(request)
        assert first.current is not None
        for connection in others:
            connection.data_received(request)
            assert connection.transport.written  # in the same turn of the loop
        await served.ask(connection=first)
        assert served.metric('ganglion_shed_total{reason="full"}') == 600
        assert served.metric('ganglion_requests_total{method="POST",route="/predict",status="429"}') == 600

    lines = [line for line in serve(test) if line.get("status") == 429]
    assert len({line["request_id"] for line in lines}) == len(lines) == 600


OPEN = ("time", "request_id", "ms")


def test_lines_of_text_are_alike_too(serve: Any) -> None:
    async def test(served: Served) -> None:
        request = request_to("/models/flowers/predict")
        await served.ask(request)
        served.fill()
        for _ in range(3):
            await served.ask(request)

    lines = [line for line in serve(test, is_json=False) if "status=429" in line]
    assert len(lines) == 3
    assert len({re.sub(r"^\S+|request_id=\S+|ms=\S+", "", line) for line in lines}) == 1


def test_the_time_to_wait_and_the_date_are_those_of_the_moment(serve: Any) -> None:
    async def test(served: Served) -> None:
        request = request_to("/predict")
        await served.ask(request)
        served.fill(3.5)
        for _ in range(2):
            assert b"retry-after: 4\r\n" in await served.ask(request)
        served.admission.seconds = 8.5
        assert served.is_at_once(request)
        assert b"retry-after: 9\r\n" in await served.ask(request)
        served.ground.date_line = b"date: tomorrow\r\n"
        assert b"date: tomorrow\r\n" in await served.ask(request)

    serve(test)


def test_bodies_that_are_too_long_are_refused_while_shorter_ones_are_answered(serve: Any) -> None:
    async def test(served: Served) -> None:
        short, long = request_to("/predict"), request_to("/predict", BODY + b" " * 5000)
        for request in (short, long):
            assert b" 200 " in await served.ask(request)
        served.admission.admit((1, 0.1), time.monotonic() + SOON)
        served.admission.note_refused("/predict", 5000)
        for _ in range(2):
            assert b" 429 " in await served.ask(long)
        assert b" 429 " in await served.ask(long[:400], long[400:900], long[900:])
        assert b" 200 " in await served.ask(short)  # done, so that long ones are worth a look again
        assert b" 200 " in await served.ask(long)

    serve(test)


PARENT = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
SPAN = re.compile(rb"\r\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])\r\n")


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (f"Traceparent: 00-{PARENT}-01\r\n", b"01"),
        (f"tracestate: a=b\r\ntraceparent:\t00-{PARENT}-02 \r\nX-Request-Id: ******\r\n", b"00"),
        (f"traceparent: cc-{PARENT}-09-what\r\nX-Request-Id: {'Z' * 55}\r\nAuthorization: Bearer a\r\n", b"01"),
        (f"traceparent: cc-{PARENT}-01-a\r\ntraceparent: 00-{PARENT}-00\r\n", b"01"),
        (f"traceparent: 00-{PARENT}-01\r\ntraceparent: 00-{PARENT}-01\r\n", None),
        (f"traceparent: 00-{PARENT}-01-more\r\n", None),
        ("traceparent: \r\n", None),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/v2/models/flowers/infer"])
def test_a_refusal_at_once_takes_part_in_a_trace(serve: Any, path: str, sent: str, answered: bytes | None) -> None:
    """The trace that was sent, a span of its own in each answer, and the line of the log as by the long way."""

    async def test(served: Served) -> None:
        served.fill()
        request = request_to(path, headers=sent)
        answers = [await by_the_long_way(served, request), *[await served.ask(request) for _ in range(3)]]
        assert served.is_at_once(request)
        assert len({fixed(SPAN.sub(b"", answer)) for answer in answers}) == 1
        spans = [SPAN.search(answer) for answer in answers]
        if answered is None:
            assert spans == [None] * 4
            return
        found = [span.groups() for span in spans if span]
        assert {(trace, flags) for trace, _, flags in found} == {(PARENT[:32].encode(), answered)}
        assert len({span for _, span, _ in found} | {PARENT[33:].encode()}) == 5
        assert served.metric('ganglion_shed_total{reason="full"}') == 5

    first, *others = [line for line in serve(test) if line["message"] == "request" and line["status"] == 429]
    assert first.get("trace_id") == (PARENT[:32] if answered else None)
    assert len(others) == 4
    for line in others:
        assert [(k, line[k]) for k in line if k not in OPEN] == [(k, first[k]) for k in first if k not in OPEN]


async def by_the_long_way(served: Served, request: bytes) -> bytes:
    usual, served.ground.turnstile = served.ground.turnstile, Turnstile(served.ground, None)
    try:
        return await served.ask(request)
    finally:
        served.ground.turnstile = usual


NAMES = ("first-one", "second-one", "429", "Z", "ZZZZ", "Q" * 64, "4", "a.b_c-1", "no id", "x" * 65)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "own",
    [
        "X-Request-Id: {}\r\n",
        "Accept: */*\r\nX-REQUEST-ID: \t {} \r\nX-Correlation-Id: {}\r\nAccept-Language: en\r\n",
        "Authorization:Bearer {}\r\nIdempotency-Key:\r\nx-request-id:{}\r\n",
    ],
)
def test_a_request_with_an_id_of_its_own_is_refused_as_by_the_long_way(serve: Any, path: str, own: str) -> None:
    async def test(served: Served) -> None:
        served.fill()
        for name in NAMES:
            request = request_to(path, headers=own.replace("{}", name))
            expected, found = await by_the_long_way(served, request), await served.ask(request)
            assert b" 429 " in found
            if name in {"no id", "x" * 65}:
                assert fixed(found) == fixed(expected)
            else:
                assert re.sub(b"date: [^\r]+", b"", found) == re.sub(b"date: [^\r]+", b"", expected)
        assert served.is_at_once(request_to(path, headers=own.replace("{}", "last")))

    serve(test)


@pytest.mark.parametrize(
    "own", ["X-Api-Key: {}\r\n", "authorization: Bearer {}\r\n", "Cookie: {}\r\nProxy-Authorization:{}\r\n"]
)
def test_a_request_with_a_secret_is_refused_at_once_and_let_in_by_no_other(serve: Any, tmp_path: Any, own: str) -> None:
    key, line = new_key("shop", ["predict"])
    keys = tmp_path / "keys"
    keys.write_text(line)

    async def test(served: Served) -> None:
        good, wrong, without = (
            request_to("/predict", headers=text) for text in (own.replace("{}", key), own.replace("{}", "wrong"), "")
        )
        status = b" 401 " if "Cookie" in own else b" 200 "
        assert status in await served.ask(good)
        served.fill()
        answers = [await served.ask(request) for request in (good, wrong, good, wrong, without)]
        assert served.is_at_once(good)
        assert served.is_at_once(wrong)
        assert len({fixed(answer) for answer in answers}) == 1
        served.admission.release((ROWS, 0.1))
        assert status in await served.ask(good)
        assert b" 401 " in await served.ask(wrong)
        assert b" 401 " in await served.ask(without)
        assert key not in repr(vars(served.ground.heads))

    serve(test, api_key_file=keys)


@pytest.mark.parametrize(
    "own",
    [
        "X-Api-Key: a\r\n b\r\n", "X-Api-Key : a\r\n", "X-Api-Key: \xe9\r\n", "X-Api-Key: a\x00b\r\n",
        "X-Api-Key: a\rb\r\n",
        "X-Request-Id: a\r\nX-Request-Id: b\r\n", "X-Api-Key: a\nX-Other: b\r\n",
        "X-Request-Id: a\r\nContent-Length: 5\r\n",
        "X-Api-Key: " + "a" * 2000 + "\r\n", "X-Request-Id: mine\r\nExpect: 100-continue\r\n",
        "X-Api-Key: a\r\nTransfer-Encoding: chunked\r\n", f"Traceparent: 00-{'a' * 32}-\xe9{'b' * 15}-01\r\n",
    ],
)  # fmt: skip
def test_odd_headers_are_answered_as_by_the_long_way(serve: Any, own: str) -> None:
    async def test(served: Served) -> None:
        served.fill()
        usual, odd = request_to("/predict"), own.encode("latin-1")
        odd = usual.replace(b"Content-Length", odd + b"Content-Length")
        for own_of_others in (b"X-Api-Key: a\r\n", b"X-Request-Id: mine\r\n", b""):
            for _ in range(2):
                await served.ask(usual.replace(b"Content-Length", own_of_others + b"Content-Length"))
        usual_way = served.ground.turnstile
        for _ in range(2):
            served.ground.turnstile = Turnstile(served.ground, None)
            expected = await served.ask(odd, connection=served.connect())
            served.ground.turnstile = usual_way
            found = await served.ask(odd, connection=served.connect())
            for changing in (rb"date: [^\r]+", rb"-[0-9a-f]{16}-01\r"):
                found, expected = re.sub(changing, b"", found), re.sub(changing, b"", expected)
            assert fixed(found) == fixed(expected)

    serve(test)


def test_what_differs_beyond_head_and_size_goes_the_long_way(serve: Any) -> None:
    async def test(served: Served) -> None:
        request = request_to("/predict")
        mine = request_to("/predict", headers="X-Request-Id: mine\r\n")
        await served.ask(request)
        served.fill()
        await served.ask(request)
        assert b"x-request-id: mine\r\n" in await served.ask(mine)
        assert b"x-request-id: mine\r\n" in await served.ask(mine)
        old = request_to("/predict", version="1.0", headers="Connection: keep-alive\r\n")
        for _ in range(3):
            assert b"\r\nconnection: keep-alive\r\n" in await served.ask(old)
        two = await served.ask(request + request)
        assert two.count(b"HTTP/1.1 429 ") == 2
        served.ground.tick()
        served.ground.tick()
        assert not served.is_at_once(request)  # none was refused for a moment
        await served.ask(request, connection=served.connect())
        served.ground.drain()
        other = served.connect()
        assert b"\r\nconnection: close\r\n" in await served.ask(request, connection=other)
        assert not other.transport.is_open

    serve(test)


def test_an_encrypted_connection_is_told_so_in_every_refusal(serve: Any) -> None:
    async def test(served: Served) -> None:
        request = request_to("/predict")
        await served.ask(request)
        served.fill()
        answers = [await served.ask(request) for _ in range(3)]
        assert all(b"\r\nstrict-transport-security: max-age=31536000\r\n" in answer for answer in answers)
        assert len({fixed(answer) for answer in answers}) == 1

    serve(test, ground={"is_encrypted": True})


def test_where_all_requests_are_traced_no_refusal_is_left_out(serve: Any) -> None:
    async def test(served: Served) -> None:
        request = request_to("/predict")
        await served.ask(request)
        served.fill()
        await served.ask(request)
        assert served.is_at_once(request)
        app = served.application
        settings = app.runtime.settings.model_copy(update={"traces_endpoint": "http://127.0.0.1:9"})
        traced = Front(settings, app.router, app.pipeline, app.life, app.wsgi)
        turnstile = served.ground.turnstile = Turnstile(served.ground, traced)
        turnstile.note_refused()
        assert not served.is_at_once(request)
        await served.ask()

    serve(test)
