"""Feedback finds its answer in the store: what is new in it, what is judged, and what is given up."""

import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from feedback import Asked, Shape, Store, Told, place_of
from service.observer import Judged, Logged, QuietObserver
from service.truth import matching
from service.truth.judging import LiveFigures
from service.truth.matching import Matcher
from tests.service.wire import until

SHAPE = Shape((("area", "number"),), ("price",))


class Counts(QuietObserver):
    """Counts what was logged, and keeps what was judged."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.found: list[tuple[str, int, Judged]] = []

    def logged(self, result: Logged, count: int) -> None:
        self.events[result] += count

    def judged(self, model: str, version: int, found: Judged) -> None:
        self.found.append((model, version, found))


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with contextlib.closing(Store(place_of(f"sqlite:///{tmp_path}/log.db"))) as store:
        yield store


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def matcher(counts: Counts) -> Matcher:
    return Matcher(counts, LiveFigures())


def asked(request_id: str, *prices: float, model: str = "houses", version: int = 1) -> Asked:
    outputs = json.dumps({"predictions": prices})
    return Asked(model, version, request_id, 100.0, None, SHAPE.id, len(prices), "[]", outputs)


def told(request_id: str | None, *truths: Any, model: str = "houses") -> Told:
    return Told(model, None, request_id, 200.0, None, None, len(truths), None, json.dumps(truths))


def test_only_what_nobody_told_before_is_new(matcher: Matcher, store: Store, counts: Counts) -> None:
    first, second, third = told("a", 1, None), told("a", 2, 3), told("a", 4, 5)
    assert matcher.fresh(store, [first]) == [(first, [1, None])]
    store.write([], [first], {})
    assert counts.events == {}
    assert matcher.fresh(store, [second]) == [(second, [None, 3])]
    assert counts.events == {"repeated": 1}
    store.write([], [second], {})
    assert matcher.fresh(store, [third]) == []
    assert counts.events == {"repeated": 2}


def test_what_stood_on_other_rows_is_not_told_again(matcher: Matcher, store: Store, counts: Counts) -> None:
    first, second = told("a", 1, None), told("a", None, 2)
    assert matcher.fresh(store, [first, second]) == [(first, [1, None]), (second, [None, 2])]
    assert counts.events == {}


def test_one_batch_may_tell_of_a_request_twice(matcher: Matcher, store: Store, counts: Counts) -> None:
    first, second, other = told("a", 1), told("a", 2), told("a", 3, model="flats")
    assert matcher.fresh(store, [first, second, other]) == [(first, [1]), (other, [3])]
    assert counts.events == {"repeated": 1}


def test_an_answer_is_judged_once_by_the_version_that_gave_it(matcher: Matcher, store: Store, counts: Counts) -> None:
    store.write([asked("a", 10.0, 20.0, version=7), asked("b", 1.0, model="flats")], [], {SHAPE.id: SHAPE})
    matcher.add([(told("a", 11, 24), [11, 24]), (told("b", 5, model="flats"), [5])])
    matcher.match(store)
    assert counts.found == [("houses", 7, Judged(rows=2, error=5.0)), ("flats", 1, Judged(rows=1, error=4.0))]
    assert not matcher.is_waiting
    matcher.match(store)
    assert len(counts.found) == 2
    assert counts.events == {}


def test_an_answer_may_come_to_the_store_after_what_is_true_of_it(
    matcher: Matcher, store: Store, counts: Counts
) -> None:
    matcher.add([(told("a", 11), [11])])
    matcher.match(store)
    assert matcher.is_waiting
    store.write([asked("a", 10.0)], [], {SHAPE.id: SHAPE})

    def found() -> bool:  # it is not looked for again at once
        matcher.match(store)
        return not matcher.is_waiting

    until(found)
    assert counts.found == [("houses", 1, Judged(rows=1, error=1.0))]
    assert counts.events == {}


def test_an_answer_that_does_not_come_is_given_up(
    matcher: Matcher, store: Store, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "PATIENCE_S", 0.0)
    matcher.add([(told("a", 11), [11])])
    matcher.match(store)
    assert (matcher.is_waiting, counts.events, counts.found) == (False, {"unmatched": 1}, [])


def test_another_number_of_truths_than_rows_is_not_judged(matcher: Matcher, store: Store, counts: Counts) -> None:
    store.write([asked("a", 10.0, 20.0)], [], {SHAPE.id: SHAPE})
    matcher.add([(told("a", 11), [11])])
    matcher.match(store)
    assert (matcher.is_waiting, counts.events, counts.found) == (False, {"mismatched": 1}, [])


def test_of_very_much_that_waits_the_oldest_is_given_up(
    matcher: Matcher, store: Store, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "MOST_WAITING", 2)
    store.write([asked(name, 0.0) for name in "abc"], [], {SHAPE.id: SHAPE})
    matcher.add([(told(name, i), [i]) for i, name in enumerate("ab", 1)])
    assert counts.events == {}
    matcher.add([(told("c", 3), [3])])
    assert counts.events == {"unmatched": 1}
    matcher.match(store)
    assert [found.error for _, _, found in counts.found] == [2.0, 3.0]
