"""Predictions are kept, what was true is told of them, and neither ever costs a prediction."""

import contextlib
import json
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedback import Store, StoreError, examples, place_of
from predictor import Calibration
from service.application import create_observer
from service.keys import new_key
from service.observing.logs import LogWriter
from service.settings import SettingsError, load_settings
from tests.service import models
from tests.service.wire import running, until

ROW = models.FLOWER_ROW
HOUSE = [80.0, "paved", "1"]
ANSWER = "virginica"  # of the flowers' champion to the row
SEVERAL = {"instances": [ROW, ROW, ROW]}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the store's answer also where this process is kept from the processor."""
    for name in ("LOOK_S", "READ_S"):
        monkeypatch.setattr(f"service.truth.logbook.{name}", 60.0)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/log.db"


@pytest.fixture
def app(build: Any, url: str, tmp_path: Path) -> Any:
    with (tmp_path / "lines").open("w") as lines:
        yield build(create_observer(load_settings(models=tmp_path), LogWriter(lines)), log_store=url)


@pytest.fixture
def client(app: Any) -> Any:
    return app.flask.test_client()


def ask(client: Any, request_id: str, body: Any = SEVERAL, path: str = "/predict", **headers: str) -> Any:
    answer = client.post(path, json=body, headers={"X-Request-Id": request_id, **headers})
    assert answer.status_code == 200
    return answer.get_json()


def tell(client: Any, body: Any, path: str = "/feedback", status: int = 202, **headers: str) -> Any:
    answer = client.post(path, json=body, headers=headers)
    assert answer.status_code == status, answer.get_json()
    return answer.get_json()


def wait_for(app: Any, *request_ids: str, model: str = "flowers") -> None:
    """Wait until the store has the answers to these requests."""
    until(lambda: len(app.runtime.logbook.answers(model, request_ids) or {}) == len(request_ids))


def figures(client: Any, model: str = "flowers", version: int = 3) -> Any:
    said = client.get(f"/models/{model}/feedback").get_json()
    return next(found for found in said["versions"] if found["version"] == version)


def metric(client: Any, line: str) -> float:
    text = client.get("/metrics").get_data(as_text=True)
    return sum(float(found.rpartition(" ")[2]) for found in text.splitlines() if found.startswith(line))


def kept(url: str, model: str = "flowers", client: str | None = None) -> list[Any]:
    """Return the rows whose truth the store has; none before there is a store."""
    clients = None if client is None else frozenset({client})
    with contextlib.closing(Store(place_of(url), is_read_only=True)) as store:
        try:
            return [(example.cells, example.truth) for example in examples(store, model, clients=clients)]
        except StoreError:
            return []


def test_what_was_true_is_told_by_the_id_of_a_request(app: Any, client: Any, url: str) -> None:
    ask(client, "a")
    wait_for(app, "a")
    said = tell(client, {"request_id": "a", "truths": [ANSWER, "setosa", None]})
    state = {"request_id": "a", "state": "matched", "version": 3}
    assert said == {"model": "flowers", "rows": 2, "feedback": [state]}
    until(lambda: figures(client)["rows"] == 2)
    assert figures(client) == {
        "version": 3, "aliases": ["champion"], "rows": 2, "accuracy": 0.5, "coverage": None,
    }  # fmt: skip
    assert kept(url) == [(ROW, ANSWER), (ROW, "setosa")]
    assert metric(client, 'ganglion_live_accuracy{model="flowers",version="3"}') == 0.5
    assert metric(client, 'ganglion_feedback_correct_total{model="flowers",version="3"}') == 1
    assert metric(client, 'ganglion_log_requests_total{result="written"}') == 1


def test_many_are_told_at_once_and_each_says_what_became_of_it(app: Any, client: Any, url: str) -> None:
    for request_id in ("a", "b"):
        ask(client, request_id)
    wait_for(app, "a", "b")
    items = [{"request_id": request_id, "truths": [ANSWER] * 3} for request_id in ("a", "b", "never-asked")]
    said = tell(client, {"feedback": items})
    assert [found["state"] for found in said["feedback"]] == ["matched", "matched", "waiting"]
    until(lambda: figures(client)["rows"] == 6)
    assert len(kept(url)) == 6


