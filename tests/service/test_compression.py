"""Predictions of the protocol that knows compression are compressed for clients that ask."""

import gzip
import json
import zlib
from typing import Any

import pytest

from tests.contract import harness
from tests.service import models

V2 = "/v2/models/flowers/infer"
MANY = 200
TENSOR = {"name": "input", "shape": [MANY, 4], "datatype": "FP32", "data": [models.FLOWER_ROW] * MANY}
DOORS = [harness.through_front, harness.through_flask]


@pytest.fixture
def ask(application: Any) -> Any:
    """Return a function that asks through both doors, whose answers are the same."""

    def ask(accepted: Any, path: Any = V2, document: Any = None) -> Any:
        body = {"inputs": [TENSOR]} if document is None else document
        request = {"path": path, "json": body, "headers": {"Accept-Encoding": accepted}}
        answers = [through(application, request) for through in DOORS]
        assert answers[0].fixed == answers[1].fixed
        assert answers[0].status == 200
        return answers[0]

    return ask


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip", "gzip"),
        ("gzip;q=0.5, deflate;q=0.8", "deflate"),
        ("GZIP", "gzip"),
        ("gzip;q=0", None),
        ("identity", None),
        ("br, zstd, *;q=0.1", None),
        ("", None),
        ("gzip;q=, ;;,,deflate;q=nan", "gzip"),
    ],
)
def test_a_prediction_is_compressed_as_the_client_likes_best(ask: Any, accepted: Any, chosen: Any) -> None:
    undo: dict[Any, Any] = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}
    plain, answer = ask(None), ask(accepted)
    assert answer.headers.get("content-encoding") == chosen
    assert answer.headers.get("vary") == (None if chosen is None else "accept-encoding")
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert undo[chosen](answer.body) == plain.body
    assert chosen is None or len(answer.body) < len(plain.body) / 2


def test_binary_outputs_are_compressed_whole_and_the_header_length_is_of_what_they_were(ask: Any) -> None:
    answer = ask("gzip", document={"inputs": [TENSOR], "parameters": {"binary_data_output": True}})
    body = gzip.decompress(answer.body)
    length = int(answer.headers["inference-header-content-length"])
    outputs = json.loads(body[:length])["outputs"]
    assert len(body) - length == sum(output["parameters"]["binary_data_size"] for output in outputs)


def test_short_answers_and_those_of_other_protocols_stay_as_they_are(ask: Any) -> None:
    one = {"inputs": [TENSOR | {"shape": [1, 4], "data": [models.FLOWER_ROW]}]}
    rows = {"instances": [models.FLOWER_ROW] * MANY}
    for path, document in ((V2, one), ("/predict", rows), ("/v1/models/flowers:predict", rows)):
        assert "content-encoding" not in ask("gzip, deflate", path, document).headers
