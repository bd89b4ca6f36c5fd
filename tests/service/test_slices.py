"""Large answers go out in slices, whole and in order, however slowly they are read and whatever happens meanwhile."""

import json
import signal
import socket
import time
from typing import Any

import pytest

from service.wire.slices import SLICE_BYTES, Slices
from tests.service import models
from tests.service.wire import GOOD, START_S, answers, posted, running, until

MANY = 60_000
ROWS = json.dumps({"instances": [models.FLOWER_ROW] * MANY}).encode()


def large(more: str = "") -> bytes:
    return posted(ROWS, more)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: Any) -> Any:
    return models.filled_repository(tmp_path_factory.mktemp("models"))


def started(repository: Any) -> Any:
    return running(repository.root, workers=1, max_rows=MANY, max_rows_waiting=4 * MANY, deadline_s=START_S)


@pytest.fixture(scope="module")
def service(repository: Any) -> Any:
    with started(repository) as service:
        yield service


def narrow(service: Any) -> socket.socket:
    """Return a connection that takes little at a time."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    connection.settimeout(START_S)
    connection.connect(("127.0.0.1", service.port))
    return connection


def test_answers_that_are_read_slowly_arrive_whole_and_in_order(service: Any) -> None:
    whole = service.ask(large())
    assert len(whole.body) > 10 * SLICE_BYTES
    with narrow(service) as connection:
        connection.sendall(large() + GOOD)
        time.sleep(0.3)  # the answer does not fit, and waits
        slow = answers(connection)
        first, second = next(slow), next(slow)
    assert (first.status, first.body) == (200, whole.body)
    assert (second.status, len(second.json["predictions"])) == (200, 1)


@pytest.mark.parametrize("ends", [False, True])
def test_a_large_answer_is_whole_when_the_connection_ends_with_it(service: Any, ends: bool) -> None:
    with narrow(service) as connection:
        connection.sendall(large("" if ends else "Connection: close\r\n"))
        if ends:
            connection.shutdown(socket.SHUT_WR)
        time.sleep(2.5)  # longer than a connection lingers that has been answered
        found = list(answers(connection))
    assert [(answer.status, len(answer.json["predictions"])) for answer in found] == [(200, MANY)]


def test_a_large_answer_that_is_being_read_at_sigterm_arrives_whole(repository: Any) -> None:
    with started(repository) as service:
        with narrow(service) as connection:
            connection.sendall(large())
            until(lambda: service.metric("ganglion_rows_total") >= MANY)
            service.process.send_signal(signal.SIGTERM)
            time.sleep(1.5)  # longer than an idle connection is given
            answer = next(answers(connection))
        assert (answer.status, len(answer.json["predictions"])) == (200, MANY)
        assert service.process.wait(timeout=START_S) == 0


class Transport:
    """Takes what it is given, and says that it is full after each piece."""

    def __init__(self) -> None:
        self.taken = b""
        self.is_closed = False
        self.slices: Slices | None = None

    def write(self, piece: memoryview) -> None:
        self.taken += bytes(piece)
        assert self.slices is not None
        self.slices.pause()

    def is_closing(self) -> bool:
        return self.is_closed


class Loop:
    """Keeps what is to be called soon."""

    def __init__(self) -> None:
        self.soon: list[Any] = []

    def call_soon(self, work: Any) -> None:
        self.soon.append(work)


def test_a_slice_waits_for_the_one_before_and_none_follows_the_end() -> None:
    transport, loop = Transport(), Loop()
    ended: list[bool] = []
    data = bytes(2 * SLICE_BYTES + 10)
    transport.slices = Slices(transport, loop, data, ended.append)
    transport.slices.write()
    assert (len(transport.taken), loop.soon) == (SLICE_BYTES, [])
    transport.slices.resume()
    transport.slices.resume()
    loop.soon.pop()()
    assert (len(transport.taken), loop.soon) == (2 * SLICE_BYTES, [])
    transport.slices.resume()
    loop.soon.pop()()
    assert (transport.taken, ended) == (data, [False])
    transport.is_closed = True
    gone = Slices(transport, loop, data, ended.append)
    gone.write()
    assert (transport.taken, ended) == (data, [False])
