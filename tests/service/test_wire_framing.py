"""What is not a request, over the real wire: each gets its status, and the next good request is answered."""

import contextlib
import json
import select
import socket
import time
from typing import Any

import pytest

from tests.service import models
from tests.service.wire import BODY, GOOD, START_S, answers, running, until

LIMIT = 65536
HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FIXED = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: Any) -> Any:
    root = tmp_path_factory.mktemp("models")
    models.filled_repository(root)
    bounds = {"max_body_bytes": LIMIT, "max_header_bytes": 4096, "max_uri_bytes": 1024}
    with running(root, workers=1, header_timeout_s=START_S, body_timeout_s=START_S, **bounds) as service:
        yield service


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: Any) -> Any:
    """A service that has little patience."""
    root = models.filled_repository(tmp_path_factory.mktemp("hurried")).root
    with running(root, workers=1, header_timeout_s=0.6, body_timeout_s=0.6) as service:
        yield service


REFUSED = {
    "length and coding": (400, HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "coding and length": (400, HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "the same length twice": (400, HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    "a list of lengths": (400, HEAD + b"Content-Length: 3, 3\r\n\r\nabc"),
    "a sign": (400, HEAD + b"Content-Length: +3\r\n\r\nabc"),
    "a negative length": (400, HEAD + b"Content-Length: -3\r\n\r\nabc"),
    "an underscore": (400, HEAD + b"Content-Length: 1_0\r\n\r\nabcdefghij"),
    "hex": (400, HEAD + b"Content-Length: 0x3\r\n\r\nabc"),
    "no digits": (400, HEAD + b"Content-Length: \r\n\r\n"),
    "other digits": (400, HEAD + "Content-Length: ٣\r\n\r\nabc".encode()),
    "a length beyond 64 bits": (400, HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n"),
    "gzip": (501, HEAD + b"Transfer-Encoding: gzip\r\n\r\n"),
    "gzip, chunked": (501, HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "identity": (501, HEAD + b"Transfer-Encoding: identity\r\n\r\n"),
    "xchunked": (501, HEAD + b"Transfer-Encoding: xchunked\r\n\r\n"),
    "chunked twice": (400, HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "two chunked fields": (400, HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "space before the colon": (400, HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    "a vertical tab": (400, HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "chunked over 1.0": (400, b"POST /predict HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a negative chunk": (400, CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n"),
    "a hex prefix": (400, CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n"),
    "a chunk beyond 64 bits": (400, CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    "a chunk too short": (400, CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n"),
    "no chunk size": (400, CHUNKED + b"\r\nabc\r\n0\r\n\r\n"),
    "chunks with bare line feeds": (400, CHUNKED + b"3\nabc\n0\n\n"),
    "a bare line feed in an extension": (400, CHUNKED + b"3;x\nabc\r\n0\r\n\r\n"),
    "no Host": (400, b"GET /healthz HTTP/1.1\r\n\r\n"),
    "an empty Host": (400, b"GET /healthz HTTP/1.1\r\nHost: \r\n\r\n"),
    "two Hosts": (400, b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    "a Host with a space": (400, b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n"),
    "a Host with a slash": (400, b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    "a Host with a user": (400, b"GET /healthz HTTP/1.1\r\nHost: me@a\r\n\r\n"),
    "a Host with a bad port": (400, b"GET /healthz HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    "bare line feeds": (400, b"GET /healthz HTTP/1.1\nHost: a\n\n"),
    "one bare line feed": (400, b"GET /healthz HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
    "a bare carriage return": (400, b"GET /healthz HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"),
    "a folded header": (400, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"),
    "a fold at the start": (400, b"GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n"),
    "a NUL": (400, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\x00z\r\n\r\n"),
    "a control character": (400, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: y\x01z\r\n\r\n"),
    "a space in a name": (400, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n"),
    "no name": (400, b"GET /healthz HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n"),
    "no colon": (400, b"GET /healthz HTTP/1.1\r\nHost: a\r\nabc\r\n\r\n"),
    "a control character in the path": (400, b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a raw byte in the path": (400, b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a space in the path": (400, b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a relative path": (400, b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    "another scheme": (400, b"GET ftp://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    "HTTP/0.9": (400, b"GET /healthz\r\n\r\n"),
    "HTTP/2.0": (400, b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n"),
    "an HTTP/2 preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "CONNECT": (501, b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an unknown method": (501, b"BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a method in lower case": (501, b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    "another expectation": (417, HEAD + b"Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc"),
    "a large header": (431, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 5000 + b"\r\n\r\n"),
    "many headers": (431, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 1000 + b"\r\n"),
    "an endless header": (431, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000),
    "a long path": (414, b"GET /" + b"a" * 1100 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "an endless path": (414, b"GET /" + b"a" * 100_000),
    "endless trailers": (400, CHUNKED + b"0\r\n" + b"X: y\r\n" * 20_000),
    "an endless extension": (400, CHUNKED + b"3;" + b"x" * 100_000),
    "no length": (411, HEAD + b"\r\n"),
    "a declared length beyond the limit": (413, HEAD + b"Content-Length: %d\r\n\r\nabc" % (LIMIT + 1)),
    "chunks beyond the limit": (413, CHUNKED + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 17 + b"0\r\n\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_gets_its_status_and_harms_nobody(service: Any, name: Any) -> None:
    status, data = REFUSED[name]
    workers = service.workers()
    given = service.send(data)
    assert [answer.status for answer in given] == [status]
    check_problem(given[0], status)
    assert given[0].headers["connection"] == "close"
    assert service.predicts()
    assert service.workers() == workers


def check_problem(answer: Any, status: Any) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    assert FIXED.items() <= answer.headers.items()
    assert answer.headers["date"]
    assert answer.json["status"] == status
    assert answer.json["instance"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "data",
    [HEAD + b"Content-Length: 100\r\n\r\n{}", CHUNKED + b"10\r\nabc", b"GET /healthz HTTP/1.1\r\nHost:"],
    ids=["body", "chunk", "head"],
)
def test_a_message_that_breaks_off_is_a_bad_request(service: Any, data: Any) -> None:
    answer = service.send(data, ends=True)
    assert [a.status for a in answer] == [400]
    check_problem(answer[0], 400)
    assert service.predicts()


@pytest.mark.parametrize(
    "data",
    [b"GET /healthz HTTP/1.1\r\nHost: a\r\n", HEAD + b"Content-Length: 100\r\n\r\n{}", CHUNKED + b"10\r\nabc"],
    ids=["head", "body", "chunk"],
)
def test_a_message_that_does_not_arrive_in_time_gets_408_and_the_end(hurried: Any, data: Any) -> None:
    def refused_after_s() -> float:
        began = time.monotonic()
        given = hurried.send(data)
        assert [answer.status for answer in given] == [408]
        check_problem(given[0], 408)
        return time.monotonic() - began

    taken_s = [refused_after_s()]
    while not 0.4 < taken_s[-1] < 8 and len(taken_s) < 4:  # where the machine is busy its clock may be late
        taken_s.append(refused_after_s())
    assert 0.4 < taken_s[-1] < 8  # and not the ten seconds that it is without the setting


def test_bytes_that_drip_in_get_no_more_time(hurried: Any) -> None:
    with hurried.connect() as connection:
        for byte in b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200:
            connection.sendall(bytes([byte]))
            if select.select([connection], [], [], 0.05)[0]:
                break
        else:
            pytest.fail("there was more time than for a message that stops")
        assert [answer.status for answer in answers(connection)] == [408]


def test_a_client_that_says_nothing_is_left_without_a_word(hurried: Any) -> None:
    assert hurried.send(b"") == []


def test_pipelined_requests_are_answered_in_order(service: Any) -> None:
    requests = [
        f"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: n{i}\r\n\r\n".encode() if i % 3 else
        GOOD.replace(b"Host: a", b"Host: a\r\nX-Request-Id: n%d" % i)
        for i in range(300)
    ]  # fmt: skip
    given = service.send(b"".join(requests), ends=True)
    assert [answer.headers["x-request-id"] for answer in given] == [f"n{i}" for i in range(300)]
    assert {answer.status for answer in given} == {200}


def test_what_follows_good_requests_is_refused_after_their_answers(service: Any) -> None:
    given = service.send(GOOD + GOOD + b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n" + GOOD)
    assert [answer.status for answer in given] == [200, 200, 501]


def test_a_body_is_never_read_as_the_next_request(service: Any) -> None:
    inner = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    given = service.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(inner) + inner + GOOD, ends=True)
    assert [answer.status for answer in given] == [400, 200]


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (HEAD + b"Content-Length: 50000000\r\n\r\n", 413),
        (CHUNKED + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 17, 413),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
def test_what_follows_a_refused_body_is_never_read_as_a_request(service: Any, refused: Any, status: Any) -> None:
    with service.connect() as connection:
        given = answers(connection)
        connection.sendall(GOOD)  # its head is known from now on
        assert next(given).status == 200
        connection.sendall(refused)
        assert next(given).status == status
        with contextlib.suppress(OSError):
            connection.sendall(GOOD)
            connection.shutdown(socket.SHUT_WR)
            assert next(given, None) is None


def test_nothing_is_read_after_a_request_that_closes(service: Any) -> None:
    given = service.send(GOOD.replace(b"Host: a", b"Host: a\r\nConnection: close") + GOOD)
    assert [answer.status for answer in given] == [200]
    assert given[0].headers["connection"] == "close"


def test_a_chunked_body_is_read_whole_with_extensions_and_trailers(service: Any) -> None:
    pieces = b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in BODY)
    answer = service.ask(CHUNKED + pieces + b"0\r\nX-Trailer: y\r\n\r\n")
    assert (answer.status, len(answer.json["predictions"])) == (200, 1)


def test_a_trailer_is_no_header(service: Any) -> None:
    body = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    answer = service.ask(CHUNKED + body + b"X-Request-Id: mine\r\nContent-Type: text/plain\r\n\r\n")
    assert answer.status == 200
    assert answer.headers["x-request-id"] != "mine"


def test_a_body_in_single_bytes_is_read_whole(service: Any) -> None:
    with service.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(GOOD)):
            connection.sendall(GOOD[i : i + 1])
        assert next(answers(connection)).status == 200


def test_a_large_body_within_the_limit_is_read_whole(service: Any) -> None:
    body = BODY + b" " * (LIMIT - len(BODY))
    assert service.ask(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body).status == 200


def test_expect_100_continue_is_met_before_the_body(service: Any) -> None:
    with service.connect() as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        given = answers(connection)
        assert next(given).status == 100
        connection.sendall(BODY)
        assert next(given).status == 200


def test_expect_100_continue_is_not_met_for_a_body_that_is_refused(service: Any) -> None:
    given = service.send(HEAD + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
    assert [answer.status for answer in given] == [413]


def test_a_request_that_waits_its_turn_gets_100_continue_then(service: Any) -> None:
    with service.connect() as connection:
        connection.sendall(GOOD + HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        given = answers(connection)
        assert [next(given).status, next(given).status] == [200, 100]
        connection.sendall(BODY)
        assert next(given).status == 200


def test_head_has_the_headers_and_no_body(service: Any) -> None:
    with service.connect() as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        given = answers(connection, head_only=True)
        lengths = [next(given).headers["content-length"] for _ in range(2)]
    assert lengths == ["18", "18"]


def test_a_refused_head_has_no_body_either(service: Any) -> None:
    with service.connect() as connection:
        connection.sendall(b"HEAD /healthz HTTP/1.1\r\nHost: a b\r\n\r\n")
        assert connection.recv(65536).partition(b"\r\n\r\n")[2] == b""


@pytest.mark.parametrize("offer", [b"h2c", b"websocket"])
def test_an_offer_to_upgrade_is_passed_over(service: Any, offer: Any) -> None:
    extra = b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMAAABk" % offer
    given = service.send(GOOD.replace(b"Host: a", extra) + GOOD, ends=True)
    assert [answer.status for answer in given] == [200, 200]


def test_a_request_id_is_kept_or_replaced(service: Any) -> None:
    def given(text: Any) -> Any:
        return service.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Request-Id: %b\r\n\r\n" % text).headers[
            "x-request-id"
        ]

    assert given(b"a.B_9-") == "a.B_9-"
    assert given(b"x" * 64) == "x" * 64
    for bad in (b"", b"x" * 65, b"a b", b"a\tb", b'"', b"\xe9"):
        assert given(bad) not in {bad.decode("latin-1"), ""}


def test_a_refusal_keeps_the_request_id_it_has_read(service: Any) -> None:
    answer = service.ask(b"GET / HTTP/1.1\r\nX-Request-Id: mine\r\nHost: a b\r\n\r\n")
    assert (answer.status, answer.headers["x-request-id"]) == (400, "mine")


@pytest.mark.parametrize(
    "request_line", [b"GET http://a/healthz HTTP/1.1", b"GET /healthz?x=%00 HTTP/1.1", b"GET  /healthz HTTP/1.1"]
)
def test_other_forms_of_a_target_are_understood(service: Any, request_line: Any) -> None:
    assert service.ask(request_line + b"\r\nHost: a:80\r\n\r\n").status == 200


def test_http_1_0_is_answered_and_closed_unless_it_asks_to_be_kept(service: Any) -> None:
    closed = service.send(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert [a.headers["connection"] for a in closed] == ["close"]
    kept = service.ask(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (kept.status, kept.headers["connection"]) == (200, "keep-alive")


def test_names_that_cgi_would_confuse_are_dropped(service: Any) -> None:
    answer = service.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX_Request_Id: mine\r\nContent_Length: 5\r\n\r\n")
    assert (answer.status, answer.headers["x-request-id"] == "mine") == (200, False)
    # With hyphens it is no time, and 400.
    assert service.ask(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX_Request_Timeout_Ms: never\r\n\r\n").status == 200


def test_a_refusal_reaches_a_client_that_is_still_sending(service: Any) -> None:
    with service.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 50000000\r\n\r\n")
        try:
            for _ in range(200):
                connection.sendall(b" " * 65536)
        except OSError:
            pytest.fail("the connection was reset before the answer was read")
        assert next(answers(connection)).status == 413


def test_refusals_are_counted_and_logged(service: Any) -> None:
    before = service.metric(r'ganglion_requests_total\{.*status="417"')
    service.send(HEAD + b"X-Request-Id: look-for-me\r\nExpect: 200-ok\r\nContent-Length: 3\r\n\r\nabc")
    until(lambda: service.metric(r'ganglion_requests_total\{.*status="417"') == before + 1)
    until(lambda: "look-for-me" in service.log())
    line = next(line for line in service.lines() if line.get("request_id") == "look-for-me")
    assert (line["status"], line["path"], line["method"]) == (417, "/predict", "POST")


def test_the_welcome_names_a_curl_line_that_works(service: Any) -> None:
    route, body = service.welcome.split("curl ")[1].split(" -H ")[0], service.welcome.split("-d '")[1].split("'")[0]
    path = route.removeprefix(service.url).encode()
    assert json.loads(body)["instances"]
    answer = service.ask(
        b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (path, len(body), body.encode())
    )
    assert answer.status == 200
