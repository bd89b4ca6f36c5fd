"""The log store in SQLite and in PostgreSQL: what is written is found, and nothing else happens."""

import contextlib
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from feedback import (
    Asked,
    Place,
    PlaceError,
    Shape,
    Store,
    StoreError,
    Told,
    examples,
    logged_rows,
    newest_shape,
    place_of,
)

SHAPE = Shape((("area", "number"), ("street", "category")), ("price",), None, 12.5)
SHAPES = {SHAPE.id: SHAPE}


def asked(request_id: str, *prices: float, at: float = 100.0, model: str = "houses", version: int = 1) -> Asked:
    cells = json.dumps([[price / 10, "paved"] for price in prices])
    outputs = json.dumps({"predictions": prices})
    return Asked(model, version, request_id, at, None, SHAPE.id, len(prices), cells, outputs)


def told(request_id: str | None, *truths: Any, at: float = 200.0, client: str | None = None) -> Told:
    return Told("houses", None, request_id, at, client, None, len(truths), None, json.dumps(truths))


@pytest.fixture
def store(place: Place) -> Any:
    with contextlib.closing(Store(place)) as store:
        yield store


def test_what_is_written_is_found_by_model_and_id(store: Store, place: Place) -> None:
    store.write([asked("a", 200.0, 300.0), asked("b", 400.0), asked("b", 500.0), asked("a", 9.0, model="flats")],
                [told("a", 210.0, None)], SHAPES)  # fmt: skip
    with contextlib.closing(Store(place, is_read_only=True)) as reader:
        found = reader.answers("houses", ["a", "b", "c"])
        assert {name: json.loads(record.outputs)["predictions"] for name, record in found.items()} == {
            "a": [200.0, 300.0], "b": [500.0],
        }  # fmt: skip
        assert reader.shape(found["a"].shape) == SHAPE
        assert newest_shape(reader, "houses") == SHAPE
        assert newest_shape(reader, "other") is None
        assert [record.truths for record in reader.feedback("houses", ["a"])["a"]] == ["[210.0, null]"]
        assert logged_rows(reader, "houses") == 4
        with pytest.raises(StoreError):
            reader.write([asked("d", 1.0)], [], {})


def test_a_batch_is_written_as_a_whole_or_not_at_all(store: Store) -> None:
    broken = Asked(*asked("b", 1.0)[:-1], None)  # type: ignore[arg-type]  # the database refuses it
    with pytest.raises(StoreError) as caught:
        store.write([asked("a", 1.0), broken], [], SHAPES)
    assert not caught.value.may_pass
    assert store.answers("houses", ["a", "b"]) == {}
    store.write([asked("a", 1.0)], [], SHAPES)
    assert store.answers("houses", ["a"]).keys() == {"a"}
    assert store.shape(SHAPE.id) == SHAPE


def test_the_last_word_on_a_row_stands_and_rows_without_one_are_left_out(store: Store) -> None:
    row = [30.0, "paved"]
    brought = Told("houses", 3, None, 230.0, "ann", SHAPE.id, 1, json.dumps([row]), "[333.0]")
    store.write([asked("a", 200.0, 300.0, 400.0), asked("never told", 1.0)], [], SHAPES)
    store.write([], [told("a", 210.0, 310.0, None), told("a", None, 311.0, None), brought], {})
    store.write([], [told("a", 1.0, 2.0), told("unknown", 1.0)], {})
    found = list(examples(store, "houses"))
    assert [(example.cells, example.truth) for example in found] == [
        ([20.0, "paved"], 210.0), ([30.0, "paved"], 311.0), (row, 333.0),
    ]  # fmt: skip
    assert {example.at for example in found[:2]} == {100.0}
    assert [example.truth for example in examples(store, "houses", clients=frozenset({"ann"}))] == [333.0]
    assert [example.truth for example in examples(store, "houses", since=220.0)] == [333.0]
    assert list(examples(store, "flats")) == []


def test_examples_come_in_pages_without_loss(store: Store) -> None:
    names = [f"r{i}" for i in range(1203)]
    store.write([asked(name, float(i)) for i, name in enumerate(names)], [], SHAPES)
    store.write([], [told(name, i + 0.5) for i, name in enumerate(names)], {})
    assert [example.truth for example in examples(store, "houses")] == [i + 0.5 for i in range(1203)]


