"""Models with dates among their features: what clients send, see and are told, the same through both doors."""

import json
from typing import Any

import pytest

from tests.contract.harness import through_flask, through_front
from tests.predictor.models import visits
from tests.service.models import publish
from tests.service.wire import Answer

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


def test_a_raw_row_of_the_training_table_is_answered(application: Any) -> None:
    record = {"ticket": "A/5 21171", "on": ROW[0], "at": ROW[1], "guests": ROW[2], "visits": 7}
    columns = {name: [cell] for name, cell in record.items()}
    bodies: list[dict[str, Any]] = [{"instances": [record]}, {"inputs": columns}]
    for body in bodies:
        status, answer = ask(application, path="/models/visits/predict", json=body | {"warnings": True})
        place = "instances/0/{}" if "instances" in body else "inputs/{}/0"
        pointers = ["/" + place.format(name) for name in ("ticket", "visits")]
        assert status == 200
        assert [warning["pointer"] for warning in answer["warnings"][0]] == pointers
        assert (answer["warning_count"], answer["warnings"][0][0]["code"]) == (2, "left_out")
    status, problem = ask(application, path="/models/visits/predict", json={"instances": [record | {"tickets": 1}]})
    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == ["/instances/0/tickets"]


def test_a_raw_line_of_the_training_table_is_answered(application: Any) -> None:
    text = "ticket,on,at,guests,visits\nA/5 21171,24/12/2022,9:15,2,7\n"
    csv = {"Content-Type": "text/csv"}
    expected = ask(application, path="/models/visits/predict", json={"instances": [ROW]})[1]["predictions"]
    answers = [ask(application, path="/models/visits/predict", headers=csv, body=text), ask(
        application, path="/models/visits/predict", headers={"Content-Type": "application/x-ndjson"},
        body=json.dumps({"on": ROW[0], "at": ROW[1], "guests": ROW[2], "ticket": "x"}) + "\n",
    )]  # fmt: skip
    assert [status for status, _ in answers] == [200, 200]
    assert [answer["predictions"] for _, answer in answers] == [expected, expected]


def test_what_was_left_out_is_described(application: Any) -> None:
    _, details = ask(application, method="GET", path="/models/visits")
    assert details["champion"]["left_out"] == ["ticket", "visits"]
    _, document = ask(application, method="GET", path="/openapi.json")
    properties = document["components"]["schemas"]["visits.request"]["properties"]
    record = properties["instances"]["oneOf"][1]["items"]
    for described in (record, properties["inputs"]):
        assert {"ticket", "visits"} <= set(described["properties"])
        assert described["required"] == ["on", "at", "guests"]


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
