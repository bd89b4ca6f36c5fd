"""Tables that nobody prepared: each small one is fitted or refused in words, and never fails in another way."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predictor import load_bytes, prove
from training.errors import TrainingError
from training.job import Order, run

ODD = ["", "?", "NA", "0", "-3.5", "1e300", "1e-320", "yes", "True", "2024-01-01", "1/2/2021", "12:30", "$5", "007"]
ODD += ["1,5", "unknown", "nan", "inf", "9" * 30, 'say "x"', "two\nlines", "ü", "\u0663", " ", "a;b", "2024-02-30"]

number = st.floats(-1e6, 1e6).map(repr)
simple = st.one_of(number, st.integers(-3, 9).map(str), st.sampled_from("abcdef"), st.dates().map(str))
cells = st.one_of(st.sampled_from(ODD), simple, st.text(max_size=4))
odd = st.text(max_size=3) | st.sampled_from(["a.b", "x=1", "it's", 'say "x"', "a\x01b", "n" * 300, "2024", "id"])
kinds = st.sampled_from([number, st.integers(0, 3).map(str), st.sampled_from("ab"), st.just("same"), cells, cells])


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 4))
    columns = [draw(kinds) for _ in range(width)]
    rows = draw(st.lists(st.tuples(*columns), max_size=12)) * draw(st.sampled_from([1, 1, 6]))
    plain = [f"c{place}" for place in range(width)]
    names = draw(st.lists(odd, min_size=width, max_size=width)) if draw(st.booleans()) else plain
    return [names, *(list(row) for row in rows)]


def written(path: Path, table: list[list[str]]) -> Path:
    text = io.StringIO()
    csv.writer(text).writerows(table)
    path.write_text(text.getvalue(), encoding="utf-8", errors="replace")
    return path


@given(tables())
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_small_table_is_fitted_or_refused_in_words(tmp_path: Path, table: list[list[str]]) -> None:
    path = written(tmp_path / "t.csv", table)
    target = json.dumps(table[0][-1].strip() or f"column_{len(table[0])}")
    order = Order(str(path), tmp_path / "models", overrides=(f"data.target={target}", "fit.epochs=1"))
    try:
        published = run(order, out=io.StringIO(), err=io.StringIO())
    except TrainingError:
        return
    prove(load_bytes((published.folder / "model.npz").read_bytes(), "model"))


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_table_or_refused_in_words(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with pytest.raises(TrainingError):
        run(Order(str(path), tmp_path / "models"), out=io.StringIO(), err=io.StringIO())


def test_a_raw_row_of_the_table_is_taken_by_the_model_that_was_fitted_on_it(tmp_path: Path) -> None:
    rows = [[f"{i}", f"{i} notes in {i * i}", f"{i % 7}", "same", f"{i % 5}", "ab"[i % 2]] for i in range(200)]
    path = written(tmp_path / "t.csv", [["id", "note", "size", "constant", "unwanted", "target"], *rows])
    overrides = ("data.target=target", "fit.epochs=1", "data.drop=unwanted")
    published = run(Order(str(path), tmp_path / "models", overrides=overrides), out=io.StringIO(), err=io.StringIO())
    schema = load_bytes((published.folder / "model.npz").read_bytes(), "model").schema
    assert (schema.names, schema.left_out) == (("size",), ("id", "note", "constant", "unwanted", "target"))
    record = {"id": 7, "note": "note 7", "size": 3, "constant": "same", "unwanted": 1, "target": "a"}
    assert schema.encode_records([record]).left_out == 5