def test_rows_may_come_along_with_what_was_true_of_them(client: Any, url: str) -> None:
    path = "/models/houses/feedback"
    assert tell(client, {"instances": [HOUSE, HOUSE], "truths": [210, None]}, path) == {
        "model": "houses", "rows": 1, "version": 1,
    }  # fmt: skip
    columns = {"area": [71.5], "street": [None], "roof": ["flat"]}
    tell(client, {"inputs": columns, "truths": [190.5]}, path)
    predicted = ask(client, "x", {"instances": [HOUSE]}, "/models/houses/predict")["predictions"][0]
    other = ask(client, "y", {"inputs": columns}, "/models/houses/predict")["predictions"][0]
    expected = (abs(predicted - 210) + abs(other - 190.5)) / 2
    found = figures(client, "houses", 1)
    assert (found["rows"], found["mean_absolute_error"]) == (2, pytest.approx(expected, rel=1e-5))
    until(lambda: kept(url, "houses") == [(HOUSE, 210), ([71.5, None, "flat"], 190.5)])


def test_what_is_told_twice_is_judged_once_and_the_last_word_is_kept(app: Any, client: Any, url: str) -> None:
    ask(client, "a")
    wait_for(app, "a")
    for truths in ([ANSWER, None, None], ["setosa", None, None], [None, "setosa", None]):
        tell(client, {"request_id": "a", "truths": truths})
    until(lambda: figures(client)["rows"] == 2)
    assert figures(client)["accuracy"] == 0.5
    assert metric(client, 'ganglion_feedback_requests_total{result="repeated"}') == 1
    assert kept(url) == [(ROW, "setosa"), (ROW, "setosa")]


def test_feedback_may_be_faster_than_the_log(app: Any, client: Any) -> None:
    assert tell(client, {"request_id": "a", "truths": [ANSWER]})["feedback"][0]["state"] == "waiting"
    ask(client, "a", {"instances": [ROW]})
    tell(client, {"request_id": "b", "truths": [ANSWER]})
    ask(client, "b")
    until(lambda: metric(client, 'ganglion_feedback_requests_total{result="mismatched"}') == 1)
    assert figures(client)["rows"] == 1


def test_another_number_of_truths_than_rows_is_refused(app: Any, client: Any, url: str) -> None:
    ask(client, "a")
    wait_for(app, "a")
    said = tell(client, {"feedback": [{"request_id": "a", "truths": [ANSWER]}]}, status=422)
    assert said["errors"] == [
        {"pointer": "/feedback/0/truths", "code": "rows",
         "detail": "expected 3 truths, one for each row of the request, found 1"},
    ]  # fmt: skip
    tell(client, {"instances": [ROW], "truths": [ANSWER, ANSWER]}, status=422)
    assert kept(url) == []


def test_intervals_and_sets_are_judged_too(build: Any, repository: Any, url: str) -> None:
    flowers = replace(models.flowers(), calibration=Calibration(tuple(i / 100 for i in range(100))))
    houses = replace(models.houses(), calibration=Calibration(tuple(float(i) for i in range(100))))
    models.publish(repository, "flowers", flowers)
    models.publish(repository, "houses", houses)
    client = build(log_store=url).flask.test_client()
    price = ask(client, "x", {"instances": [HOUSE]}, "/models/houses/predict")["predictions"][0]
    tell(
        client,
        {"instances": [HOUSE] * 4, "truths": [price, price + 89, price - 89, price + 91]},
        "/models/houses/feedback",
    )
    found = figures(client, "houses", 2)
    assert (found["coverage"], found["mean_absolute_error"]) == (0.75, pytest.approx((89 + 89 + 91) / 4, rel=1e-4))
    P = ask(client, "y", {"instances": [ROW]})["probabilities"][0]
    truths = ["setosa", "versicolor", "virginica"]
    tell(client, {"instances": [ROW] * 3, "truths": truths})
    held = [p >= 0.1 for p in P]
    assert figures(client, "flowers", 4)["coverage"] == pytest.approx(sum(held) / 3)


def test_a_sample_is_kept_and_the_rest_is_said_to_be_unknown(build: Any, url: str) -> None:
    app = build(log_store=url, log_sample=0.5)
    client = app.flask.test_client()
    names = [f"r{i}" for i in range(60)]
    for name in names:
        ask(client, name)
    taken = [name for name in names if app.runtime.logbook.takes(name)]
    assert 10 < len(taken) < 50
    wait_for(app, *taken)
    assert app.runtime.logbook.answers("flowers", names).keys() == set(taken)
    said = tell(client, {"feedback": [{"request_id": name, "truths": [ANSWER] * 3} for name in names]})
    assert [found["state"] == "matched" for found in said["feedback"]] == [name in taken for name in names]
    other = next(name for name in names if name not in taken)
    assert "send the rows" in tell(client, {"request_id": other, "truths": [ANSWER] * 3}, status=404)["detail"]


