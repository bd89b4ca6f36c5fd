"""Rows of plain numbers are read quickly, and exactly as the precise way reads them."""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor import NumericFeature, Schema
from service.bodies import instances, plain
from service.bodies.instances import read_instances
from service.bodies.plain import plain_numbers, reads_soon
from service.problems import Problem

WIDTH = 3
MAX_ROWS = 12
CELL = st.floats(-1e9, 1e9) | st.integers(-(10**9), 10**9)


@pytest.fixture(autouse=True, params=["simdjson", "orjson"])
def reader(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "SMALL_BYTES", 0)
    monkeypatch.setattr(plain, "PIECE_BYTES", 16)
    monkeypatch.setattr(plain, "QUICK", 2)
    if request.param == "orjson":
        monkeypatch.setattr(plain, "Parser", None)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(CELL, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=30), st.sampled_from([None, 1]))
def test_rows_are_the_same_in_pieces(rows: Any, indent: Any) -> None:
    body = json.dumps({"instances": rows}, indent=indent).encode()
    found = plain_numbers(body, WIDTH, 100)
    assert found is not None
    assert np.array_equal(found, np.array(rows, dtype=np.float64))


def test_no_call_reads_much_more_than_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one call reads, the interpreter's lock is kept for, and every other request waits."""
    read: list[int] = []
    numbers = plain._numbers

    def recorded(text: bytes) -> Any:
        read.append(len(text))
        return numbers(text)

    monkeypatch.setattr(plain, "PIECE_BYTES", 1000)
    monkeypatch.setattr(plain, "_numbers", recorded)
    body = f'{{"instances":[{",".join(["[1.25,2.5,-3]"] * 5000)}]}}'.encode()
    found = plain_numbers(body, WIDTH, 5000)
    assert found is not None
    assert len(found) == 5000
    assert sum(read) > len(body) - 100
    assert max(read) <= 1000 + len("[1.25,2.5,-3],[]")


ROWS = ",".join(["[1,2,3]"] * 20)
DOUBTFUL = [
    f'{{"instances":[{ROWS},]}}',
    f'{{"instances":[,{ROWS}]}}',
    f'{{"instances":[{ROWS}],}}',
    f'{{"instances":[{ROWS}]}} {{}}',
    f'{{"instances":[{ROWS}]]',
    f'{{"instances":[[{ROWS}],[{ROWS}]]}}',
    f'{{"instances":[{ROWS},[1,2]]}}',
    f'{{"instances":[{ROWS},[1,2,[3]]]}}',
    f'{{"instances":[{ROWS},[1,2,03]]}}',
    f'{{"instances":[{ROWS},[1,2,null]]}}',
    f'{{"instances":[{ROWS},[1,2,true]]}}',
    f'{{"instances":[{ROWS},[1,2,false]]}}',
    f'{{"instances":[{ROWS},[1,2,"3"]]}}',
    f'{{"instances":[{ROWS},[1,2,3 4]]}}',
    f'{{"instances":[{ROWS},[1,2,]]}}',
    f'{{"instances":[{ROWS},[1,,2,3]]}}',
    f'{{"instances":[{ROWS},[1,2],[3,4,5,6]]}}',
    f'{{"instances":[{ROWS},[1,2,1e999]]}}',
    f'{{"instances":[{ROWS}],"explain":true}}',
    f'{{"inputs":[{ROWS}]}}',
    f'[{{"instances":[{ROWS}]}}]',
    f'{{"instances":[{ROWS},5]}}',
    f'{{"instances":[{ROWS},5,[1,2,3]]}}',
    f'{{"instances":{{{ROWS}}}}}',
    '\ufeff{"instances":[[1,2,3]]}',
    '{"instances":[]}',
    '{"instances":[[]]}',
    '{"instances":[' + " " * 100 + "]}",
    '{"instances":' + "[" * 5000 + "1" + "]" * 5000 + "}",
    " " * 100,
    "}" * 100,
]


@pytest.mark.parametrize("body", DOUBTFUL)
@pytest.mark.parametrize("size", [0, 512])
def test_what_is_doubtful_is_left_to_the_precise_way(body: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "SMALL_BYTES", size)
    assert plain_numbers(body.encode(), WIDTH, 1000) is None


def test_a_row_of_one_number_needs_the_number() -> None:
    assert plain_numbers(b'{"instances":[[1],[],[3]]}', 1, 9) is None
    assert plain_numbers(b'{"instances":[[],[],[]]}', 1, 9) is None
    found = plain_numbers(b'{"instances":[[1],[2],[3]]}', 1, 9)
    assert found is not None
    assert found.tolist() == [[1], [2], [3]]


