"""The statistics extension: counted by version over all workers, whichever protocol a request came by."""

import time
from typing import Any

import pytest

from service.application import create_observer
from service.settings import load_settings
from tests.service import models

ROW = models.FLOWER_ROW


@pytest.fixture
def client(build: Any) -> Any:
    return build(create_observer(load_settings(log_level="error"))).flask.test_client()


def statistics(client: Any, path: str) -> Any:
    return client.get(path).get_json()["model_stats"]


def test_predictions_are_counted_for_the_version_that_answered(client: Any) -> None:
    began = time.time()
    assert client.post("/predict", json={"instances": [ROW, ROW]}).status_code == 200
    assert client.post("/v1/models/flowers:predict", json={"instances": [ROW]}).status_code == 200
    assert client.post("/v2/models/flowers/infer", json={}).status_code == 400
    assert client.get("/v2/models/flowers").status_code == 200

    older, newer = statistics(client, "/v2/models/flowers/stats")
    assert (older["version"], older["inference_count"], older["last_inference"]) == ("2", 0, 0)
    assert (newer["version"], newer["inference_count"], newer["execution_count"]) == ("3", 3, 2)
    assert began * 1000 - 1 <= newer["last_inference"] <= time.time() * 1000 + 1
    kinds = newer["inference_stats"]
    assert (kinds["success"]["count"], kinds["fail"]["count"], kinds["cache_hit"]["count"]) == (2, 1, 0)
    parts = sum(kinds[name]["ns"] for name in ("queue", "compute_input", "compute_infer", "compute_output"))
    assert 0 < parts < kinds["success"]["ns"]
    assert [entry["name"] for entry in statistics(client, "/v2/models/stats")] == [
        "bursting", "flowers", "flowers", "houses",
    ]  # fmt: skip


def test_an_alias_counts_for_its_version(client: Any) -> None:
    body = {"instances": [ROW]}
    assert client.post("/v1/models/flowers/labels/previous:predict", json=body).status_code == 200
    (only,) = statistics(client, "/v2/models/flowers/versions/2/stats")
    assert only["inference_count"] == 1
