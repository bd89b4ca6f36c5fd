"""What is done in pieces comes to what it comes to as a whole."""

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bodies import pieces
from service.bodies.pieces import counted, dumped


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: Any) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 16)
    monkeypatch.setattr(pieces, "PIECE_ROWS", 4)


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
    assert counted(body, b",[") == body.count(b",") + body.count(b"[")
