"""Workers that die, masters that end, terminals that hang up: clients see as little of it as can be."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from service.wire.closing import begin_no_more
from tests.service import models
from tests.service.wire import GOOD, ROOT, START_S, answers, is_alive, running, until

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def repository(tmp_path_factory: Any) -> Any:
    root = tmp_path_factory.mktemp("models")
    return models.filled_repository(root)


@pytest.fixture
def service(repository: Any) -> Any:
    with running(repository.root, graceful_timeout_s=60) as service:
        yield service


class Client(threading.Thread):
    """Predicts over and over, as an ordinary client does, until the service is gone.

    On one kept connection, or, where it `is_fickle`, each time on a connection of its own. `failed` holds what went
    wrong after a connection was made; that none can be made any more is no failure.
    """

    def __init__(self, service: Any, *, is_fickle: bool = False) -> None:
        super().__init__()
        self.service, self.is_fickle = service, is_fickle
        self.answered = 0
        self.worker = ""  # that answered last, by the text its request ids begin with
        self.failed: list[Any] = []
        self.stopping = False

    def run(self) -> None:
        while not self.stopping:
            try:
                connection = self.service.connect()
            except ConnectionRefusedError:
                return
            except TimeoutError:  # it was never made
                continue
            with connection:
                self.use(connection)

    def use(self, connection: Any) -> None:
        given = answers(connection)
        while not self.stopping:
            try:
                connection.sendall(GOOD)
                answer = next(given, None)
            except OSError as error:
                self.failed.append((self.worker, repr(error)))
                return
            if answer is None or answer.status != 200:
                self.failed.append((self.worker, answer))
                return
            self.answered += 1
            self.worker = answer.headers["x-request-id"].split("-")[0]
            if self.is_fickle or answer.headers.get("connection") == "close":
                return


def at_work(*clients: Client) -> tuple[Client, ...]:
    for client in clients:
        client.start()
    until(lambda: all(client.answered > 20 for client in clients))
    return clients


def is_refused(service: Any) -> bool:
    try:
        service.connect().close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        pass
    return False


def test_sigterm_during_requests_fails_none_of_them(service: Any) -> None:
    clients = at_work(*(Client(service, is_fickle=i % 2 == 0) for i in range(8)))
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=START_S) == 0
    for client in clients:
        client.join(timeout=START_S)
    assert [client.failed for client in clients] == [[]] * 8


def test_no_connection_begins_at_a_listener_that_ends_and_none_that_has_begun_is_lost() -> None:
    with socket.socket() as listener, socket.socket() as early, socket.socket() as late:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        early.settimeout(10)
        early.connect(listener.getsockname())
        early.sendall(b"here")
        begin_no_more(listener)
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.connect(listener.getsockname())
        taken, _ = listener.accept()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        listener.close()
        with taken:
            assert taken.recv(4) == b"here"
            taken.sendall(b"yes")
        assert early.recv(4) == b"yes"


def test_what_the_kernel_has_accepted_before_sigterm_is_answered(service: Any) -> None:
    connections = [service.connect() for _ in range(40)]
    for connection in connections:
        connection.sendall(GOOD)
    service.process.send_signal(signal.SIGTERM)
    given = [next(answers(connection)) for connection in connections]
    for connection in connections:
        connection.close()
    assert {answer.status for answer in given} == {200}
    assert service.process.wait(timeout=START_S) == 0


def test_requests_that_are_half_sent_at_sigterm_may_be_finished_and_hear_that_it_ends(service: Any) -> None:
    asked = [GOOD, b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /v2/health/ready HTTP/1.1\r\nHost: a\r\n\r\n"]
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(service.connect()) for _ in asked]
        for connection, request in zip(connections, asked, strict=True):
            connection.sendall(request[:10])
        service.process.send_signal(signal.SIGTERM)
        until(lambda: is_refused(service))
        for connection, request in zip(connections, asked, strict=True):
            connection.sendall(request[10:])
        predicted, ready, ready_v2 = (next(answers(connection)) for connection in connections)
    assert (predicted.status, predicted.headers["connection"]) == (200, "close")
    assert (ready.status, ready.json["reasons"]) == (503, ["the service is ending"])
    assert (ready_v2.status, ready_v2.json) == (503, {"ready": False})
    assert service.process.wait(timeout=START_S) == 0


def test_a_worker_that_is_killed_takes_only_its_own_requests_along_and_is_back_soon(service: Any) -> None:
    taken_s: list[float] = []
    while not taken_s or (taken_s[-1] >= 3 and len(taken_s) < 4):  # others may keep the machine from it for a while
        clients = at_work(*(Client(service) for _ in range(4)))
        while len({client.worker for client in clients}) < 2:
            clients += at_work(Client(service))
        victim = service.all_workers()[0]
        began = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        until(lambda victim=victim: victim not in service.workers() and service.metric("ganglion_workers") == 2)
        taken_s.append(time.monotonic() - began)
        for client in clients:
            client.stopping = True
        for client in clients:
            client.join(timeout=START_S)
        failed = [worker for client in clients for worker, _ in client.failed]
        assert 1 <= len(failed) < len(clients)
        assert len(set(failed)) == 1
    assert taken_s[-1] < 3, taken_s


def test_a_killed_worker_is_replaced_and_its_counts_stay(service: Any) -> None:
    def predicted() -> Any:
        return service.metric(r'ganglion_requests_total\{.*route="/predict",status="200"')

    for _ in range(50):
        assert service.predicts()
    until(lambda: predicted() == 50)
    victim = service.all_workers()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in service.all_workers())
    for _ in range(50):
        assert service.predicts()
    until(lambda: predicted() == 100)
    until(lambda: service.metric("ganglion_workers") == 2)
    assert service.metric(r'ganglion_rows_total\{model="flowers"') == 100


def test_a_replaced_worker_serves_what_was_promoted_meanwhile(repository: Any, service: Any) -> None:
    def version() -> Any:
        return service.ask(GOOD).json["version"]

    newest = version()
    repository.promote("flowers", 1)
    try:
        victims = service.all_workers()
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        until(lambda: not set(victims) & set(service.all_workers()))
        until(lambda: version() == 1)
        assert {version() for _ in range(20)} == {1}
    finally:
        repository.promote("flowers", newest)


def test_sighup_replaces_the_workers_and_nothing_else(service: Any) -> None:
    before = service.all_workers()
    (client,) = at_work(Client(service))
    service.process.send_signal(signal.SIGHUP)
    until(lambda: not set(before) & set(service.all_workers()))
    client.stopping = True
    client.join(timeout=START_S)
    assert client.failed == []
    assert service.predicts()


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGWINCH"])
def test_other_signals_change_nothing(service: Any, name: Any) -> None:
    before = service.all_workers()
    service.process.send_signal(getattr(signal, name))
    for worker in before:
        os.kill(worker, getattr(signal, name))
    time.sleep(0.3)
    assert service.workers() == before
    assert service.predicts()


def test_ctrl_c_ends_everything_soon(service: Any) -> None:
    for process in (*service.all_workers(), service.process.pid):  # one may have begun this very moment
        os.kill(process, signal.SIGINT)
    service.process.wait(timeout=30)  # half of what running requests are given to end


SLOW_START = """
import sys, time
from service.cli import main
from service.wire.worker import EventLoopWorker
begin = EventLoopWorker.init_signals
EventLoopWorker.init_signals = lambda worker: (time.sleep(1), begin(worker))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_a_worker_is_told_while_it_begins_is_not_lost(repository: Any, number: signal.Signals) -> None:
    command = [sys.executable, "-c", SLOW_START, "serve", "--models", str(repository.root), "--bind", "127.0.0.1:0"]
    environment = {**os.environ, "GANGLION_WORKERS": "1", "GANGLION_GRACEFUL_TIMEOUT_S": "60"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            until(children.read_text)
            for pid in (*map(int, children.read_text().split()), process.pid):
                os.kill(pid, number)
            assert process.wait(timeout=30) == 0  # half of what running requests are given to end
        finally:
            process.kill()


def test_workers_end_when_their_master_is_killed(service: Any) -> None:
    workers = service.all_workers()
    service.process.kill()
    service.process.wait()
    until(lambda: not any(is_alive(pid) for pid in workers))


@pytest.mark.parametrize(
    ("bind", "sentence"),
    [
        ("taken", "another program listens there already"),
        ("127.0.0.1", "is not an address to listen on"),
        ("127.0.0.1:99999", "is not an address to listen on"),
        ("203.0.113.1:8000", "this machine has no such address"),
    ],
)
def test_an_address_that_cannot_be_had_is_said_in_plain_words(tmp_path: Any, bind: Any, sentence: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}" if bind == "taken" else bind
        command = [sys.executable, "-m", "service", "serve", "--models", str(tmp_path), "--bind", address]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=False)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_cannot_be_used_is_said_in_plain_words(tmp_path: Any) -> None:
    command = [sys.executable, "-m", "service", "serve", "--models", str(tmp_path), "--workers", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("GANGLION_WORKERS: ")
    assert "Traceback" not in done.stderr
