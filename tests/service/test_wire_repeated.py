"""Header sections that are sent again: what is known of them must never change what an answer says."""

import asyncio
import itertools
import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.observer import QuietObserver
from service.wire import reader
from service.wire.framing import Framing, Limits
from service.wire.ground import Ground
from service.wire.heads import Head, Heads
from service.wire.protocol import Connection
from tests.service import models
from tests.service.wire import BODY, GOOD, answers, running

LIMITS = Limits(
    header_bytes=4096, uri_bytes=1024, body_bytes=8000, header_timeout_s=1.0, body_timeout_s=1.0, keep_alive_s=1.0,
    connections=9,
)  # fmt: skip
IDS = re.compile(rb"[0-9a-f]{16}-[0-9a-f]+")
HEAD, _, _ = GOOD.partition(b"\r\n\r\n")
HEAD += b"\r\n\r\n"
MESSAGES = [
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a?b=%41 HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n",
    b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\nGET /b HTTP/1.1\r\nHost: smuggled\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: b\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /a HTTP/1.1\nHost: a\n\n",
    b"GET /a HTTP/1.1\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\nabc",
    b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"\x00\x01",
]


class Forgetful(Heads):
    """Knows nothing."""

    def keep(self, text: bytes, head: Head) -> None:
        pass


class Recorder:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_open = True

    def get_extra_info(self, name: str) -> Any:
        return {"peername": ("127.0.0.1", 9), "sockname": ("127.0.0.1", 80)}.get(name)

    def write(self, data: bytes) -> None:
        assert self.is_open
        self.written.append(IDS.sub(b"id", data))

    def write_eof(self) -> None:
        self.written.append(b"<end>")

    def close(self) -> None:
        self.is_open = False
        self.written.append(b"<closed>")

    abort = close

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


async def told(scope: Any, receive: Any, send: Any) -> None:
    """Answer with all that was asked."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    scope.pop("extensions", None)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr((scope, body)).encode()})


async def heard(pieces: list[bytes], heads: Heads, ending: str) -> list[bytes]:
    """Feed pieces to one connection, each when the one before is answered; return what was written."""
    ground = Ground(told, QuietObserver(), LIMITS, asyncio.get_running_loop())
    ground.heads, ground.date_line = heads, b"date: now\r\n"
    connection, transport = Connection(ground), Recorder()
    connection.connection_made(transport)
    for piece in pieces:
        if not transport.is_open:
            break
        connection.data_received(piece)
        while ground.tasks:
            await asyncio.wait(tuple(ground.tasks))
        transport.written.append(b"<%d %d>" % (connection.reader.phase, connection.deadline < 1e9))
    if ending == "end" and transport.is_open:
        connection.eof_received()
    elif ending == "late":
        connection.expire()
    while ground.tasks:
        await asyncio.wait(tuple(ground.tasks))
    return transport.written


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(bounds) if a < b]


def at_heads(message: bytes) -> list[bytes]:
    head, blank, body = message.partition(b"\r\n\r\n")
    return [piece for piece in (head + blank, body) if piece]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(MESSAGES), st.lists(st.integers(0, 200), max_size=2), st.booleans()), max_size=6
    ),
    st.sampled_from(["", "end", "late"]),
)
@example([(message, [], False) for message in MESSAGES[:10]] * 2, "end")
@example([(message, [], True) for message in MESSAGES[:10]] * 2, "")
@example([(message, [-1], False) for message in MESSAGES[:10]] * 2, "late")
@pytest.mark.parametrize("size", [reader.SLICE, 50])
def test_what_is_known_of_heads_changes_no_answer(size: int, sent: Any, ending: str) -> None:
    known = Heads()
    pieces = [
        p for message, places, is_split in sent for p in (at_heads(message) if is_split else cut(message, places))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "SLICE", size)
        for message in MESSAGES:
            asyncio.run(heard([message], known, ""))
        assert known.find(MESSAGES[5])[1] is not None
        expected = asyncio.run(heard(pieces, Forgetful(), ending))
        assert asyncio.run(heard(pieces, known, ending)) == expected


def head_of(*headers: tuple[bytes, bytes], length: int = 0) -> Head:
    framing = Framing(is_chunked=False, length=length, expects_continue=False, host=b"a")
    return Head("1.1", "GET", b"/", [(b"host", b"a"), *headers], framing, is_kept=True)


def test_few_heads_are_known_and_none_that_holds_a_secret_or_is_sent_once() -> None:
    heads = Heads()
    for i in range(1000):
        text = b"%d\r\n\r\n" % i
        heads.keep(text, head_of())
        assert heads.find(text + b"body")[0] == text
        assert heads.find(text)[1] is not None
    assert sum(heads.find(b"%d\r\n\r\n" % i)[1] is not None for i in range(1000)) <= 256
    for name in (b"authorization", b"cookie", b"x-api-key", b"x-request-id", b"traceparent"):
        heads.keep(b"secret\r\n\r\n", head_of((name, b"x")))
    heads.keep(b"x" * 2000 + b"\r\n\r\n", head_of())
    heads.keep(b"no end", head_of())
    assert [heads.find(text)[1] for text in (b"secret\r\n\r\n", b"x" * 2000 + b"\r\n\r\n", b"no end")] == [None] * 3


@pytest.fixture(scope="module")
def service(tmp_path_factory: Any) -> Any:
    root = tmp_path_factory.mktemp("models")
    models.filled_repository(root)
    with running(root, workers=1, body_timeout_s=2) as service:
        yield service


def test_a_repeated_prediction_is_answered_alike_with_an_id_of_its_own(service: Any) -> None:
    with service.connect() as connection:
        given = answers(connection)
        found = []
        for parts in ((GOOD,), (GOOD,), (HEAD, BODY), (HEAD, BODY[:9], BODY[9:]), (HEAD, BODY + GOOD), ()):
            for part in parts:
                connection.sendall(part)
                time.sleep(0.01)
            found.append(next(given))
    assert len({answer.headers.pop("x-request-id") for answer in found}) == 6
    assert all(answer.headers.pop("date") for answer in found)
    assert [(a.status, a.headers, a.body) for a in found] == [(200, found[0].headers, found[0].body)] * 6
    assert list(found[0].headers) == ["x-content-type-options", "cache-control", "content-length", "content-type"]


def test_another_body_after_the_same_head_gets_its_own_answer(service: Any) -> None:
    other = BODY.replace(b"5.1", b"7.9")
    with service.connect() as connection:
        given = answers(connection)
        found = []
        for body in (BODY, other, BODY, BODY[:-1] + b"!", other):
            connection.sendall(HEAD + body)
            found.append(next(given))
    assert [answer.status for answer in found] == [200, 200, 200, 400, 200]
    assert found[0].body == found[2].body
    assert found[1].body == found[4].body != found[0].body


@pytest.mark.parametrize(("ends", "status"), [(True, 400), (False, 408)])
def test_a_known_head_without_its_body_is_refused_as_ever(service: Any, ends: Any, status: Any) -> None:
    assert service.ask(GOOD).status == 200
    given = service.send(HEAD, ends=ends)
    assert [answer.status for answer in given] == [status]
    assert given[0].headers["connection"] == "close"
