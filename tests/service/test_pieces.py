"""Large bodies in pieces mean what they mean as a whole."""

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service import pieces
from service.pieces import counted, dumped, plain_numbers

WIDTH = 3
CELL = st.floats(-1e9, 1e9) | st.integers(-(10**9), 10**9)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: Any) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 16)
    monkeypatch.setattr(pieces, "PIECE_ROWS", 4)


@settings(max_examples=100)
@given(st.lists(st.lists(CELL, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=30), st.sampled_from([None, 1]))
def test_rows_are_the_same_in_pieces(rows: Any, indent: Any) -> None:
    body = json.dumps({"instances": rows}, indent=indent).encode()
    found = plain_numbers(body, WIDTH, 100)
    assert found is not None
    assert np.array_equal(found, np.array(rows, dtype=np.float64))


ROWS = ",".join(["[1,2,3]"] * 20)


@pytest.mark.parametrize(
    "body",
    [
        f'{{"instances":[{ROWS},]}}',
        f'{{"instances":[,{ROWS}]}}',
        f'{{"instances":[{ROWS}],}}',
        f'{{"instances":[{ROWS}]}} {{}}',
        f'{{"instances":[{ROWS}]]',
        f'{{"instances":[[{ROWS}],[{ROWS}]]}}',
        f'{{"instances":[{ROWS},[1,2]]}}',
        f'{{"instances":[{ROWS},[1,2,[3]]]}}',
        f'{{"instances":[{ROWS},[1,2,03]]}}',
        f'{{"instances":[{ROWS}],"explain":true}}',
        f'{{"inputs":[{ROWS}]}}',
        f'[{{"instances":[{ROWS}]}}]',
        f'{{"instances":[{ROWS},5]}}',
        f'{{"instances":[{ROWS},5,[1,2,3]]}}',
        f'{{"instances":{{{ROWS}}}}}',
        '{"instances":[' + " " * 100 + "]}",
        " " * 100,
        "}" * 100,
    ],
)
def test_what_is_doubtful_is_left_to_the_precise_way(body: str) -> None:
    assert plain_numbers(body.encode(), WIDTH, 1000) is None


def test_too_many_rows_are_left_to_the_precise_way_early() -> None:
    assert plain_numbers(f'{{"instances":[{ROWS}]}}'.encode(), WIDTH, 19) is None


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.none() | st.integers(0, 9) | st.text(max_size=9) | st.lists(st.text(max_size=2), max_size=20),
        max_size=4,
    )
)
def test_answers_are_the_same_bytes_in_pieces(document: Any) -> None:
    document["probabilities"] = np.linspace(0, 1, 30, dtype=np.float32).reshape(10, 3)
    assert dumped(document, 10) == orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


@given(st.binary(max_size=200))
def test_bytes_are_counted_over_the_whole(body: bytes) -> None:
    assert counted(body, (b",", b"[")) == body.count(b",") + body.count(b"[")
