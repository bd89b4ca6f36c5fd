"""`fetch-feedback`: what a store holds becomes a table that training reads."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from feedback import Asked, Shape, Store, Told, place_of
from training.cli import main

HOUSES = Shape((("area", "number"), ("street", "category")), ("price",), None, None)


def asked(request_id: str, rows: list[Any], *, shape: Shape = HOUSES, model: str = "houses", at: float = 0.0) -> Asked:
    return Asked(model, 1, request_id, at, None, shape.id, len(rows), json.dumps(rows), '{"predictions": []}')


def told(request_id: str | None, truths: list[Any], *, at: float = 0.0, client: str | None = None) -> Told:
    return Told("houses", None, request_id, at, client, None, len(truths), None, json.dumps(truths))


def brought(rows: list[Any], truths: list[Any], shape: Shape = HOUSES, model: str = "houses") -> Told:
    return Told(model, 1, None, 0.0, None, shape.id, len(rows), json.dumps(rows), json.dumps(truths))


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with contextlib.closing(Store(place_of(str(tmp_path / "log.db")))) as store:
        yield store


@pytest.fixture
def fetch(tmp_path: Path, capsys: Any) -> Any:
    """Return a function that runs the command and returns what it wrote and said."""

    def fetch(*more: str, code: int = 0, out: str = "out.csv", model: str = "houses") -> Any:
        words = [f"sqlite:///{tmp_path}/log.db", str(tmp_path / out), "--model", model, *more]
        assert main(["fetch-feedback", *words]) == code
        said = capsys.readouterr()
        return ((tmp_path / out).read_bytes(), said.out) if code == 0 else said.err

    return fetch


def test_rows_come_as_they_were_given_with_the_last_that_was_told(store: Any, fetch: Any, tmp_path: Path) -> None:
    store.write(
        [asked("a", [[71.5, "north"], [30, None], [None, 'a, "b"']]), asked("b", [[1, "east"], [2, "east"]])],
        [told("a", [100, None, 300.25]), told("a", [101, 202, None]), brought([[5.5, 3.0]], [55])],
        {HOUSES.id: HOUSES},
    )  # fmt: skip
    text, said = fetch()
    assert text.decode() == 'area,street,price\n71.5,north,101\n30,,202\n,"a, ""b""",300.25\n5.5,3,55\n'
    assert said.splitlines() == [
        f"Wrote 4 rows to {tmp_path}/out.csv: 3 asked for, 1 that came along.",
        "Nothing is known yet of 2 rows that were asked for.",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.db", "log.db-shm", "log.db-wal", "out.csv"]


def test_parquet_holds_the_same(store: Any, fetch: Any, tmp_path: Path) -> None:
    rows = [[float(i), "north" if i % 3 else None] for i in range(12_000)]
    store.write([asked(f"r{i}", [row]) for i, row in enumerate(rows)], [], {HOUSES.id: HOUSES})
    store.write([], [told(f"r{i}", [i + 0.5]) for i in range(len(rows))], {})
    fetch(out="out.parquet")
    fetch(out="out.csv")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), pd.read_csv(tmp_path / "out.csv"))
    assert len(pd.read_csv(tmp_path / "out.csv")) == 12_000


@pytest.mark.parametrize(("labels", "truth"), [(("x", "y"), "y"), ((1, 2), 2), (("x", 3), 3)])
def test_labels_keep_their_kind(labels: Any, truth: Any, store: Any, fetch: Any, tmp_path: Path) -> None:
    shape = Shape((("a", "number"),), ("kind",), labels, None)
    store.write([asked("a", [[1.5]], shape=shape)], [told("a", [truth])], {shape.id: shape})
    assert fetch()[0].decode() == f"a,kind\n1.5,{truth}\n"
    fetch(out="out.parquet")
    expected = truth if all(isinstance(label, int) for label in labels) else str(truth)
    assert pd.read_parquet(tmp_path / "out.parquet")["kind"].tolist() == [expected]


def test_several_targets_are_columns_each(store: Any, fetch: Any) -> None:
    shape = Shape((("a", "number"),), ("x", "y"), None, None)
    store.write([asked("a", [[1.5], [2.5]], shape=shape)], [told("a", [[1, 2], [3, 4.5]])], {shape.id: shape})
    assert fetch()[0].decode() == "a,x,y\n1.5,1,2\n2.5,3,4.5\n"


def test_rows_of_other_versions_are_brought_into_the_newest_columns(store: Any, fetch: Any) -> None:
    old = Shape((("street", "category"), ("gone", "number"), ("area", "number")), ("price",), None, None)
    less = Shape((("area", "number"),), ("price",), None, None)
    other = Shape(HOUSES.features, ("rent",), None, None)
    shapes = {shape.id: shape for shape in (HOUSES, old, less, other)}
    store.write([asked("old", [["north", 7, 20.0]], shape=old), asked("less", [[30.0]], shape=less),
                 asked("other", [[1, "x"]], shape=other), asked("new", [[40.0, "south"]])],
                [told(name, [1]) for name in ("old", "less", "other", "new")], shapes)  # fmt: skip
    text, said = fetch()
    assert text.decode() == "area,street,price\n20.0,north,1\n30.0,,1\n40.0,south,1\n"
    assert "Left out: 1 row of a model that predicted something else.\n" in said
    assert "1 row of a model with other columns" in said


def test_a_date_and_a_client_choose(store: Any, fetch: Any) -> None:
    day = 86400.0
    store.write([asked("a", [[1, "x"]]), asked("b", [[2, "x"]])],
                [told("a", [10], at=0.5 * day, client="ann"), told("b", [20], at=1.5 * day, client="bob")],
                {HOUSES.id: HOUSES})  # fmt: skip
    assert fetch("--since", "1970-01-02")[0].decode() == "area,street,price\n2,x,20\n"
    assert fetch("--since", "1970-01-01T12:00:00+00:00")[0].decode().count("\n") == 3
    assert fetch("--client", "ann")[0].decode() == "area,street,price\n1,x,10\n"
    assert "nothing was told of rows of model 'houses'" in fetch("--client", "eve", code=2)
    assert "since then" in fetch("--since", "2001-01-01", code=2)


def test_what_is_wrong_is_said_and_leaves_the_file_as_it_was(store: Any, fetch: Any, tmp_path: Path) -> None:
    store.write([asked("a", [[1, "x"]])], [], {HOUSES.id: HOUSES})
    (tmp_path / "out.csv").write_text("before")
    assert "did you mean 'houses'?" in fetch(model="house", code=2)
    assert "nothing was told" in fetch(code=2)
    assert (tmp_path / "out.csv").read_text() == "before"
    assert "ends in .csv or .parquet" in fetch(out="out.txt", code=2)
    assert "cannot be written: No such file" in fetch(out="none/out.csv", code=2)
    assert main(["fetch-feedback", "mysql://a/b", str(tmp_path / "o.csv"), "--model", "m"]) == 2
    assert main(["fetch-feedback", str(tmp_path / "none.db"), str(tmp_path / "o.csv"), "--model", "m"]) == 2
    with pytest.raises(SystemExit):
        fetch("--since", "yesterday")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.db", "log.db-shm", "log.db-wal", "out.csv"]
