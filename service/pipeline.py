"""What surrounds every route, once: finding it, access, limits, negotiation, errors, metrics, the log line."""

import asyncio
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import NDArray

from service.bodies.answers import NotFiniteError
from service.bodies.negotiation import check_accept, check_content_type, chosen_encoding, decoded, encoded
from service.computing.admission import FullError, LateError, retry_after_s
from service.computing.batching import Batcher, Product, Work
from service.computing.turns import Turns
from service.guard import Guard
from service.keys import LimitError
from service.messages import Request, Response
from service.observer import ShedReason
from service.observing.traces import TRACEPARENT, Tracer
from service.problems import Problem
from service.router import Match, Route, Router
from service.runtime import Runtime
from service.truth.logbook import FullLogError
from service.versions.catalog import NotReadyError, NotServedError, Served
from service.versions.choosing import shadow_for
from service.versions.mirror import Mirror

__all__ = ["Pipeline"]

METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"})
UNMATCHED = "unmatched"
BUSY = [("retry-after", "1")]
TIMEOUT = "x-request-timeout-ms"
TIMEOUT_MS = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
COMPRESSED_BYTES = 1024  # shorter answers travel in one packet anyhow
ROW_BYTES = 64  # of a body, to tell about how many rows it holds before it is read

SHED: dict[type[Exception], tuple[int, ShedReason]] = {
    FullError: (429, "full"), LimitError: (429, "limit"), LateError: (504, "late"),
}  # fmt: skip

Infer = Callable[[Served, NDArray[Any], float], Product]
Then = Callable[[Request, Response], None]


