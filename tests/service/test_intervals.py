"""Intervals and sets of models that were calibrated, the same through both doors."""

import json
from dataclasses import replace
from typing import Any

import pytest

from predictor import Calibration
from tests.contract.harness import through_flask, through_front
from tests.service import models
from tests.service.wire import Answer

HOUSE = [80.0, "paved", "1"]


@pytest.fixture
def application(build: Any, repository: Any) -> Any:
    scores = tuple(i / 20 for i in range(1, 20))
    models.publish(repository, "flowers", replace(models.flowers(), calibration=Calibration(scores)))
    models.publish(
        repository, "houses", replace(models.houses(), calibration=Calibration(tuple(100 * s for s in scores)))
    )
    return build()


def ask(application: Any, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    request = {"path": path, "json": body}
    answers: list[Answer] = [through_flask(application, request), through_front(application, request)]
    assert answers[0].fixed == answers[1].fixed
    return answers[0].status, json.loads(answers[0].body)


@pytest.mark.parametrize(("part", "margin"), [(0.5, 50.0), (True, 90.0), (0.9, 90.0), (0.94, 95.0)])
def test_a_number_has_an_interval_around_it(application: Any, part: Any, margin: float) -> None:
    status, body = ask(application, "/models/houses/predict", {"instances": [HOUSE, HOUSE], "interval": part})
    assert status == 200
    expected = [[value - margin, value + margin] for value in body["predictions"]]
    assert body["intervals"] == [pytest.approx(pair, rel=1e-5) for pair in expected]


@pytest.mark.parametrize(("part", "margin"), [(0.3, 0.3), (0.9, 0.9), (0.95, 0.95)])
def test_classes_have_a_set_of_those_that_are_likely(application: Any, part: float, margin: float) -> None:
    status, body = ask(application, "/models/flowers/predict", {"instances": [models.FLOWER_ROW], "interval": part})
    assert status == 200
    (chances,) = body["probabilities"]
    likely = [name for name, chance in zip(body["classes"], chances, strict=True) if chance >= 1 - margin]
    assert body["sets"] == [likely]


def test_an_explanation_and_an_interval_go_together(application: Any) -> None:
    body = {"instances": [HOUSE], "interval": 0.5, "explain": True, "warnings": True}
    status, answer = ask(application, "/models/houses/predict", body)
    assert status == 200
    assert len(answer["intervals"]) == len(answer["explanations"]) == len(answer["warnings"]) == 1


def test_without_the_option_nothing_is_added(application: Any) -> None:
    for option in ({}, {"interval": False}):
        _, body = ask(application, "/models/houses/predict", {"instances": [HOUSE]} | option)
        assert "intervals" not in body


def test_too_few_rows_for_what_is_asked_are_said(application: Any) -> None:
    status, body = ask(application, "/models/houses/predict", {"instances": [HOUSE], "interval": 0.999})
    assert status == 422
    (error,) = body["errors"]
    assert error["pointer"] == "/interval"
    assert error["detail"] == (
        "model 'houses' was calibrated on 19 rows, too few for intervals that hold 0.999 of outcomes"
    )


def test_the_document_describes_the_answer(application: Any) -> None:
    answer = through_flask(application, {"path": "/openapi.json", "method": "GET"})
    assert answer.status == 200
    assert b'"intervals"' in answer.body
    assert b'"sets"' in answer.body
