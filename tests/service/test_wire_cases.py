"""The contract cases over the real wire: what the doors answer in process, a client must get from a socket."""

import socket
from typing import Any

import pytest

from tests.contract import harness
from tests.service import models
from tests.service.wire import Answer, Running, answers, running

# A space ends the path on the wire: such a case exists in process only.
CASES = [case for case in harness.load_cases() if " " not in case["request"].get("path", "")]
# What is no request at all never reaches a door: a path with such bytes, a method that HTTP does not know.
OF_THE_WIRE = {404: 400, 405: 501}


@pytest.fixture(scope="module")
def service(tmp_path_factory: Any) -> Any:
    root = tmp_path_factory.mktemp("models")
    models.filled_repository(root)
    bounds = {"max_body_bytes": 2**20, "max_header_bytes": 65536, "max_uri_bytes": 65536}
    with running(root, workers=1, log_store=f"sqlite:///{root}.db", **bounds) as service:
        yield service


def through_socket(service: Running, request: dict[str, Any]) -> Answer:
    body = harness.body_of(request)
    method = request.get("method", "POST")
    lines = [f"{method} {request.get('path', '/predict')} HTTP/1.1"]
    lines += [f"{name}: {text}" for name, text in harness.headers_of(request, body)]
    data = "\r\n".join([*lines, "", ""]).encode() + (body or b"")
    with service.connect() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return next(answers(connection, head_only=method == "HEAD"))


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_wire_answers_as_the_contract_says(case: Any, service: Running) -> None:
    answer = through_socket(service, case["request"])
    expected = case["expected"]
    if answer.status != expected["status"]:
        assert OF_THE_WIRE.get(expected["status"]) == answer.status, answer
        expected = {"status": answer.status}
    harness.check(answer, expected)
    harness.check_fault(answer, case["request"].get("path", "/predict"))