class Pipeline:
    """Turns requests into responses; it never raises for anything that a request can cause."""

    def __init__(
        self,
        runtime: Runtime,
        router: Router,
        batcher: Batcher,
        guard: Guard,
        tracer: Tracer,
        *,
        mirror: Mirror | None = None,
    ) -> None:
        settings = runtime.settings
        self._runtime = runtime
        self._router = router
        self._guard = guard
        self._tracer = tracer
        self._observer = runtime.observer
        self._observe = runtime.drift.observe if runtime.drift else None
        self._traces_all = settings.traces_endpoint is not None
        self._keep = runtime.logbook.keep if runtime.logbook else None
        self._shadows = bool(runtime.shadow.rules)
        self._mirror = mirror
        self._batcher = batcher
        self._admission = batcher.admission
        self._turns = Turns(self._take_up_late, settings.max_wait_s)
        self._deadline_s = settings.deadline_s
        self._limit = settings.max_body_bytes
        self._max_rows = settings.max_rows
        self.on_full: Callable[[], None] | None = None  # called from any thread when there is too much to do

    def respond(self, request: Request, infer: Infer | None = None) -> Response:
        """Answer on the calling thread; `infer` computes, by default with admission."""
        try:
            outcome = self._begin(request)
            if isinstance(outcome, Work):
                request.decoded = time.monotonic()
                compute = infer or self._batcher.compute
                outcome = self._answered(request, outcome, compute(outcome.served, outcome.X, request.deadline))
        except Exception as error:  # noqa: BLE001 - the last line of defence: any fault becomes an answer
            outcome = self._failed(request, error)
        return self._finished(request, outcome)

    def respond_soon(self, request: Request, then: Then) -> None:
        """Answer from the event loop, sharing the computation with the requests of the same turn.

        `then` gets both: later, never before this returns.
        """
        try:
            self._admission.check(request.path, len(request.body))
            if self._turns.must_wait(self._batcher.began, request.received):
                request.deadline = self._deadline(request)
                self._turns.put_off(request, then)
                return
        except (FullError, Problem) as error:
            self._refuse_soon(request, error, then)
        else:
            self._take_up(request, then)

    def busy_s(self, path: str, size: int) -> int:
        """Return after how many seconds to ask again if a prediction would be refused whatever it holds, else 0."""
        admission = self._admission
        if admission.is_full(path, size):
            return retry_after_s(admission.seconds)
        return retry_after_s(self._turns.wait_s) if self._turns.is_full else 0

    def refusal(self, request: Request, busy_s: int) -> Response:
        """Word the answer to a prediction that is refused for so many seconds; it is neither counted nor logged."""
        return self._worded(request, problem_of(FullError(busy_s)))

    def _refuse_soon(self, request: Request, error: Exception, then: Then) -> None:
        asyncio.get_running_loop().call_soon(then, request, self._finished(request, self._failed(request, error)))

    def _take_up_late(self, request: Request, then: Then) -> None:
        """Take up what had to wait, unless it is too late for it."""
        if request.deadline < time.monotonic():
            self._refuse_soon(request, LateError(self._admission.retry_after_s), then)
        else:
            self._take_up(request, then)

    def _take_up(self, request: Request, then: Then) -> None:
        size = len(request.body)
        try:
            outcome = self._begin(request)
            if isinstance(outcome, Work):
                request.decoded = time.monotonic()
                after = partial(self._computed, request, outcome, then)
                self._batcher.enqueue(outcome.served, outcome.X, request.deadline, after)
                return
        except Exception as error:  # noqa: BLE001 - the last line of defence: any fault becomes an answer
            if isinstance(error, FullError) and error.is_for_all:
                self._admission.note_refused(request.path, size)
            outcome = self._failed(request, error)
        asyncio.get_running_loop().call_soon(then, request, self._finished(request, outcome))

    def _computed(self, request: Request, work: Work, then: Then, product: Product | Exception) -> None:
        if isinstance(product, Exception):
            response = self._failed(request, product)
        else:
            try:
                response = self._answered(request, work, product)
            except Exception as error:  # noqa: BLE001 - the last line of defence: any fault becomes an answer
                response = self._failed(request, error)
        then(request, self._finished(request, response))

    def _answered(self, request: Request, work: Work, product: Product) -> Response:
        A, started, ended, shared = product
        begun = time.monotonic()
        response = work.finish(A)
        if "accept-encoding" in request.headers and len(response.body) >= COMPRESSED_BYTES:
            self._compress(request, response)
        encoding = time.monotonic() - begun
        decoded = request.decoded
        request.stages = (decoded - request.received, started - decoded, ended - started, encoding, shared)
        if work.cells is not None:
            if self._observe is not None:
                self._observe(work.served, work.cells, A)
            if self._keep is not None:
                self._keep(request, work, A)
            if self._shadows:
                self._compare(request, work, A)
        return response

    def _compress(self, request: Request, response: Response) -> None:
        chosen = chosen_encoding(request.headers["accept-encoding"])
        if chosen is not None and request.match.routes[request.method].dialect.compresses:
            response.body = encoded(response.body, chosen)
            response.headers = [*response.headers, ("content-encoding", chosen), ("vary", "accept-encoding")]

    def _compare(self, request: Request, work: Work, A: NDArray[Any]) -> None:
        runtime = self._runtime
        other = shadow_for(request, runtime.registry.catalog, runtime.shadow.rules)
        if other is not None:
            runtime.shadow.offer(work.served, other, work.cells, A)

    async def respond_in_thread(self, request: Request) -> Response:
        """Answer a large body from a thread, so that small requests do not queue behind its reading."""
        size = len(request.body)
        # Rows may be wide: no body has more of them than a request may have.
        rows = min(self._max_rows, max(1, size // ROW_BYTES))
        load = self._admission.of_bytes(size, rows)

        def work() -> Response:
            started = time.monotonic()
            response = self.respond(request, self._batcher.infer)
            self._admission.learn_bytes(size, time.monotonic() - started)
            return response

        try:
            return await self._batcher.offload(work, load, self._deadline(request))
        except (FullError, LateError, Problem) as error:
            if isinstance(error, FullError) and error.is_for_all:
                self._admission.note_refused(request.path, size)
            return self._finished(request, self._failed(request, error))

    def _deadline(self, request: Request) -> float:
        """Return when the answer to a request must be ready; Problem 400 when it asks for something that is no time."""
        asked = request.headers.get(TIMEOUT)
        patience_s = self._deadline_s if asked is None else self._asked(asked)
        return (request.ready or request.received) + patience_s

    def _asked(self, text: str) -> float:
        if not TIMEOUT_MS.fullmatch(text):
            raise Problem(400, "X-Request-Timeout-Ms is not a whole number of milliseconds from 1 to 999999999.")
        return min(self._deadline_s, int(text) / 1000)

    def refuse(self, request: Request, problem: Problem) -> Response:
        """Answer a request that went wrong before its body was read."""
        if request.match is None:
            request.match = self._router.match(request.path)
        return self._finished(request, self._failed(request, problem))

    def _begin(self, request: Request) -> Response | Work:
        match = request.match or self._router.match(request.path)
        if match is None:
            raise Problem(404, "There is nothing at this path.")
        request.match = match
        request.parameters = match.parameters
        request.deadline = self._deadline(request)
        route = match.routes.get(request.method)
        if route is None:
            if request.method == "OPTIONS":
                return Response(204, b"", "", [("allow", match.allow)])
            route = match.routes.get("GET") if request.method == "HEAD" else None
        if route is None:
            raise Problem(
                405, f"This method is not allowed here; allowed: {match.allow}.", headers=[("allow", match.allow)]
            )
        self._check(request, route)
        return route.handler(request, self._runtime)

    def _check(self, request: Request, route: Route) -> None:
        headers = request.headers
        if route.access not in self._guard.open:
            request.client = self._guard.identified(route.access, headers)
        encoding = headers.get("content-encoding")
        if encoding is not None:
            request.body = decoded(request.body, encoding.strip().lower(), self._limit, route.dialect.encodings)
        kind = headers.get("content-type")
        if kind and kind != "application/json" and route.method == "POST" and route.consumes is not None:
            check_content_type(kind, route.consumes)
        accept = headers.get("accept")
        if accept and accept != "*/*" and route.dialect.negotiates:
            check_accept(accept, route.produces)

    def _failed(self, request: Request, error: Exception) -> Response:
        return self._worded(request, self._problem(request, error))

    def _worded(self, request: Request, problem: Problem) -> Response:
        return self._router.dialect(request.path, request.match).render(problem, request)

    def _problem(self, request: Request, error: Exception) -> Problem:
        if isinstance(error, Problem):
            return error
        if isinstance(error, NotServedError):
            return Problem(404, str(error))
        if isinstance(error, NotReadyError):
            return Problem(503, str(error), headers=BUSY)
        if isinstance(error, (FullError, LateError, LimitError)):
            self._observer.shed(SHED[type(error)][1])
            if isinstance(error, FullError) and self.on_full is not None:
                self.on_full()
            return problem_of(error)
        if isinstance(error, FullLogError):
            return Problem(503, "So much feedback waits to be written that no more is taken.", headers=BUSY)
        if isinstance(error, NotFiniteError):
            self._observer.noted("not_finite", model=error.model)
        self._observer.reported("error", "a request failed", error=error, request_id=request.id)
        return Problem(500, "The request failed. Its id, in 'instance', finds the reason in the log.")

    def _finished(self, request: Request, response: Response) -> Response:
        match: Match | None = request.match
        served: Served | None = request.served
        route = UNMATCHED if match is None else match.template
        if self._mirror is not None and served is not None:
            self._mirror.offer(request, response.status)
        trace_id = None
        if self._traces_all or TRACEPARENT in request.headers:
            trace_id = self._tracer.trace(request, response, route)
        self._observer.answered(
            request_id=request.id,
            method=request.method if request.method in METHODS else "other",
            route=route,
            path=request.path,
            status=response.status,
            seconds=time.monotonic() - request.received,
            received=len(request.body),
            sent=len(response.body),
            model=served.name if served else None,
            version=served.version if served else None,
            rows=response.rows,
            stages=request.stages,
            trace_id=trace_id,
        )
        return response


def problem_of(error: FullError | LateError | LimitError) -> Problem:
    """Say that there is too much to do, and when it is worth asking again."""
    return Problem(SHED[type(error)][0], str(error), headers=[("retry-after", str(error.retry_after_s))])
