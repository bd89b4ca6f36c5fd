"""Drift is told to a webhook: once, signed, to nobody else, and never in the way of an answer."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service.application import create_observer
from service.observing.logs import LogWriter
from service.observing.webhook import Webhook, WebhookError
from service.settings import SettingsError, load_settings
from service.sharing.memory import FILE, Memory
from tests.contract.harness import through_front
from tests.service import models
from tests.service.test_metrics import samples
from tests.service.wire import START_S, running, until

DRIFTED = [[1.0, 1.0, 1.0, 1.0]] * 60  # half of what training had
SECRET = b"not to be told"


class Receiver:
    """A real HTTP server on the loopback that keeps what it is sent; `answer` says what it does."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.delay_s = 0.0
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.location = ""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((self.path, dict(self.headers), body))
                time.sleep(receiver.delay_s)
                receiver.goes_on.wait(timeout=START_S)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


@pytest.fixture
def alarmed(build: Any, receiver: Receiver, tmp_path: Any) -> Iterator[Callable[..., Any]]:
    """Build an application that tells the receiver of drift; its alarm is looked at by hand."""
    with (tmp_path / "log").open("w") as log:

        def made(**settings: Any) -> Any:
            given = {"drift_webhook": receiver.url + "/hook", "drift_webhook_rows": 50} | settings
            observer = create_observer(load_settings(**given), LogWriter(log))
            return build(observer, **given)

        yield made


def ask(application: Any, rows: Any = DRIFTED) -> None:
    assert through_front(application, {"json": {"instances": rows}}).status == 200


def events(application: Any, event: str) -> float:
    found = samples(application.runtime.observer)
    return float(found.get(("ganglion_events_total", (("event", event), ("model", "flowers"))), 0.0))


def test_drift_is_told_once_in_the_form_of_a_repository_dispatch(
    alarmed: Any, receiver: Receiver, tmp_path: Any
) -> None:
    (tmp_path / "token").write_text("t0ken\n")
    (tmp_path / "secret").write_bytes(SECRET)
    files = {"drift_webhook_token_file": tmp_path / "token", "drift_webhook_secret_file": tmp_path / "secret"}
    application = alarmed(**files)
    ask(application)
    for _ in range(3):
        application.alarm.look()
    ((path, headers, body),) = receiver.posts
    sent = json.loads(body)
    assert (path, sent["event_type"]) == ("/hook", "ganglion-drift")
    told = sent["client_payload"]
    assert (told["model"], told["version"], told["rows"], told["window"]) == ("flowers", 3, 60, "1h")
    assert {feature["name"] for feature in told["features"]} == set(models.FLOWER_NAMES)
    assert all(feature["psi"] > 0.25 for feature in told["features"])
    assert len(told) <= 10, "GitHub takes no more properties"
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    assert (events(application, "webhook_sent"), events(application, "webhook_failed")) == (1, 0)
    log = (tmp_path / "log").read_text()
    (line,) = [line for line in map(json.loads, log.splitlines()) if line["message"] == "drift was told to the webhook"]
    assert (line["model"], line["version"], line["host"], line["status"]) == ("flowers", 3, "127.0.0.1", 204)
    assert "t0ken" not in log


def test_rows_as_in_training_and_too_few_rows_tell_nothing(alarmed: Any, receiver: Receiver) -> None:
    application = alarmed()
    ask(application, [[1.0, 1.0, 1.0, 1.0], [5.0, 5.0, 5.0, 5.0]] * 30)
    application.alarm.look()
    few = alarmed(drift_webhook_rows=61)
    ask(few)
    few.alarm.look()
    assert receiver.posts == []


