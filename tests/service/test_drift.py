"""Drift: what the rows that were asked for say, over windows, from all processes."""

import time
from typing import Any

import numpy as np
import pytest

from predictor import FolderRepository
from service.observing.drift import CELLS_A_TICK, DriftWatch
from service.versions.catalog import Served
from tests.contract.harness import through_front
from tests.service import models
from tests.service.wire import GOOD, answers, running, until

USUAL = [2.0, 6.0, 2.0, 6.0]


def ask(application: Any, rows: Any, **more: Any) -> None:
    answer = through_front(application, {"json": {"instances": rows} | more})
    assert answer.status == 200


def drift(application: Any, query: str = "") -> Any:
    return application.flask.test_client().get(f"/models/flowers/drift{query}").get_json()


def by_name(found: Any) -> Any:
    return {feature["name"]: feature for feature in found["features"]}


def test_a_shift_shows_in_the_feature_that_shifted(build: Any) -> None:
    application = build()
    for _ in range(30):
        ask(application, [[1.0, 1.0, 1.0, 1.0], [5.0, 1.0, 5.0, 5.0]])
    found = drift(application)
    assert (found["model"], found["version"], found["window"], found["rows"]) == ("flowers", 3, "1h", 60)
    states = {name: feature["state"] for name, feature in by_name(found).items()}
    assert states == {name: "drifted" if "sepal width" in name else "steady" for name in states}
    assert found["features"][0]["name"] == "sepal width (cm)"
    assert drift(application, "?window=24h")["rows"] == 60
    assert drift(application, "?version=2")["rows"] == 0


def test_missing_cells_and_those_out_of_range_are_shares_of_all(build: Any) -> None:
    application = build()
    usual = dict(zip(models.FLOWER_NAMES, USUAL, strict=True))
    odd = usual | {"sepal length (cm)": 99, "sepal width (cm)": 3.5, "petal width (cm)": None}
    ask(application, [odd, odd, odd, usual])
    found = by_name(drift(application, "?bins=true"))
    assert found["sepal length (cm)"]["outside"] == 0.75
    assert found["petal width (cm)"]["missing"] == 0.75
    assert found["sepal width (cm)"]["bins"] == [0.0, 4.0, 8.0]
    assert found["sepal width (cm)"]["seen"] == [0.75, 0.25]


def test_an_explanation_counts_its_rows_once(build: Any) -> None:
    application = build()
    ask(application, [USUAL, USUAL], explain=True)
    assert drift(application)["rows"] == 2


def test_rows_of_another_protocol_are_counted_too(build: Any) -> None:
    application = build()
    request = {"path": "/v1/models/flowers:predict", "json": {"instances": [USUAL]}}
    assert through_front(application, request).status == 200
    assert drift(application)["rows"] == 1


def test_refused_requests_are_not_counted(build: Any) -> None:
    application = build()
    assert through_front(application, {"json": {"instances": [[1, 2, 3]]}}).status == 422
    assert drift(application)["rows"] == 0


@pytest.mark.parametrize("query", ["?window=2h", "?window=%00", "?version=0", "?version=x"])
def test_another_question_is_refused(build: Any, query: str) -> None:
    assert drift(build(), query)["status"] in {404, 422}


def test_it_can_be_switched_off(build: Any) -> None:
    application = build(drift=False)
    ask(application, [USUAL])
    assert drift(application)["status"] == 404


def test_a_busy_moment_is_sampled_and_a_large_request_thinned() -> None:
    watch = DriftWatch()
    watch.is_ticked = True
    served = Served("flowers", 1, models.flowers())
    A = np.zeros((10_000, 3))
    watch.observe(served, np.tile(USUAL, (10_000, 1)), A)
    for _ in range(10_000):
        watch.observe(served, np.array([USUAL]), A[:1])
    rows, features, _ = watch.shifts(served, "1h")
    assert 0 < rows <= CELLS_A_TICK // 4 + 16
    assert features[0].outside == 0.0


def test_all_workers_add_to_one_count(tmp_path: Any) -> None:
    models.publish(FolderRepository(tmp_path), "flowers", models.flowers())
    with running(tmp_path, workers=2) as service:
        connections = [service.connect() for _ in range(8)]
        for _ in range(10):
            for connection in connections:
                connection.sendall(GOOD)
            for connection in connections:
                assert next(answers(connection)).status == 200
            time.sleep(0.01)
        for connection in connections:
            connection.close()
        until(lambda: service.get("/models/flowers/drift").json["rows"] == 80)
