"""Whom a request came from: the connection says, unless a proxy that is trusted says otherwise."""

from typing import Any

import pytest

from service.wire.framing import original_client

TRUSTED = frozenset({"10.0.0.1", "10.0.0.2"})


def client_of(*forwarded: Any, proto: Any = ()) -> Any:
    headers = [(b"x-forwarded-for", text) for text in forwarded] + [(b"x-forwarded-proto", text) for text in proto]
    return original_client(headers, "10.0.0.1", TRUSTED)


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ((), "10.0.0.1"),
        ((b"",), "10.0.0.1"),
        ((b"203.0.113.9",), "203.0.113.9"),
        ((b"6.6.6.6, 203.0.113.9",), "203.0.113.9"),
        ((b"6.6.6.6, 203.0.113.9, 10.0.0.2",), "203.0.113.9"),
        ((b"6.6.6.6", b"203.0.113.9"), "203.0.113.9"),
        ((b"10.0.0.2",), "10.0.0.2"),
        ((b"2001:db8::1",), "2001:db8::1"),
        ((b"203.0.113.9, nonsense",), "10.0.0.1"),
        ((b"203.0.113.9, nonsense, 10.0.0.2",), "10.0.0.2"),
        ((b"\xff",), "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(forwarded: Any, client: Any) -> None:
    assert client_of(*forwarded) == (client, "http")


def test_the_scheme_is_what_one_field_says() -> None:
    assert client_of(proto=(b"HTTPS",))[1] == "https"
    assert client_of(proto=(b"gopher",))[1] == "http"
    assert client_of(proto=(b"https", b"http"))[1] == "http"
