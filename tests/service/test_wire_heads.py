"""Header sections as pure checks: how large, which Host, which coding, which expectation, to the very bound."""

from typing import Any

import pytest

from service.wire.framing import Framing, Limits, RefusedError, check_head, head_without_upgrade, split_target
from service.wire.heads import OWN, Head, Heads

LIMITS = Limits(
    header_bytes=200, uri_bytes=50, body_bytes=8000, header_timeout_s=1.0, body_timeout_s=1.0, keep_alive_s=1.0,
    connections=9,
)  # fmt: skip
HOST = (b"host", b"a")
CHUNKED = (b"transfer-encoding", b"chunked")
WAITS = (b"expect", b"100-continue")


def framing_of(*headers: Any, version: str = "1.1", method: str = "POST", url: bytes = b"/", known: Any = None) -> Any:
    """The framing of a header section, or the status with which it is refused."""
    try:
        return check_head(version, method, url, list(headers), limits=LIMITS, known_host=known)
    except RefusedError as error:
        return error.status


def test_a_target_may_be_just_as_long_as_is_allowed() -> None:
    assert framing_of(HOST, url=b"/" * 50) == Framing(is_chunked=False, length=0, expects_continue=False, host=b"a")
    assert framing_of(HOST, url=b"/" * 51) == 414


def test_a_header_section_may_be_just_as_large_as_is_allowed() -> None:
    rest = 200 - len(b"/" * 10) - len(b"host: a\r\n") - len(b"x: \r\n")
    assert framing_of(HOST, (b"x", b"y" * rest), url=b"/" * 10) != 431
    assert framing_of(HOST, (b"x", b"y" * (rest + 1)), url=b"/" * 10) == 431
    assert framing_of(HOST, *[(b"x", b"")] * 40) == 431


@pytest.mark.parametrize(
    "host", [b"a", b"a.b-c_d~e%41:80", b"127.0.0.1:8000", b"[::1]", b"[::1]:65535", b"[::ffff:1.2.3.4]", b"h" * 180]
)
def test_a_host_is_a_name_or_an_address_with_or_without_a_port(host: bytes) -> None:
    assert framing_of((b"host", host)).host == host


@pytest.mark.parametrize(
    "host",
    [b"", b" ", b"a b", b"a,b", b"a/b", b"me@a", b"a:", b"a:b", b"a:123456", b"a:80:80", b"[::1", b"::1", b"[]", b"[x]",
     b"[::1]x", b"a\n", b"a\xff", b"http://a"],
)  # fmt: skip
def test_any_other_host_is_refused(host: bytes) -> None:
    assert framing_of((b"host", host)) == 400


def test_a_host_that_is_known_need_not_be_checked_again_but_must_be_the_only_one() -> None:
    assert framing_of(HOST, known=b"a").host == b"a"
    assert framing_of(HOST, HOST, known=b"a") == 400
    assert framing_of((b"host", b"b c"), known=b"a") == 400
    assert framing_of(known=b"a") == 400
    assert framing_of(version="1.0", known=b"a").host is None


@pytest.mark.parametrize(("version", "status"), [("0.9", 400), ("1.2", 400), ("2.0", 400), ("", 400)])
def test_no_other_version_is_spoken(version: str, status: int) -> None:
    assert framing_of(HOST, version=version) == status


@pytest.mark.parametrize(
    ("codings", "status"),
    [
        ((b"chunked", b"chunked"), 400),
        ((b"chunked, chunked",), 400),
        ((b"gzip",), 501),
        ((b"chunked, gzip",), 501),
        ((b"chunked", b"identity"), 501),
        ((b"chunked,",), 501),
        ((b"",), 501),
        ((b"xchunked",), 501),
        ((b"chunked;q=1",), 501),
    ],
)
def test_the_only_coding_is_chunked_once(codings: tuple[bytes, ...], status: int) -> None:
    assert framing_of(HOST, *[(b"transfer-encoding", coding) for coding in codings]) == status


def test_chunked_is_one_word_in_any_case_of_http_1_1() -> None:
    assert framing_of(HOST, (b"transfer-encoding", b" Chunked\t")).is_chunked
    assert framing_of(HOST, CHUNKED, version="1.0") == 400


