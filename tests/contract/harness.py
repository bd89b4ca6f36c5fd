"""Replays the contract cases: the same request through either door, answers compared with what is expected."""

import asyncio
import base64
import gzip
import json
from io import BytesIO
from pathlib import Path
from typing import Any

from service.application import Application
from service.front import call_wsgi
from tests.service.wire import Answer

CASES = Path(__file__).parent / "cases"


def load_cases() -> list[dict[str, Any]]:
    cases = []
    for path in sorted(CASES.glob("*.json")):
        cases += [case | {"id": f"{path.stem}: {case['name']}"} for case in json.loads(path.read_text("utf-8"))]
    return cases


def body_of(request: dict[str, Any]) -> bytes | None:
    """Build the bytes of a body: text, JSON, base64, or a piece repeated; gzip on top when asked for."""
    if "json" in request:
        body = json.dumps(request["json"]).encode()
    elif "base64" in request:
        body = base64.b64decode(request["base64"])
    elif "repeat" in request:
        first, piece, times, last = request["repeat"]
        body = (first + piece * times + last).encode()
    elif "body" in request:
        body = request["body"].encode()
    else:
        return None
    return gzip.compress(body) if request.get("gzip") else body


def headers_of(request: dict[str, Any], body: bytes | None) -> list[tuple[str, str]]:
    headers = {"Host": "localhost"}
    if body is not None:
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    headers |= request.get("headers", {})
    return [(name, value) for name, value in headers.items() if value is not None]


def through_flask(application: Application, request: dict[str, Any]) -> Answer:
    body = body_of(request)
    query = request.get("path", "/predict").partition("?")[2]
    raw = request.get("path", "/predict").encode().decode("latin-1")
    environ: dict[str, Any] = {"RAW_URI": raw}
    for name, value in headers_of(request, body):
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    environ |= {
        "REQUEST_METHOD": request.get("method", "POST"), "SCRIPT_NAME": "", "PATH_INFO": raw.partition("?")[0],
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": BytesIO(body or b""), "wsgi.errors": BytesIO(),
        "wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False,
    }  # fmt: skip
    # The test client would correct a wrong Content-Length, so the application is called as a server does.
    status, pairs, answered = call_wsgi(application.flask, environ)
    return Answer(status, {name.decode(): value.decode() for name, value in pairs}, answered)


def through_front(application: Application, request: dict[str, Any]) -> Answer:
    return asyncio.run(ask_front(application, request))


async def ask_front(application: Application, request: dict[str, Any]) -> Answer:
    body = body_of(request)
    target = request.get("path", "/predict")
    path, _, query = target.partition("?")
    scope = {
        "type": "http", "method": request.get("method", "POST"), "path": path, "raw_path": path.encode(),
        "query_string": query.encode(), "http_version": "1.1", "scheme": "http", "server": ("localhost", 80),
        "headers": [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers_of(request, body)],
    }  # fmt: skip
    content = body or b""
    half = len(content) // 2
    arriving = [
        {"type": "http.request", "body": content[:half], "more_body": True},
        {"type": "http.request", "body": content[half:], "more_body": False},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return arriving.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await application.front(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    answered = b"" if scope["method"] == "HEAD" else sent[1]["body"]
    return Answer(sent[0]["status"], headers, answered)


def check(answer: Answer, expected: dict[str, Any]) -> None:
    """Compare an answer with what a case expects of it."""
    assert answer.status == expected["status"], answer
    for name in ("x-request-id", "x-content-type-options", "cache-control"):
        assert name in answer.headers, answer
    for name, value in expected.get("headers", {}).items():
        assert answer.headers.get(name.lower()) == value, (name, answer)
    if "body" in expected:
        assert json.loads(answer.body) == expected["body"], answer
    if "text" in expected:
        assert expected["text"] in answer.body.decode(), answer
    if "fault" in expected:
        found = json.loads(answer.body)["errors"][0]
        assert {key: found[key] for key in expected["fault"]} == expected["fault"], answer
    if "empty" in expected:
        assert answer.body == b"", answer
    if "count" in expected:
        assert json.loads(answer.body)["count"] == expected["count"], answer
    for pointer, value in expected.get("at", {}).items():
        assert at(json.loads(answer.body), pointer) == value, (pointer, answer)


def check_fault(answer: Answer, path: str) -> None:
    """Check that an error has the shape of the protocol that the path belongs to."""
    if answer.status < 400 or not answer.body:
        return
    if path.lower().startswith(("/v1/", "/v2/")) or path == "/v2":
        assert json.loads(answer.body).keys() == {"error"}, answer
    elif path == "/invocations" and answer.status == 415:
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    elif path == "/invocations":
        assert json.loads(answer.body).keys() == {"error_code", "message"}, answer
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.body)["instance"] == answer.headers["x-request-id"]


def at(document: Any, pointer: str) -> Any:
    """Resolve a JSON pointer."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document