@pytest.mark.parametrize("size", [0, 512])
def test_too_many_rows_are_left_to_the_precise_way(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "SMALL_BYTES", size)
    body = f'{{"instances":[{ROWS}]}}'.encode()
    assert plain_numbers(body, WIDTH, 19) is None
    found = plain_numbers(body, WIDTH, 20)
    assert found is not None
    assert found.tolist() == [[1, 2, 3]] * 20


ALPHABET = [*'[]{},:"0123456789.-+eE \t\r\n', "null", "true", "\f", "\0", "\xa0", "\ud800", "\\u0065", "],[", "],"]
LITERALS = st.sampled_from(
    [
        "0", "-0", "-0.0", "1", "1e5", "1E+5", "-1e-5", "0.1", "9007199254740993", "9223372036854775808", "5e-324",
        "18446744073709551615", "18446744073709551616", "123456789012345678901234567890", "2.2250738585072011e-308",
        "1e-400", "1.7976931348623157e308", "1e39", "3.4028235677973366e38", "1e308", "1e309", "1e", "1.", ".5", "+1",
        "01", "--1", "1 2", "", "null", "NaN", "Infinity", "0.30000000000000004", "1.00000000000000011102230246251565",
    ]
)  # fmt: skip
SPACE = st.sampled_from(["", "", "", " ", "\n", "\t "])


@st.composite
def bodies(draw: Callable[..., Any]) -> bytes:
    """Draw a body that is nearly good: rows of odd numbers, then a few characters put in, replaced or taken out."""
    good = st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr) | st.integers().map(str)
    cell = st.tuples(SPACE, good | good | good | LITERALS, SPACE).map("".join)
    width = st.sampled_from([WIDTH] * 9 + [0, 1, WIDTH + 1])
    row = width.flatmap(lambda n: st.lists(cell, min_size=n, max_size=n)).map(lambda cells: f"[{','.join(cells)}]")
    rows = draw(st.lists(row, max_size=MAX_ROWS + 1))
    text = f'{draw(SPACE)}{{"instances"{draw(SPACE)}:{draw(SPACE)}[{",".join(rows)}]{draw(SPACE)}}}{draw(SPACE)}'
    for _ in range(draw(st.sampled_from([0, 0, 1, 2, 5]))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from([*ALPHABET, ""])) + text[place + draw(st.integers(0, 1)) :]
    return text.encode("utf-8", "surrogatepass")


SCHEMA = Schema(tuple(NumericFeature(f"x{i}", low=-1.0, high=1.0) for i in range(WIDTH)))


def _outcome(body: bytes) -> object:
    """Return what comes of a body: the bits of X, or everything that is said of a fault."""
    try:
        found = read_instances(body, SCHEMA, MAX_ROWS)
    except Problem as problem:
        return problem.status, problem.detail, list(problem.errors), problem.errors.total
    return found.X.shape, found.X.tobytes(), found.layout, found.warnings


@settings(max_examples=400, deadline=None)
@given(bodies())
def test_either_way_gives_the_same_numbers_and_the_same_faults(body: bytes) -> None:
    quick = _outcome(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instances, "plain_numbers", lambda *_: None)
        assert quick == _outcome(body)


@pytest.fixture
def doubles() -> Iterator[float]:
    random = np.random.default_rng(5).integers(0, 2**64, 3000, dtype=np.uint64).view(np.float64)
    return (float(value) for value in random if math.isfinite(value))


def test_every_double_is_read_to_its_last_bit(doubles: Iterator[float]) -> None:
    values = list(doubles)[: 800 * WIDTH]
    rows = np.reshape(values, (-1, WIDTH))
    for text in (json.dumps({"instances": rows.tolist()}), f'{{"instances":{_with_digits(rows)}}}'):
        found = plain_numbers(text.encode(), WIDTH, 1000)
        assert found is not None
        assert found.tobytes() == rows.tobytes()


def _with_digits(rows: Any) -> str:
    """Write numbers with more digits than tell them apart."""
    return "[" + ",".join("[" + ",".join(f"{value:.25e}" for value in row) + "]" for row in rows.tolist()) + "]"


def test_twice_as_much_of_plain_rows_is_read_as_soon() -> None:
    rows = f'{{"instances":[{ROWS}]}}'.encode()
    texts = f'{{"instances":[["{ROWS}"]]}}'.encode()
    assert reads_soon(rows, len(rows))
    assert reads_soon(texts, len(texts))
    assert reads_soon(rows, len(rows) // 2 + 1)
    assert not reads_soon(texts, len(texts) - 1)
    assert not reads_soon(rows, len(rows) // 3)