def test_predictions_of_every_protocol_and_form_are_kept(app: Any, client: Any, url: str) -> None:
    ask(client, "tensorflow", SEVERAL, "/v1/models/flowers:predict")
    inputs = [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": ROW}]
    ask(client, "open", {"inputs": inputs}, "/v2/models/flowers/infer")
    text = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,\n"
    answer = client.post("/predict", data=text, headers={"X-Request-Id": "csv", "Content-Type": "text/csv"})
    assert answer.status_code == 200
    ask(client, "explained", SEVERAL | {"explain": True})
    sizes = {"tensorflow": 3, "open": 1, "csv": 1, "explained": 3}
    wait_for(app, *sizes)
    assert {name: found.size for name, found in app.runtime.logbook.answers("flowers", [*sizes]).items()} == sizes
    for name, size in sizes.items():
        tell(client, {"request_id": name, "truths": ["setosa"] * size})
    until(lambda: len(kept(url)) == 8)
    assert ([5.1, 3.5, 1.4, None], "setosa") in kept(url)


def test_numbers_beyond_64_bits_are_kept_and_told(client: Any, url: str) -> None:
    body = {"instances": [[10**30, "paved", "1"]]}
    ask(client, "a", body, "/models/houses/predict")
    tell(client, {"request_id": "a", "truths": [10**30]}, "/models/houses/feedback")
    tell(client, body | {"truths": [2**53 + 1]}, "/models/houses/feedback")
    until(lambda: kept(url, "houses") == [([1e30, "paved", "1"], 1e30), ([1e30, "paved", "1"], 2.0**53)])
    until(lambda: figures(client, "houses", 1)["rows"] == 2)
    assert metric(client, 'ganglion_log_requests_total{result="lost"}') == 0


def test_a_store_that_cannot_be_reached_costs_no_prediction(build: Any, tmp_path: Path) -> None:
    folder = tmp_path / "later"
    with (tmp_path / "lines").open("w+") as lines:
        observer = create_observer(load_settings(models=tmp_path), LogWriter(lines))
        app = build(observer, log_store=f"sqlite:///{folder}/log.db")
        client = app.flask.test_client()
        ask(client, "a")
        assert tell(client, {"request_id": "a", "truths": [ANSWER] * 3})["feedback"][0]["state"] == "waiting"
        until(lambda: metric(client, "ganglion_log_failures_total") > 0)
        until(lambda: "the log store does not take records" in (tmp_path / "lines").read_text())
        folder.mkdir()
        until(lambda: figures(client)["rows"] == 3)
    assert len(kept(f"sqlite:///{folder}/log.db")) == 3


def test_what_the_store_never_took_is_counted_and_said_at_the_end(build: Any, tmp_path: Path) -> None:
    with (tmp_path / "lines").open("w+") as lines:
        observer = create_observer(load_settings(models=tmp_path), LogWriter(lines))
        app = build(observer, log_store=f"sqlite:///{tmp_path}/none/log.db")
        client = app.flask.test_client()
        ask(client, "a")
        tell(client, {"request_id": "a", "truths": [ANSWER] * 3})
        until(lambda: metric(client, "ganglion_log_failures_total") > 0)
        app.life.stop()
    said = [json.loads(line) for line in (tmp_path / "lines").read_text().splitlines() if "not take records" in line]
    assert said[0]["store"] == f"{tmp_path}/none/log.db"
    assert "its folder has to be there" in said[0]["reason"]
    assert (said[-1]["reason"], said[-1]["lost"], len(said)) == ("the service ended first", 2, 2)
    assert metric(client, 'ganglion_log_requests_total{result="lost"}') == 1
    assert metric(client, 'ganglion_feedback_requests_total{result="lost"}') == 1


def test_a_store_that_hangs_drops_what_is_too_much_and_delays_nothing(app: Any, client: Any, tmp_path: Path) -> None:
    ask(client, "before")
    wait_for(app, "before")
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db", timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        body = json.dumps({"instances": [ROW] * 10_000}).encode()
        taken_s = []
        for _ in range(24):
            started = time.monotonic()
            assert client.post("/predict", data=body, content_type="application/json").status_code == 200
            taken_s.append(time.monotonic() - started)
        # The store is waited for 5 seconds; others may keep the machine from one request or two.
        assert all(min(taken_s[i : i + 3]) < 4 for i in range(22)), taken_s
        tell(client, {"feedback": [{"request_id": f"r{i}", "truths": [ANSWER]} for i in range(10_000)]})
        tell(client, {"feedback": [{"request_id": f"r{i}", "truths": [ANSWER]} for i in range(9_500)]})
        full = client.post("/feedback", json={"feedback": [{"request_id": "r", "truths": [ANSWER]}] * 10_000})
        assert (full.status_code, full.headers["Retry-After"]) == (503, "1")
        other.execute("ROLLBACK")
    until(lambda: metric(client, 'ganglion_log_requests_total{result="full"}') >= 1)
    until(lambda: metric(client, 'ganglion_log_requests_total{result="written"}') >= 3)


def test_what_waits_is_bounded_in_bytes_too(app: Any, client: Any, tmp_path: Path) -> None:
    ask(client, "before")
    wait_for(app, "before")
    texts = {"instances": [[80.0, "paved", "x" * 1_000_000]]}
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db", timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for i in range(25):
            ask(client, f"r{i}", texts, "/models/houses/predict")
        statuses = [
            client.post("/models/houses/feedback", json=texts | {"truths": [1.0]}).status_code for _ in range(45)
        ]
        assert set(statuses) == {202, 503}
        assert statuses.count(202) < 40
        other.execute("ROLLBACK")
    until(lambda: metric(client, 'ganglion_log_requests_total{result="full"}') >= 1)


def test_without_a_store_nothing_is_kept_and_nothing_taken(build: Any) -> None:
    client = build().flask.test_client()
    ask(client, "a")
    assert "GANGLION_LOG_STORE" in tell(client, {"request_id": "a", "truths": [ANSWER]}, status=404)["detail"]
    assert client.get("/models/flowers/feedback").status_code == 404
    assert metric(client, "ganglion_live") == 0


def test_keys_and_scopes(build: Any, tmp_path: Path, url: str) -> None:
    drawn = {scope: new_key(f"key-{scope}", [scope]) for scope in ("predict", "feedback", "observe")}
    (tmp_path / "keys").write_text("\n".join(line for _, line in drawn.values()) + "\n")
    body = {"instances": [ROW], "truths": [ANSWER]}

    def statuses(**settings: Any) -> dict[str, int]:
        client = build(log_store=url, api_key_file=tmp_path / "keys", **settings).flask.test_client()
        assert client.post("/feedback", json=body).status_code == 401
        return {
            scope: client.post("/feedback", json=body, headers={"X-API-Key": key}).status_code
            for scope, (key, _) in drawn.items()
        }

    assert statuses() == {"predict": 202, "feedback": 202, "observe": 403}
    assert statuses(feedback_scope="feedback") == {"predict": 403, "feedback": 202, "observe": 403}
    until(lambda: len(kept(url)) == 3)
    assert len(kept(url, client="key-feedback")) == 2


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"log_store": "mysql://a/b"}, "GANGLION_LOG_STORE: expected sqlite:"),
        ({"log_store": "postgresql://a:b@c/d"}, "GANGLION_LOG_STORE: a URL is seen"),
        ({"log_sample": 0}, "GANGLION_LOG_SAMPLE"),
    ],
)
def test_a_store_that_cannot_be_used_refuses_to_start(settings: Any, expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        load_settings(**settings)


def test_all_workers_write_to_one_store_and_nothing_is_lost_at_the_end(tmp_path: Path, url: str) -> None:
    models.filled_repository(tmp_path / "models")

    def post(service: Any, path: str, body: Any, request_id: str) -> Any:
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: {request_id}\r\nContent-Length: {len(data)}\r\n\r\n"
        return service.ask(head.encode() + data)

    with running(tmp_path / "models", workers=2, log_store=url) as service:
        for i in range(20):
            assert post(service, "/predict", {"instances": [ROW]}, f"r{i}").status == 200
        for i in range(20):
            told = {"request_id": f"r{i}", "truths": [ANSWER]}
            assert post(service, "/feedback", told, f"f{i}").status == 202
        until(lambda: service.get("/models/flowers/feedback").json["versions"][-1]["rows"] == 20)
        for i in range(20, 40):
            assert post(service, "/predict", {"instances": [ROW]}, f"r{i}").status == 200
            assert post(service, "/feedback", {"request_id": f"r{i}", "truths": [ANSWER]}, "f").status == 202
        assert service.stop() == 0
    assert len(kept(url)) == 40
