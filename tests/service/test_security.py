"""What other servers have been broken by, tried here; and the page that lists it names tests that exist."""

import base64
import io
import pickle
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.contract.harness import through_front
from tests.service import models
from tests.service.wire import GOOD, answers, asking, running, until

ROOT = Path(__file__).parents[2]
DANGEROUS = (
    "open",
    "os.",
    "shutil.",
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.",
    "pickle.",
    "urllib.",
    "exec",
)
_watched: list[str] | None = None


def _hook(event: str, arguments: Any) -> None:
    if _watched is not None and event.startswith(DANGEROUS):
        _watched.append(f"{event} {arguments!r:.200}")


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collect what any thread opens, starts, connects to, unpickles or executes."""
    global _watched  # noqa: PLW0603 - the interpreter keeps audit hooks for ever
    if not getattr(watched, "is_hooked", False):
        sys.addaudithook(_hook)
        watched.is_hooked = True  # type: ignore[attr-defined]
    _watched = []
    try:
        yield _watched
    finally:
        _watched = None


class Gadget:
    def __reduce__(self) -> Any:
        return (eval, ("__import__('os').getpid()",))


def pickled_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([[Gadget()]], dtype=object), allow_pickle=True)
    return file.getvalue()


URL = "http://127.0.0.1:1/x"
HOSTILE = [
    {"path": "/models/..%2f..%2fetc%2fpasswd/predict", "json": {"instances": [models.FLOWER_ROW]}},
    {"path": "/models/../../etc/passwd/predict", "json": {}},
    {"path": "/models/flowers/versions/..%2f1/predict", "json": {}},
    {"path": "/v1/models/..%2fx:predict", "json": {}},
    {"path": "/v2/models/%2e%2e/infer", "json": {}},
    {"path": "/assets/..%2f..%2fsettings.py", "method": "GET"},
    {"json": {"instances": [models.FLOWER_ROW], "uri": URL, "url": URL, "file": "/etc/passwd"}},
    {"json": {"instances": [[URL] * 4]}},
    {"path": "/v2/models/flowers/infer", "json": {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32",
     "parameters": {"shared_memory_region": "/etc/passwd", "shared_memory_byte_size": 16}}]}},
    {"path": "/invocations", "json": {"instances": [models.FLOWER_ROW], "params": {"url": URL}}},
    {"base64": base64.b64encode(pickle.dumps(Gadget())).decode()},
    {"base64": base64.b64encode(pickle.dumps(Gadget())).decode(), "headers": {"Content-Type": "application/x-npy"}},
    {"base64": base64.b64encode(pickled_array()).decode(), "headers": {"Content-Type": "application/x-npy"}},
    {"json": {"instances": [{"__class__": "os.system", "py/object": "os.system", "$ref": URL}]}},
]  # fmt: skip


@pytest.mark.parametrize("request_", HOSTILE, ids=lambda request: str(request.get("path", request.get("headers", ""))))
def test_no_request_opens_connects_unpickles_or_executes_anything(build: Any, request_: Any) -> None:
    application = build(reload_interval_s=1000)
    through_front(application, {"json": {"instances": [models.FLOWER_ROW]}})
    through_front(application, request_)  # what a first request imports is no concern
    found: list[list[str]] = []
    # What a request causes it causes each time; the reloader's first look at the repository comes once.
    while len(found) < 3 and (not found or found[-1]):
        with watched() as seen:
            answer = through_front(application, request_)
        # The event loop of this very test makes a pair of sockets.
        found.append([event for event in seen if "socketpair" not in event])
    assert found[-1] == []
    assert answer.status in {400, 404, 405, 415, 422}
    assert b"/etc/passwd" not in answer.body or "json" in request_
    assert b"Traceback" not in answer.body


def test_a_line_break_in_what_a_client_sends_is_no_line_of_the_log(tmp_path: Any) -> None:
    forged = '%0a{"level":"info","message":"forged"}'
    with running(models.filled_repository(tmp_path).root, workers=1) as service:
        service.get(f"/models/{forged}/predict")
        service.ask(
            b'POST /predict HTTP/1.1\r\nHost: a\r\nX-Request-Id: a"}{"message":"forged"}\r\nContent-Length: 2\r\n\r\n{}'
        )
        until(lambda: len([line for line in service.lines() if line.get("message") == "request"]) >= 2)
        assert not any(line.get("message") == "forged" for line in service.lines())


def test_no_header_tells_what_the_server_is_made_of(tmp_path: Any) -> None:
    allowed = {"content-length", "content-type", "x-request-id", "x-content-type-options", "cache-control", "date",
               "connection", "content-security-policy", "referrer-policy", "allow", "retry-after"}  # fmt: skip
    telling = re.compile(r"python|flask|werkzeug|gunicorn|uvloop|numpy|\d+\.\d+\.\d+", re.IGNORECASE)
    with running(models.filled_repository(tmp_path).root, workers=1) as service:
        pages = ("/", "/docs", "/models", "/healthz", "/metrics", "/openapi.json", "/nothing", "/v1/nothing", "/v2")
        for answer in (service.ask(GOOD), *map(service.get, pages)):
            assert answer.headers.keys() <= allowed
            assert not any(
                telling.search(f"{name}: {text}") for name, text in answer.headers.items() if name != "content-type"
            )
            assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == (
                "nosniff",
                "no-store",
            )
        malformed = service.ask(b"NONSENSE\r\n\r\n")
        assert malformed.headers.keys() <= allowed


def test_no_result_crosses_to_another_client(tmp_path: Any) -> None:
    with running(models.filled_repository(tmp_path).root, workers=2) as service:
        connections = [service.connect() for _ in range(24)]
        given = [answers(connection) for connection in connections]
        rows = [[i / 10, 1.0, i / 20, 0.5] for i in range(24)]
        alone = [service.ask(asking([row])).json["probabilities"] for row in rows]
        for turn in range(20):
            for i, connection in enumerate(connections):
                connection.sendall(asking([rows[(i + turn) % 24]]))
            for i, one in enumerate(given):
                assert next(one).json["probabilities"] == alone[(i + turn) % 24]
        for connection in connections:
            connection.close()
        assert service.ask(GOOD).status == 200


def test_the_page_names_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.(?:py|json))(?:::(\w+))?`", text)
    assert len(named) > 20
    for path, test in named:
        assert (ROOT / path).is_file(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), test
