"""The ASGI front: reads each body to its end, predicts directly, hands every other request to the Flask app."""

import asyncio
import io
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

from service.bodies.plain import reads_soon
from service.life import Life
from service.messages import WHOLE_BODY, Request, Response, request_id, response_headers
from service.pipeline import Pipeline
from service.problems import Problem
from service.router import Match, Router
from service.settings import Settings
from service.wire.heads import Head

__all__ = ["Front"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Wsgi = Callable[..., Iterable[bytes]]
Then = Callable[[Request, Response], None]

WITH_BODY = ("POST", "PUT", "PATCH")
CLOSE = (b"connection", b"close")
FLASK_THREADS = 4
NONE: dict[str, Any] = {}


class Plan(NamedTuple):
    """What all requests with one header section have in common; `is_direct` when they are predictions with a body."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    id: str | None
    match: Match | None
    is_direct: bool


class Front:
    """The door that an event-loop server calls."""

    def __init__(self, settings: Settings, router: Router, pipeline: Pipeline, life: Life, wsgi: Wsgi) -> None:
        self._pipeline = pipeline
        self._life = life
        self._wsgi = wsgi
        self._limit = settings.max_body_bytes
        self._timeout_s = settings.body_timeout_s
        self._thread_bytes = settings.thread_bytes
        self._traces_all = settings.traces_endpoint is not None
        self._match = router.match
        self._pool: ThreadPoolExecutor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's request, or follow the server's start and end."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    def direct(self, head: Head, body: bytes, then: Then) -> bool:
        """Begin to answer a prediction whose body has arrived whole; False when the request must go the long way.

        For a server that calls back: without a task and its turns of the loop, a small request costs a sixth less.
        `then` gets the request and the response: later, never before this returns.
        """
        plan = self._plan_of(head)
        if not plan.is_direct:
            return False
        if not reads_soon(body, self._thread_bytes) and not self._pipeline.busy_s(plan.path, len(body)):
            return False  # for a thread; to be refused it needs none
        self._pipeline.respond_soon(self._request(plan, body), then)
        return True

    def tell_when_full(self, then: Callable[[], None]) -> None:
        """Call `then` whenever a request is refused because there is too much to do, from any thread."""
        self._pipeline.on_full = then

    def busy_s(self, head: Head, size: int) -> int:
        """Return after how many seconds to ask again if a request would be refused whatever its body of `size` holds.

        0 where that cannot be told from the head and the size.
        """
        plan = head.plan or self._plan_of(head)
        if not plan.is_direct or self._traces_all:
            return 0
        return self._pipeline.busy_s(plan.path, size)

    def refusal(self, head: Head, busy_s: int, given_id: str) -> tuple[Request, Response]:
        """Return the answer to a request that `busy_s` has told of, as if it came with an id; nothing is noted."""
        plan: Plan = head.plan
        request = self._request(plan._replace(id=given_id), b"")
        return request, self._pipeline.refusal(request, busy_s)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._life.start()
        raw: bytes | None = scope.get("raw_path")
        path = scope["path"] if raw is None else raw.decode("latin-1").partition("?")[0]
        request = self._request(self._plan(scope["method"], path, scope["query_string"], scope["headers"]), b"")
        extra: tuple[tuple[bytes, bytes], ...] = ()
        try:
            request.body = await self._body(scope, request, receive)
            request.ready = time.monotonic()
        except Problem as problem:
            extra = (CLOSE,)  # what is left of the body would be read as the next request
            response = self._pipeline.refuse(request, problem)
        else:
            match = request.match
            route = match and match.routes.get(request.method)
            if not route or not route.is_prediction:
                await self._hand_over(scope, request, send)
                return
            if not reads_soon(request.body, self._thread_bytes):
                response = await self._pipeline.respond_in_thread(request)
            else:
                future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
                self._pipeline.respond_soon(request, partial(_settle, future))
                response = await future
        await _send(send, request, response, extra)

    def _plan_of(self, head: Head) -> "Plan":
        plan: Plan | None = head.plan
        if plan is None:
            plan = head.plan = self._plan(head.method, head.path.decode("latin-1"), head.query, head.headers)
        return plan

    def _plan(self, method: str, path: str, query: bytes, pairs: list[tuple[bytes, bytes]]) -> "Plan":
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
        if len(headers) != len(pairs):
            headers = _joined(pairs)
        match = self._match(path)
        route = match and match.routes.get("POST")
        is_sized = "content-length" in headers or "transfer-encoding" in headers
        is_direct = bool(route and route.is_prediction) and method == "POST" and is_sized
        return Plan(method, path, query.decode("latin-1"), headers, headers.get("x-request-id"), match, is_direct)

    def _request(self, plan: "Plan", body: bytes) -> Request:
        return Request(
            plan.method,
            plan.path,
            plan.query,
            plan.headers,
            body,
            request_id(plan.id, self._life.ids),
            time.monotonic(),
            match=plan.match,
        )

    async def _body(self, scope: Scope, request: Request, receive: Receive) -> bytes:
        """Read the body to its end: 411 without any length, 413 beyond the limit, 408 when it takes too long."""
        length = request.headers.get("content-length")
        if length is None:
            if "transfer-encoding" not in request.headers:
                if request.method in WITH_BODY and request.match and request.match.needs_body(request.method):
                    raise Problem(411, "A body needs a Content-Length, or the chunked transfer coding.")
                return b""
        elif not (length.isascii() and length.isdigit()):
            raise Problem(400, "The Content-Length is not a number.")
        elif int(length) > self._limit:
            raise Problem(413, f"The body is longer than {self._limit} bytes.")
        whole: bytes | None = scope.get("extensions", NONE).get(WHOLE_BODY)
        body = await self._timely(receive) if whole is None else whole
        if len(body) > self._limit:
            raise Problem(413, f"The body is longer than {self._limit} bytes.")
        if length is not None and len(body) != int(length):
            raise Problem(400, "The body is shorter than its Content-Length.")
        return body

    async def _timely(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._pieces(receive)
        except TimeoutError as error:
            raise Problem(408, "The body did not arrive in time.") from error

    async def _pieces(self, receive: Receive) -> bytes:
        message = await receive()
        pieces: list[bytes] = [message.get("body", b"")]
        total = len(pieces[0])
        while message["type"] == "http.request" and message.get("more_body", False):
            if total > self._limit:
                raise Problem(413, f"The body is longer than {self._limit} bytes.")
            message = await receive()
            piece = message.get("body", b"")
            pieces.append(piece)
            total += len(piece)
        if message["type"] != "http.request":
            raise Problem(400, "The body is shorter than its Content-Length.")
        return b"".join(pieces)

    async def _hand_over(self, scope: Scope, request: Request, send: Send) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(FLASK_THREADS, thread_name_prefix="flask")
        loop = asyncio.get_running_loop()
        status, headers, body = await loop.run_in_executor(
            self._pool, call_wsgi, self._wsgi, environ_of(scope, request)
        )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._life.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._life.stop()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
        await send({"type": "lifespan.shutdown.complete"})


def _joined(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Join the fields of one name by commas, in their order."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _settle(future: "asyncio.Future[Response]", _request: Request, response: Response) -> None:
    if not future.done():
        future.set_result(response)


async def _send(send: Send, request: Request, response: Response, extra: Iterable[tuple[bytes, bytes]]) -> None:
    headers = response_headers(request, response)
    headers.extend(extra)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def environ_of(scope: Scope, request: Request) -> dict[str, Any]:
    """Build the WSGI environment of a request whose body is read."""
    server = scope.get("server") or ("localhost", 80)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8", "surrogateescape").decode("latin-1"),
        "RAW_URI": request.path,
        "QUERY_STRING": request.query,
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in request.headers.items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ["HTTP_X_REQUEST_ID"] = request.id
    if environ.pop("HTTP_CONTENT_LENGTH", None) is not None or request.body:
        environ["CONTENT_LENGTH"] = str(len(request.body))
    elif request.method in WITH_BODY:
        environ["CONTENT_LENGTH"] = "0"  # an empty chunked body
    return environ


def call_wsgi(wsgi: Wsgi, environ: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Call a WSGI application to its end; return the status, the headers and the body."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
        started[:] = [int(status[:3]), headers]

    answer = wsgi(environ, start_response)
    try:
        body = b"".join(answer)
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
    status, headers = started
    return status, [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers], body