def test_requests_of_many_rows_are_read_in_parts(store: Store) -> None:
    sizes = [1, 9_000, 3_000, 12_000, 2]
    store.write([asked(f"r{i}", *map(float, range(size))) for i, size in enumerate(sizes)], [], SHAPES)
    store.write([], [told(f"r{i}", *range(size)) for i, size in enumerate(sizes)], {})
    assert [example.truth for example in examples(store, "houses")] == [n for size in sizes for n in range(size)]


def test_feedback_that_came_before_its_prediction_counts(store: Store) -> None:
    store.write([], [told("a", 7.0)], {})
    assert list(examples(store, "houses")) == []
    store.write([asked("a", 8.0)], [], SHAPES)
    assert [example.truth for example in examples(store, "houses")] == [7.0]


def test_what_is_old_or_too_much_goes(store: Store) -> None:
    store.write([asked(f"r{i}", 1.0, at=float(i)) for i in range(100)], [told("r99", 1.0, at=50.0)], SHAPES)
    names = [f"r{i}" for i in range(100)]
    for before, most, first in ((20.0, 1000, 20), (0.0, 30, 70), (99.0, 1000, 99)):
        assert not store.prune(before=before, most=most)
        assert store.answers("houses", names).keys() == set(names[first:])


def test_what_goes_is_bounded_and_said_not_to_be_all(store: Store) -> None:
    store.write([asked(f"r{i}", 1.0, at=float(i)) for i in range(3000)], [], SHAPES)
    assert store.prune(before=2500.0, most=10_000)
    assert logged_rows(store, "houses") == 1000
    assert not store.prune(before=2500.0, most=10_000)
    assert logged_rows(store, "houses") == 500


