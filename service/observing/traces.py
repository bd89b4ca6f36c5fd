"""W3C trace context, taken from a request and handed back; and spans for a collector, where one is named.

Only a request that comes with a trace, or is drawn into the sample, costs anything: spans are made when it is answered,
from the times that were taken anyway, and sent from a thread of the exporter's own.
"""

import os
import random
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

from service.messages import Request, Response
from service.observing.layout import STAGES
from service.settings import Settings, SettingsError

__all__ = ["TRACEPARENT", "Trace", "Tracer", "new_span_id", "read_traceparent", "traceparent"]

TRACEPARENT = "traceparent"
FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
NONE = "0"
SAMPLED = 1
OURS = "00"
FORBIDDEN = "ff"
SERVER_ERROR = 500


@dataclass(frozen=True)
class Trace:
    """Which trace a request belongs to, the span that caused it, and whether that one is recorded."""

    trace_id: str
    span_id: str
    is_sampled: bool


def read_traceparent(text: str | None) -> Trace | None:
    """Read the header by W3C Trace Context (2021); None where there is none, or none that is well formed."""
    found = FORM.fullmatch(text.strip()) if text else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == FORBIDDEN or (version == OURS and more) or not trace_id.strip(NONE) or not span_id.strip(NONE):
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & SAMPLED))


def traceparent(trace_id: str, span_id: str, *, is_sampled: bool) -> str:
    """Return the header that answers a trace with a span of this service's own."""
    return f"{OURS}-{trace_id}-{span_id}-{'01' if is_sampled else '00'}"


def new_span_id() -> str:
    """Return the id of a span that nothing is recorded of."""
    return secrets.token_hex(8)


class Tracer:
    """Answers a trace with a span of its own; sends it to a collector where the settings name one.

    SettingsError when they do and the extra `traces` is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self._endpoint = settings.traces_endpoint
        self._share = settings.traces_share if self._endpoint else 0.0
        self._provider: Any = None
        self._made_in: int | None = None
        if self._endpoint:
            _sdk()

    def trace(self, request: Request, response: Response, route: str) -> str | None:
        """Take part in the trace of a request, if there is one; put the header on its answer, return the trace's id."""
        parent = read_traceparent(request.headers.get(TRACEPARENT))
        is_recorded = bool(self._endpoint) and (parent.is_sampled if parent else random.random() < self._share)  # noqa: S311
        if parent is None and not is_recorded:
            return None
        if is_recorded:
            trace_id, span_id = self._record(request, response, route, parent)
        elif parent is not None:
            trace_id, span_id = parent.trace_id, new_span_id()
        is_sampled = is_recorded or (parent is not None and parent.is_sampled)
        header = traceparent(trace_id, span_id, is_sampled=is_sampled)
        response.headers = [*response.headers, (TRACEPARENT, header)]
        return trace_id

    def stop(self) -> None:
        """Send what is left."""
        if self._provider is not None and self._made_in == os.getpid():
            self._provider.shutdown()
            self._provider = None

    def _record(self, request: Request, response: Response, route: str, parent: Trace | None) -> tuple[str, str]:
        sdk = _sdk()
        now = time.monotonic()
        since_epoch_s = time.time() - now
        context = sdk.parent_context(parent) if parent else None
        tracer = self._ready().get_tracer("ganglion")
        start = _nanoseconds(request.received + since_epoch_s)
        span = tracer.start_span(
            f"{request.method} {route}",
            context,
            kind=sdk.SERVER,
            start_time=start,
            attributes=_said(request, response, route),
        )
        if response.status >= SERVER_ERROR:
            span.set_status(sdk.ERROR)
        for name, began, ended in _stages(request):
            child = tracer.start_span(name, sdk.within(span), start_time=_nanoseconds(began + since_epoch_s))
            child.end(_nanoseconds(ended + since_epoch_s))
        span.end(_nanoseconds(now + since_epoch_s))
        found = span.get_span_context()
        return f"{found.trace_id:032x}", f"{found.span_id:016x}"

    def _ready(self) -> Any:
        """Return the provider of this process: its exporter has a thread, which does not survive a fork."""
        if self._made_in != os.getpid():
            self._provider = _sdk().provider(self._endpoint)
            self._made_in = os.getpid()
        return self._provider


def _said(request: Request, response: Response, route: str) -> dict[str, Any]:
    said: dict[str, Any] = {
        "http.request.method": request.method,
        "http.route": route,
        "http.response.status_code": response.status,
        "ganglion.request_id": request.id,
    }
    if request.served is not None:
        said |= {"ganglion.model": request.served.name, "ganglion.version": request.served.version}
        said["ganglion.rows"] = response.rows
    return said


def _stages(request: Request) -> list[tuple[str, float, float]]:
    """Return name, begin and end of each stage of a prediction, in times of `time.monotonic`."""
    if request.stages is None:
        return []
    found, began = [], request.received
    for name, seconds in zip(STAGES, request.stages, strict=False):
        found.append((name, began, began + seconds))
        began += seconds
    return found


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def _sdk() -> Any:
    """Return what is used of OpenTelemetry; it comes with the extra `traces`."""
    try:
        from service.observing import opentelemetry_sdk  # noqa: PLC0415 - optional, and heavy
    except ImportError as error:
        raise SettingsError(
            "GANGLION_TRACES_ENDPOINT is set, and OpenTelemetry is not installed: pip install opentelemetry-sdk"
            " opentelemetry-exporter-otlp-proto-http"
        ) from error
    return opentelemetry_sdk
