"""Traces: the header in and out, the log line, and spans that reach a collector."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from service.observing.traces import Tracer, read_traceparent
from service.settings import SettingsError, load_settings
from tests.contract.harness import through_front
from tests.service import models
from tests.service.wire import answers, running, until

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
ONE = {"instances": [models.FLOWER_ROW]}


@pytest.mark.parametrize(
    ("text", "is_sampled"),
    [(PARENT, True), (PARENT[:-2] + "00", False), (PARENT[:-2] + "03", True), (f" {PARENT} ", True),
     (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", True)],
)  # fmt: skip
def test_a_header_of_the_standard_is_read(text: str, is_sampled: Any) -> None:
    found = read_traceparent(text)
    assert found is not None
    assert (found.trace_id, found.span_id, found.is_sampled) == (TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    "text",
    [None, "", "00", PARENT.upper(), PARENT[1:], PARENT + "-more", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01",
     f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{SPAN}-0x", f"{PARENT}, {PARENT}", "x" * 10_000],
)  # fmt: skip
def test_anything_else_is_no_trace(text: Any) -> None:
    assert read_traceparent(text) is None


def test_an_answer_goes_on_with_the_trace_of_its_request(build: Any) -> None:
    application = build()
    for sent, flags in ((PARENT, "01"), (PARENT[:-2] + "00", "00")):
        answer = through_front(application, {"json": ONE, "headers": {"traceparent": sent}})
        version, trace, span, given = answer.headers["traceparent"].split("-")
        assert (version, trace, given) == ("00", TRACE, flags)
        assert span not in {SPAN, "0" * 16}
    for headers in ({}, {"traceparent": "nonsense"}):
        assert "traceparent" not in through_front(application, {"json": ONE, "headers": headers}).headers


def test_the_log_line_names_the_trace(tmp_path: Any) -> None:
    with running(models.filled_repository(tmp_path).root, workers=1) as service:
        service.ask(f"GET /healthz HTTP/1.1\r\nHost: a\r\ntraceparent: {PARENT}\r\n\r\n".encode())
        until(lambda: any(line.get("trace_id") == TRACE for line in service.lines()))


def test_a_collector_without_the_extra_stops_the_start(monkeypatch: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "service.observing.opentelemetry_sdk", None)
    with pytest.raises(SettingsError, match="pip install"):
        Tracer(load_settings(traces_endpoint="http://127.0.0.1:1/v1/traces"))
    with pytest.raises(SettingsError, match="GANGLION_TRACES_ENDPOINT"):
        load_settings(traces_endpoint="file:///etc/passwd")


@pytest.fixture
def collector() -> Iterator[Any]:
    """A collector of spans on the loopback address: its URL, and the bodies that it was sent."""
    bodies: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", bodies
        server.shutdown()
        thread.join()


def spans_of(bodies: list[bytes]) -> list[Any]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415

    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    return [s for request in requests for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]


def test_spans_of_a_prediction_and_its_stages_reach_the_collector(collector: Any, tmp_path: Any) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    endpoint, bodies = collector
    settings = {"traces_endpoint": endpoint, "traces_share": 0}
    with running(models.filled_repository(tmp_path).root, workers=1, **settings) as service:
        with service.connect() as connection:
            given = answers(connection)
            body = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
            head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n" % len(body)
            connection.sendall(head + f"traceparent: {PARENT}\r\n\r\n".encode() + body)
            answered = next(given).headers["traceparent"].split("-")
            connection.sendall(head + b"\r\n" + body)
            assert "traceparent" not in next(given).headers
        until(lambda: len(spans_of(bodies)) >= 5)
    spans = {span.name: span for span in spans_of(bodies)}
    assert spans.keys() == {"POST /predict", "decode", "queue", "compute", "encode"}
    parent = spans.pop("POST /predict")
    assert (parent.trace_id.hex(), parent.parent_span_id.hex(), parent.span_id.hex()) == (TRACE, SPAN, answered[2])
    said = {pair.key: pair.value for pair in parent.attributes}
    assert said["ganglion.model"].string_value == "flowers"
    assert said["http.response.status_code"].int_value == 200
    for span in spans.values():
        assert span.parent_span_id == parent.span_id
        assert parent.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano + 1_000_000
