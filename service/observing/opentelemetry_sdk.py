"""The few things that are wanted of OpenTelemetry, imported only where spans are sent."""

from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

__all__ = ["ERROR", "SERVER", "parent_context", "provider", "within"]

SERVER = SpanKind.SERVER
ERROR = Status(StatusCode.ERROR)
DELAY_MS = 1000


def provider(endpoint: str) -> Any:
    """Return what makes spans and sends them to an OTLP collector at a URL, once a second from a thread."""
    made = TracerProvider(resource=Resource.create({"service.name": "ganglion"}), shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint), schedule_delay_millis=DELAY_MS))
    return made


def parent_context(parent: Any) -> Any:
    """Return the context of the span that a request comes from, a `service.observing.traces.Trace`."""
    flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
    remote = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(remote))


def within(span: Any) -> Any:
    """Return the context for the children of a span."""
    return set_span_in_context(span)
