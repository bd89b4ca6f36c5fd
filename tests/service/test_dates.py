"""Models with dates among their features: what clients send, see and are told, the same through both doors."""

import json
from typing import Any

import pytest

from tests.contract.harness import Answer, through_flask, through_front
from tests.predictor.models import visits
from tests.service.models import publish

ROW = ["24/12/2022", "9:15", 2]


@pytest.fixture
def application(build: Any, repository: Any) -> Any:
    publish(repository, "visits", visits())
    return build()


def ask(application: Any, **request: Any) -> tuple[int, dict[str, Any]]:
    answers: list[Answer] = [through_flask(application, request), through_front(application, request)]
    assert answers[0].fixed == answers[1].fixed
    return answers[0].status, json.loads(answers[0].body)


def test_a_date_is_sent_as_it_stands_in_the_file_or_in_iso_8601(application: Any) -> None:
    rows = [ROW, ["2022-12-24", "09:15:00", 2], {"guests": 2, "at": "9:15 am", "on": "24 December 2022"}]
    answers = [ask(application, path="/models/visits/predict", json={"instances": [row]}) for row in rows]
    assert [status for status, _ in answers] == [200] * 3
    assert len({body["predictions"][0] for _, body in answers}) == 1


def test_what_is_no_date_is_422_with_its_place(application: Any) -> None:
    body = {"instances": [ROW, ["12/24/2022", "9:15", 2]]}
    status, problem = ask(application, path="/models/visits/predict", json=body)
    expected = "'on': expected a date such as '2023-12-31T18:00:00' or '31/12/2023', found '12/24/2022'"
    assert status == 422
    assert problem["errors"] == [{"pointer": "/instances/1/0", "code": "date", "detail": expected}]


def test_options_know_dates(application: Any) -> None:
    body = {"instances": [[None, "9:15", 2], ["2030-01-01", "9:15", 2]], "warnings": True, "explain": True}
    status, answer = ask(application, path="/models/visits/predict", json=body)
    assert status == 200
    assert [len(warnings) for warnings in answer["warnings"]] == [0, 1]
    assert "outside the training range, 2020-01-01 to 2023-12-31" in answer["warnings"][1][0]["detail"]
    assert set(answer["explanations"][0]) == {"on", "at", "guests"}


def test_the_schema_describes_dates(application: Any) -> None:
    _, details = ask(application, method="GET", path="/models/visits")
    on = details["champion"]["features"][0]
    assert on == {"name": "on", "type": "date", "form": "dmy", "missing": "zeros", "low": "2020-01-01",
                  "high": "2023-12-31T18:00:00"}  # fmt: skip
    status, _ = ask(application, path="/models/visits/predict", json={"instances": [details["champion"]["example"]]})
    assert status == 200
    _, document = ask(application, method="GET", path="/openapi.json")
    cell = document["components"]["schemas"]["visits.request"]["properties"]["inputs"]["properties"]["on"]["items"]
    assert cell["type"] == ["string", "null"]
    assert cell["description"].startswith("A date such as '2023-12-31T18:00:00' or '31/12/2023'. Training range 2020")