def test_many_that_begin_at_once_make_one_store(place: Place) -> None:
    faults: list[Exception] = []

    def begin(number: int) -> None:
        try:
            with contextlib.closing(Store(place)) as store:
                store.write([asked(f"r{number}", 1.0)], [], SHAPES)
        except StoreError as error:
            faults.append(error)

    threads = [threading.Thread(target=begin, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    with contextlib.closing(Store(place)) as store:
        assert len(store.answers("houses", [f"r{i}" for i in range(8)])) == 8
        assert store.read("SELECT COUNT(*) FROM ganglion_log_meta") == [(1,)]


def test_a_store_of_another_version_is_left_alone(store: Store, place: Place) -> None:
    with store.transaction() as cursor:
        cursor.execute("UPDATE ganglion_log_meta SET version = 2")
    for is_read_only in (False, True):
        with (
            contextlib.closing(Store(place, is_read_only=is_read_only)) as other,
            pytest.raises(StoreError, match=r"is of version 2, and this program knows version 1") as caught,
        ):
            other.read("SELECT 1")
        assert not caught.value.may_pass


def test_a_server_that_comes_back_is_used_again(server: Any) -> None:
    with contextlib.closing(Store(place_of(server.url, server.password_file))) as store:
        store.write([asked("before", 1.0, model="returning")], [], SHAPES)
        server.stop()
        with pytest.raises(StoreError) as caught:
            store.write([asked("meanwhile", 1.0, model="returning")], [], {})
        assert caught.value.may_pass
        server.start()
        store.write([asked("after", 1.0, model="returning")], [], {})
        assert store.answers("returning", ["before", "meanwhile", "after"]).keys() == {"before", "after"}


def test_a_wrong_password_is_a_fault_that_does_not_tell_it(server: Any, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("guessed")
    with pytest.raises(StoreError) as caught:
        Store(place_of(server.url, tmp_path / "wrong")).read("SELECT 1")
    assert "guessed" not in str(caught.value)


def test_a_table_that_was_altered_may_be_mended(store: Store) -> None:
    store.write([], [], SHAPES)
    with store.transaction() as cursor:
        cursor.execute("ALTER TABLE ganglion_log_predictions RENAME COLUMN outputs TO answers")
    with pytest.raises(StoreError, match="outputs") as caught:
        store.write([asked("a", 1.0)], [], {})
    assert caught.value.may_pass
    with store.transaction() as cursor:
        cursor.execute("ALTER TABLE ganglion_log_predictions RENAME COLUMN answers TO outputs")
    store.write([asked("a", 1.0)], [], {})
    with store.transaction() as cursor:
        cursor.execute("DROP TABLE ganglion_log_predictions")
    with pytest.raises(StoreError) as caught:
        store.write([asked("b", 1.0)], [], {})
    assert caught.value.may_pass
    store.write([asked("b", 1.0)], [], {})
    assert store.answers("houses", ["a", "b"]).keys() == {"b"}


def test_names_and_texts_are_kept_as_they_are(store: Store) -> None:
    odd = [
        Asked(
            "houses",
            1,
            "a",
            1.0,
            'o\'hara "x" \\N\t\n%s ü',
            SHAPE.id,
            1,
            '[["\\u0000", "\\\\."]]',
            '{"predictions":[1]}',
        )
    ]
    store.write(odd, [told("a", "it's; DROP TABLE x --", client="\\.")], SHAPES)
    found = store.read("SELECT client, cells FROM ganglion_log_predictions")
    assert found == [(odd[0].client, odd[0].cells)]
    assert store.feedback("houses", ["a"])["a"][0].client == "\\."


def test_a_locked_file_is_waited_for_no_longer_than_told(tmp_path: Path) -> None:
    place = place_of(str(tmp_path / "log.db"))
    with contextlib.closing(Store(place, patience_s=0.05)) as store:
        store.write([], [], SHAPES)
        other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked") as caught:
            store.write([asked("a", 1.0)], [], {})
        assert caught.value.may_pass
        other.close()
        store.write([asked("a", 1.0)], [], SHAPES)


def test_a_file_that_was_deleted_is_made_anew(tmp_path: Path) -> None:
    with contextlib.closing(Store(place_of(str(tmp_path / "log.db")))) as store:
        store.write([asked("before", 1.0)], [], SHAPES)
        for path in tmp_path.iterdir():
            path.unlink()
        store.write([asked("after", 1.0)], [], SHAPES)
    with contextlib.closing(Store(place_of(str(tmp_path / "log.db")), is_read_only=True)) as reader:
        found = reader.answers("houses", ["before", "after"])
        assert found.keys() == {"after"}
        assert reader.shape(found["after"].shape) == SHAPE


def test_reading_leaves_no_file_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open"):
        Store(place_of(str(tmp_path / "none.db")), is_read_only=True).read("SELECT 1")
    with contextlib.closing(Store(place_of(str(tmp_path / "log.db")))) as store:
        store.write([asked("a", 1.0)], [], SHAPES)
    with contextlib.closing(Store(place_of(str(tmp_path / "log.db")), is_read_only=True)) as reader:
        assert reader.answers("houses", ["a"])
    assert [path.name for path in tmp_path.iterdir()] == ["log.db"]


def test_a_file_that_is_no_store_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store(place_of(str(path))).write([], [], SHAPES)
    assert path.read_text() == "not a database, " * 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mysql://host/db", "begins with 'mysql'"),
        ("sqlite://", "found no path"),
        ("sqlite://host/log.db", "nothing before or after"),
        ("sqlite:///log.db?mode=memory", "nothing before or after"),
        ("", "found no path"),
        ("postgresql://ann:secret@host/db", "a file of its own"),
        ("postgresql://ann@host/db?password=secret", "a file of its own"),
    ],
)
def test_what_names_no_store_is_refused_with_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(PlaceError, match=expected) as caught:
        place_of(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [("sqlite:///log.db", "log.db"), ("sqlite:////data/log.db", "/data/log.db"), ("sqlite:////a%20b/x", "/a b/x"),
     ("x.db", "x.db")],
)  # fmt: skip
def test_paths_are_read_as_others_read_them(text: str, address: str) -> None:
    assert place_of(text) == Place("sqlite", address)


def test_a_password_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    place = place_of("postgresql://ann@host/db", tmp_path / "password")
    assert place.password() == "s3cret"
    assert "s3cret" not in repr(place)
    with pytest.raises(PlaceError, match="cannot be read"):
        place_of("postgresql://ann@host/db", tmp_path / "none")


def test_equal_shapes_have_one_digest_and_are_read_again() -> None:
    labels = Shape((("a", "number"),), ("y",), ("x", "ö"), None)
    assert Shape.read(labels.description) == labels
    assert labels.id != SHAPE.id
    assert Shape.read(SHAPE.description).id == SHAPE.id
