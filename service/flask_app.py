"""The Flask application: every route, complete by itself under any WSGI server."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask
from flask import Response as FlaskResponse
from flask import request as flask_request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from service.life import Life
from service.messages import Request, request_id, response_headers
from service.pipeline import Pipeline
from service.problems import Problem
from service.router import Router
from service.settings import Settings

__all__ = ["create_flask"]

UNREADABLE = (OSError, ValueError, EOFError, ParseException)
WITH_BODY = ("POST", "PUT", "PATCH")
PIECE = 65536


def create_flask(settings: Settings, router: Router, pipeline: Pipeline, life: Life) -> Flask:
    """Mount every route on a Flask application."""
    app = Flask("service", static_folder=None)
    app.url_map.merge_slashes = False

    def answer(**_parts: str) -> FlaskResponse:
        life.start()
        return _answer(pipeline, router, life.ids, settings.max_body_bytes)

    def answer_unmatched(_error: HTTPException) -> FlaskResponse:
        return answer()

    methods: dict[str, list[str]] = {}
    for route in router.routes:
        methods.setdefault(route.template, []).append(route.method)
    for template, allowed in methods.items():
        app.add_url_rule(template, template, answer, methods=allowed, provide_automatic_options=False)
    # Whatever Flask's own routing would say of a path or method, ours has the last word on.
    app.register_error_handler(HTTPException, answer_unmatched)
    return app


def _answer(pipeline: Pipeline, router: Router, ids: Iterator[str], limit: int) -> FlaskResponse:
    environ = flask_request.environ
    request = _request(environ, ids)
    request.match = router.match(request.path)
    is_needed = request.match is not None and request.match.needs_body(request.method)
    try:
        request.body = _body(environ, limit, is_needed=is_needed)
    except Problem as problem:
        response = pipeline.refuse(request, problem)
    else:
        response = pipeline.respond(request)
    answer = FlaskResponse(response.body, response.status)
    answer.headers.clear()
    for name, value in response_headers(request, response):
        answer.headers.add(name.decode("latin-1"), value.decode("latin-1"))
    return answer


def _request(environ: Mapping[str, Any], ids: Iterator[str]) -> Request:
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    target: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ.get("PATH_INFO", "/")
    return Request(
        method=environ["REQUEST_METHOD"],
        path=_path(target),
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        body=b"",
        id=request_id(headers.get("x-request-id"), ids),
        received=time.monotonic(),
    )


def _path(target: str) -> str:
    """Return the undecoded path of a request target, which a proxy may send with a scheme and a host."""
    if target.startswith(("http://", "https://")):
        target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"  # noqa: PLR2004 - "http://host/path"
    return target.partition("?")[0]


def _body(environ: Mapping[str, Any], limit: int, *, is_needed: bool) -> bytes:
    """Read the body to its end: 411 without any length, 413 beyond the limit, 400 when it breaks off."""
    length: str = environ.get("CONTENT_LENGTH") or ""
    is_chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    if not length and not is_chunked:
        if is_needed and environ["REQUEST_METHOD"] in WITH_BODY:
            raise Problem(411, "A body needs a Content-Length, or the chunked transfer coding.")
        return b""
    if is_chunked:
        body = _read(environ["wsgi.input"], limit + 1)
    else:
        if not (length.isascii() and length.isdigit()):
            raise Problem(400, "The Content-Length is not a number.")
        if int(length) > limit:
            raise Problem(413, f"The body is longer than {limit} bytes.")
        body = _read(environ["wsgi.input"], int(length))
        if len(body) < int(length):
            raise Problem(400, "The body is shorter than its Content-Length.")
    if len(body) > limit:
        raise Problem(413, f"The body is longer than {limit} bytes.")
    return body


def _read(stream: Any, most: int) -> bytes:
    pieces: list[bytes] = []
    left = most
    try:
        while left and (piece := stream.read(min(left, PIECE))):
            pieces.append(piece)
            left -= len(piece)
    except UNREADABLE as error:
        raise Problem(400, "The body cannot be read: its framing is broken.") from error
    return b"".join(pieces)