def test_of_several_that_look_at_once_one_sends(alarmed: Any, receiver: Receiver) -> None:
    application = alarmed()
    ask(application)
    threads = [threading.Thread(target=application.alarm.look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.posts) == 1


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_restart_does_not_send_again_where_there_is_a_folder(
    alarmed: Any, receiver: Receiver, tmp_path: Any, *, is_kept: bool
) -> None:
    for _ in range(2):
        application = alarmed(**({"state": tmp_path / "state"} if is_kept else {}))
        ask(application)
        application.alarm.look()
    assert len(receiver.posts) == (1 if is_kept else 2)


def test_after_the_interval_it_is_told_again(alarmed: Any, receiver: Receiver) -> None:
    application = alarmed(drift_webhook_interval_s=0.2)
    ask(application)
    until(lambda: (application.alarm.look(), len(receiver.posts) >= 2)[1])


def test_what_failed_is_tried_again_sooner(
    alarmed: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr("service.observing.alarm.RETRY_S", 0.2)
    receiver.statuses = [403]
    application = alarmed()
    ask(application)
    application.alarm.look()
    assert (events(application, "webhook_sent"), events(application, "webhook_failed")) == (0, 1)
    until(lambda: (application.alarm.look(), len(receiver.posts) == 2)[1])
    assert events(application, "webhook_sent") == 1
    assert "it answered 403" in (tmp_path / "log").read_text()


def test_passing_trouble_is_met_by_three_attempts(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.observing.webhook.FIRST_WAIT_S", 0.01)
    receiver.statuses = [503, 500]
    assert Webhook(receiver.url).send("e", {}) == 204
    assert len(receiver.posts) == 3
    receiver.statuses = [500] * 9
    with pytest.raises(WebhookError, match="it answered with an error at every attempt"):
        Webhook(receiver.url).send("e", {})
    assert len(receiver.posts) == 6


def test_nothing_is_sent_where_a_redirect_points(receiver: Receiver) -> None:
    other = Receiver()
    try:
        receiver.statuses, receiver.location = [307], other.url
        with pytest.raises(WebhookError, match="it answered 307"):
            Webhook(receiver.url, "t0ken").send("e", {})
        assert (len(receiver.posts), other.posts) == (1, [])
    finally:
        other.close()


def test_a_receiver_that_hangs_or_is_not_there_is_given_up(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.observing.webhook.TIMEOUTS_S", (1.0, 0.05))
    monkeypatch.setattr("service.observing.webhook.FIRST_WAIT_S", 0.01)
    receiver.delay_s = 0.5
    with pytest.raises(WebhookError, match=r"there is no connection to it|it did not answer in time"):
        Webhook(receiver.url).send("e", {})
    with pytest.raises(WebhookError, match="there is no connection to it") as told:
        Webhook("http://127.0.0.1:9/{token}", "t0ken").send("e", {})
    assert "t0ken" not in str(told.value)


def test_a_token_goes_where_the_url_says_and_a_netrc_is_not_heard(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    webhook = Webhook(receiver.url + "/trigger?token={token}&ref=main", "a/b&c")
    webhook.send("e", {})
    Webhook(receiver.url, "plain").send("e", {})
    (first, headers, _), (_, others, _) = receiver.posts
    assert first == "/trigger?token=a%2Fb%26c&ref=main"
    assert "Authorization" not in headers
    assert others["Authorization"] == "Bearer plain"
    assert "a/b&c" not in repr(webhook)


def settled(tmp_path: Any, **settings: Any) -> Any:
    (tmp_path / "token").write_text("t0ken")
    (tmp_path / "empty").write_text(" \n")
    return load_settings(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"drift_webhook": "ftp://a"}, "GANGLION_DRIFT_WEBHOOK"),
        ({"drift_webhook": "http://a.example", "drift_webhook_token_file": "token"}, "over https only"),
        ({"drift_webhook": "https://a", "drift_webhook_token_file": "empty"}, "TOKEN_FILE holds no line"),
        (
            {"drift_webhook": "https://a", "drift_webhook_secret_file": "nothing"},
            "SECRET_FILE names a file that cannot",
        ),
        ({"drift_webhook": "https://a", "drift": False}, "there is nothing to tell"),
        ({"state": "token"}, "GANGLION_STATE names a folder that cannot be written"),
    ],
)
def test_settings_that_make_no_sense_stop_the_start(tmp_path: Any, settings: Any, message: str) -> None:
    given = {name: tmp_path / value if name.endswith(("_file", "state")) else value for name, value in settings.items()}
    with pytest.raises(SettingsError, match=message):
        settled(tmp_path, **given)


def test_a_memory_that_was_cut_short_begins_anew(tmp_path: Any) -> None:
    memory = Memory(tmp_path / "state")
    with memory.changing() as known:
        known["a"] = {"b": 1.5}
    assert Memory(tmp_path / "state").read() == {"a": {"b": 1.5}}
    for text in ('{"a": {"b', "[]", ""):
        (tmp_path / "state" / FILE).write_text(text)
        assert memory.read() == {}


def test_the_service_answers_while_the_receiver_hangs(tmp_path: Any, receiver: Receiver) -> None:
    receiver.goes_on.clear()
    models.filled_repository(tmp_path / "models")
    body = json.dumps({"instances": DRIFTED}).encode()
    asked = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    settings = {"drift_webhook": receiver.url, "drift_webhook_interval_s": 10, "drift_webhook_rows": 50}
    with running(tmp_path / "models", workers=2, **settings) as service:
        until(lambda: (service.ask(asked), receiver.posts)[1])
        assert [service.ask(asked).status for _ in range(10)] == [200] * 10
        receiver.goes_on.set()
        until(lambda: service.metric('ganglion_events_total{event="webhook_sent"') >= 1)