def test_a_client_waits_for_100_continue_only_over_http_1_1() -> None:
    assert framing_of(HOST, (b"expect", b"100-Continue")).expects_continue
    assert not framing_of(HOST, WAITS, version="1.0").expects_continue
    assert framing_of(HOST, WAITS, (b"expect", b"more")) == 417
    assert framing_of(HOST, (b"expect", b"100-continued"), version="1.0") == 417


def test_this_is_no_proxy() -> None:
    assert framing_of(HOST, method="CONNECT", url=b"a:80") == 501


def test_a_length_is_what_the_field_says() -> None:
    assert framing_of(HOST, (b"content-length", b"0017")).length == 17


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        (b"/a?b=c?d", b"/a", b"b=c?d"),
        (b"//a", b"//a", b""),
        (b"*", b"*", b""),
        (b"http://a", b"/", b""),
        (b"HTTPS://a:1/b?c", b"/b", b"c"),
        (b"http://a?b", b"/", b"b"),
    ],
)
def test_a_target_is_split_into_path_and_query(url: bytes, path: bytes, query: bytes) -> None:
    assert split_target(url) == (path, query)


@pytest.mark.parametrize("url", [b"", b"a", b"?", b"**", b"ftp://a/", b"http:///a", b"http://", b"http://a/b#c"])
def test_any_other_target_is_malformed(url: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        split_target(url)
    assert refused.value.status == 400


def test_an_offer_to_upgrade_is_left_out_and_nothing_else() -> None:
    offer = [(b"connection", b"Upgrade, HTTP2-Settings"), (b"upgrade", b"h2c"), (b"http2-settings", b"x")]
    assert head_without_upgrade(b"GET", b"/a?b", [HOST, *offer, (b"x", b"y")]) == (
        b"GET /a?b HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n"
    )
    closing = head_without_upgrade(b"GET", b"/", [(b"connection", b"Upgrade, Close"), (b"upgrade", b"h2c"), HOST])
    assert closing == b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def head_of(*headers: Any) -> Head:
    found = check_head("1.1", "POST", b"/", [HOST, *headers], limits=LIMITS, known_host=None)
    return Head("1.1", "POST", b"/", [HOST, *headers], found, is_kept=True)


@pytest.mark.parametrize("header", [CHUNKED, WAITS, *((name, b"x") for name in sorted(OWN))])
def test_a_head_is_not_known_again_when_more_than_its_bytes_decides_or_it_is_one_clients_own(header: Any) -> None:
    heads = Heads()
    text = b"POST / HTTP/1.1\r\n\r\n"
    heads.keep(text, head_of(header))
    assert heads.find(text)[1] is None
    usual = head_of((b"accept", b"x"))
    heads.keep(text, usual)
    assert heads.find(text + b"body")[1] is usual


def test_what_holds_a_secret_or_is_sent_once_is_among_what_is_not_known() -> None:
    assert {b"authorization", b"cookie", b"proxy-authorization", b"x-api-key", b"x-request-id"} <= OWN


def test_a_head_of_1024_bytes_is_known_and_a_longer_one_is_not() -> None:
    heads = Heads()
    for size in (1024, 1025):
        text = b"x" * (size - 4) + b"\r\n\r\n"
        heads.keep(text, head_of())
        assert (heads.find(text)[1] is not None) == (size == 1024)


def client_and_scheme(peer: str, trusted: frozenset[str]) -> tuple[Any, str]:
    head = head_of((b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https"))
    scope = head.scope((peer, 5000), ("10.0.0.9", 80), trusted=trusted, scheme="http")
    return scope["client"], scope["scheme"]


def test_only_a_proxy_that_is_trusted_says_whom_a_request_came_from() -> None:
    trusted = frozenset({"10.0.0.1"})
    assert client_and_scheme("10.0.0.1", trusted) == (("203.0.113.9", 0), "https")
    assert client_and_scheme("10.0.0.2", trusted) == (("10.0.0.2", 5000), "http")
    assert client_and_scheme("10.0.0.1", frozenset()) == (("10.0.0.1", 5000), "http")
