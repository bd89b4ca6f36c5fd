"""Truths as a body tells them: what fits the outputs of a model, and what is said of what does not."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from predictor import ClassOutputs, NumberOutputs
from predictor.wording import hint
from service.problems import Problem
from service.truth import truths
from service.truth.truths import LARGEST, Brought, Item, read_feedback
from service.versions.catalog import Served
from tests.service import models

NUMBERED = Served("codes", 1, replace(models.flowers(), outputs=ClassOutputs((1, 2, "3"), "code")))
PRICES = Served("houses", 1, models.houses())
PAIRS = Served(
    "pairs",
    1,
    models.predictor_of(
        models.houses().schema,
        models.network_of(6, (2,), "identity", 1),
        NumberOutputs(("a", "b"), (0.0, 0.0), (1.0, 1.0)),
        [[80.0, "paved", "1"]],
    ),
)


def told(truths: Any, served: Served, **more: Any) -> Any:
    return read_feedback(json.dumps({"request_id": "a", "truths": truths} | more).encode(), served, 10)


def faults_of(truths: Any, served: Served) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as refused:
        told(truths, served)
    assert refused.value.status == 422
    return [(fault.pointer, fault.code) for fault in refused.value.errors]


def test_classes_are_told_by_their_very_labels() -> None:
    assert told([1, None, "3"], NUMBERED) == [Item("a", [1, None, "3"], "/truths")]
    assert faults_of([1, "1", 3, 4], NUMBERED) == [
        ("/truths/1", "label"),
        ("/truths/2", "label"),
        ("/truths/3", "label"),
    ]
    assert faults_of([True, 1.0, [1], {}], NUMBERED) == [(f"/truths/{i}", "type") for i in range(4)]


def test_numbers_are_told_as_far_as_a_float32_reaches() -> None:
    assert told([-LARGEST, LARGEST, 0, None], PRICES)[0].truths == [-LARGEST, LARGEST, 0, None]
    assert faults_of([1e39, -1e39, 10**40], PRICES) == [(f"/truths/{i}", "range") for i in range(3)]
    assert faults_of(["1", True, [1.0]], PRICES) == [(f"/truths/{i}", "type") for i in range(3)]


def test_whole_numbers_that_a_double_does_not_hold_are_told_as_doubles() -> None:
    (item,) = told([2**53, 2**53 + 1, -(2**60)], PRICES)
    assert [(type(truth), truth) for truth in item.truths] == [(int, 2**53), (float, 2.0**53), (float, -(2.0**60))]
    (item,) = told([[2**53 + 1, 3]], PAIRS)
    assert [(type(truth), truth) for truth in item.truths[0]] == [(float, 2.0**53), (int, 3)]


def test_several_targets_are_told_together() -> None:
    assert told([[1, 2.5], None], PAIRS)[0].truths == [[1, 2.5], None]
    assert faults_of([[1], [1, 2, 3], 1, [1, "2"], [None, 1]], PAIRS) == [
        ("/truths/0", "type"), ("/truths/1", "type"), ("/truths/2", "type"), ("/truths/3/1", "type"),
        ("/truths/4/0", "type"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("truths", "code"), [([], "type"), ({}, "type"), (1, "type"), ([None, None], "empty"), ([1] * 11, "rows")]
)
def test_truths_are_a_list_that_says_something(truths: Any, code: str) -> None:
    assert faults_of(truths, PRICES) == [("/truths", code)]


def test_of_many_faults_ten_are_shown_and_all_are_counted() -> None:
    body = json.dumps({"request_id": "a", "truths": ["x"] * 15}).encode()
    with pytest.raises(Problem) as refused:
        read_feedback(body, PRICES, 20)
    assert (len(refused.value.errors), refused.value.errors.total) == (10, 15)


def test_what_was_meant_is_looked_for_no_oftener_than_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def recorded(name: str, known: Iterable[str]) -> str:
        looked.append(name)
        return hint(name, known)

    monkeypatch.setattr(truths, "hint", recorded)
    body = json.dumps({"request_id": "a", "truths": [f"virginca {i}" for i in range(5000)]}).encode()
    with pytest.raises(Problem) as refused:
        read_feedback(body, Served("flowers", 1, models.flowers()), 5000)
    assert refused.value.errors.total == 5000
    assert refused.value.errors[9].detail == "'virginca 9' is no class of the model; did you mean 'virginica'?"
    assert len(looked) == 10


def test_as_many_rows_as_are_allowed_may_be_told_of_in_all() -> None:
    def several(*counts: int) -> Any:
        entries = [{"request_id": f"r{i}", "truths": [1.0] * count} for i, count in enumerate(counts)]
        return read_feedback(json.dumps({"feedback": entries}).encode(), PRICES, 10)

    assert [len(item.truths) for item in several(4, 6)] == [4, 6]
    with pytest.raises(Problem) as refused:
        several(5, 6)
    assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("", "rows")]
    with pytest.raises(Problem) as many:
        several(*[1] * 11)
    assert [(fault.pointer, fault.code) for fault in many.value.errors] == [("/feedback", "rows")]


def test_rows_may_come_along_with_one_truth_each() -> None:
    def brought(rows: int, truths: int) -> Any:
        body = {"instances": [[80.0, "paved", "1"]] * rows, "truths": [1.0] * truths}
        return read_feedback(json.dumps(body).encode(), PRICES, 10)

    found = brought(2, 2)
    assert isinstance(found, Brought)
    assert (len(found.instances.X), found.truths) == (2, [1.0, 1.0])
    for rows, told_of in ((2, 1), (1, 2)):
        with pytest.raises(Problem) as refused:
            brought(rows, told_of)
        assert [(fault.pointer, fault.code) for fault in refused.value.errors] == [("/truths", "rows")]


@pytest.mark.parametrize("request_id", ["", "a" * 65, "a b", "a/b", "\u00e9", "a\n", 7, None])
def test_a_request_is_named_by_the_id_of_an_answer(request_id: Any) -> None:
    assert faults_of_id(request_id) == [("/request_id", "type")]


def faults_of_id(request_id: Any) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as refused:
        told([1.0], PRICES, request_id=request_id)
    return [(fault.pointer, fault.code) for fault in refused.value.errors]
