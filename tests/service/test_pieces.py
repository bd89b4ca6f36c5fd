"""What is done in pieces comes to what it comes to as a whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.bodies import pieces
from service.bodies.pieces import Rows, counted, dumped, loaded, released


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: Any) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 16)
    monkeypatch.setattr(pieces, "PIECE_ROWS", 4)
    monkeypatch.setattr(pieces, "PIECE_VALUES", 12)


@given(
    st.dictionaries(
        st.text(max_size=3),
        st.none() | st.integers(0, 9) | st.text(max_size=9) | st.lists(st.text(max_size=2), max_size=20),
        max_size=4,
    )
)
def test_answers_are_the_same_bytes_in_pieces(document: Any) -> None:
    document["probabilities"] = np.linspace(0, 1, 30, dtype=np.float32).reshape(10, 3)
    document["outputs"] = [{"data": document["probabilities"].ravel()}, {"named": {"a": list(range(9)), "b": {}}}]
    expected = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    document["outputs"][1]["named"]["a"] = Rows(9, lambda some: list(range(9))[some])
    assert dumped(document, 10) == dumped(document, 1) == expected


@given(st.binary(max_size=200))
def test_bytes_are_counted_over_the_whole(body: bytes) -> None:
    assert counted(body, b",[") == body.count(b",") + body.count(b"[")


TEXT = st.sampled_from(["", "a", "rows", '"rows"', "},", "},{", "],[", "]}", "\\", '\\"', "\u00e9", ":", "{", "["])
CELL = st.integers(-9, 99) | st.floats(-9, 9) | st.none() | TEXT | st.lists(st.integers(0, 9), max_size=2)
ROW = st.lists(CELL, max_size=4) | st.dictionaries(TEXT, CELL | st.dictionaries(TEXT, CELL, max_size=1), max_size=3)
SCRAPS = [
    "",
    "[",
    "]",
    "{",
    "}",
    ",",
    '"',
    ":",
    "\\",
    "},",
    "]},",
    '"rows"',
    ',"rows":[1]',
    "],[",
    " ",
    "\f",
    "\0",
    ",,",
    "],",
    '"a":[1],',
]


@st.composite
def bodies(draw: Callable[..., Any]) -> bytes:
    """Draw rows under a key, with more behind them, at times with a few characters put in, replaced or taken out."""
    rows = st.lists(ROW, max_size=20) | st.dictionaries(TEXT, st.lists(CELL, max_size=12) | CELL, max_size=4)
    document = {"rows": draw(rows)} | draw(st.dictionaries(TEXT, CELL, max_size=1))
    text = orjson.dumps(document, option=draw(st.sampled_from([None, orjson.OPT_INDENT_2]))).decode()
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(SCRAPS)) + text[place + draw(st.integers(0, 1)) :]
    return text.encode()


def outcome(read: Callable[[bytes], Any], body: bytes) -> tuple[str, ...]:
    try:
        return ("read", repr(read(body)))
    except orjson.JSONDecodeError as error:
        return ("refused", error.msg, str(error.pos))


@settings(max_examples=300, deadline=None)
@given(bodies())
def test_documents_are_read_in_pieces_as_they_are_as_a_whole(body: bytes) -> None:
    assert outcome(loaded, body) == outcome(orjson.loads, body)


@pytest.mark.parametrize(
    "end",
    [
        "", "}", "]}", "]]}", "],}", ",]}", ",,{}]}", ',{"a":2}]}', '],"rows":[]}', '],"rows":[{"a":5}]}',
        '],"rows":5}', '],"r\\u006fws":[{"a":5}]}', '],"more":[{"rows":5}]}', '],"more":true}', "]}]}", ',{"rows":1}]}',
        ',{"a":"},{"}]}', ',{"a":{"b":1},"c":{"d":2}}]}',
    ],
)  # fmt: skip
def test_the_end_of_a_document_is_no_less_exact(end: str) -> None:
    rows = ",".join(f'{{"a":{i},"b":"x"}}' for i in range(40))
    body = f'{{"rows":[{rows}{end}'.encode()
    assert outcome(loaded, body) == outcome(orjson.loads, body)


@pytest.mark.parametrize(
    "end",
    [
        "", "]", "]}", "]}}", "]},", ",]}}", ", ,2]}}",
        '],"b":[]}}', '],"a":[1]}}', '],"\\u0061":[1]}}', '],"b":["]"]}}',
        ']},"rows":{"a":[1]}}', '],"b":[1]},"more":true}', ']{"b":[1]}}', '],"b":5}}', '],"b":[[1],[2]]}}', '],"b":[1',
    ],
)  # fmt: skip
def test_the_end_of_columns_is_no_less_exact(end: str) -> None:
    body = f'{{"rows":{{"c":["x","y"],"a":[{",".join(map(str, range(100)))}{end}'.encode()
    assert outcome(loaded, body) == outcome(orjson.loads, body)


@pytest.mark.parametrize(
    "end", ['"]}}', ']"]}}', '],","x"]}}', '"]},"more":{",":[1]}}', '"],"b":[1]}}', '],",":[1]}}', "]}}"]
)
def test_a_text_that_looks_like_a_column_is_none(end: str) -> None:
    body = f'{{"rows":{{"a":["b],",":[{",".join(map(str, range(100)))}{end}'.encode()
    assert outcome(loaded, body) == outcome(orjson.loads, body)


def test_columns_with_a_gap_before_a_comma_are_refused() -> None:
    body = b'{"rows":{"a":[' + b" " * 40 + b",1,2]}}"
    assert outcome(loaded, body)[0] == "refused"
    assert outcome(loaded, body) == outcome(orjson.loads, body)


@pytest.mark.parametrize(
    ("begin", "item", "end"),
    [
        ('{"rows":[', '{"a":1,"b":"x"}', '],"more":true}'), ('{"rows":[', '[1,"x"]', '],"more":true}'),
        ('{"text":"\\"[{[","more":true,"rows":[', '[1,"x"]', "]}"),
        ('{"id":"[","in":[{"shape":[2000],"data":[', "1", "]}]}"),
        ('{"rows":{"names":["a","b"],"data":[', "[1, 2]", "]}}"), ("[", '{"a":1}', "]"),
        ('{"rows":{"a":[1],"b":[', "1.25", ']},"more":true}'), ('{"rows":{"a":[', '"x"', '],"b":[true, null]}}'),
    ],
)  # fmt: skip
def test_no_call_reads_much_more_than_a_piece(begin: str, item: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one call reads, the interpreter's lock is kept for, and every other request waits."""
    read: list[int] = []

    class Recorded:
        JSONDecodeError = orjson.JSONDecodeError

        @staticmethod
        def loads(text: bytes) -> Any:
            read.append(len(text))
            return orjson.loads(text)

    monkeypatch.setattr(pieces, "PIECE_BYTES", 1000)
    body = (begin + ",".join([item] * 2000) + end).encode()
    with monkeypatch.context() as patch:
        patch.setattr(pieces, "orjson", Recorded)
        found = loaded(body)
    assert found == orjson.loads(body)
    assert sum(read) >= len(body) - 1000
    assert max(read) <= 1000 + 100


def test_rows_that_nobody_needs_are_let_go() -> None:
    rows = list(range(9))
    released(rows)
    assert rows == []
    released({"a": 1})
