"""What hosting platforms expect of a container: their variables, their command, their folder of a model."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from predictor import FileRepository, RepositoryError, save_bytes
from service.application import create_application, repository_at
from service.settings import SettingsError, load_settings
from tests.contract import harness
from tests.service import models
from tests.service.wire import START_S, Answer

ROOT = Path(__file__).parents[2]
ROW = models.FLOWER_ROW
PREDICT = "/v1/endpoints/1234/deployedModels/56:predict"
HEALTH = "/v1/endpoints/1234/deployedModels/56"


def test_vertex_names_the_port_and_the_paths(build: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("AIP_MODE", "PREDICTION")
    monkeypatch.setenv("GANGLION_BIND", "0.0.0.0:8000")
    assert load_settings().bind == "0.0.0.0:8080"
    monkeypatch.setenv("AIP_HTTP_PORT", "7080")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", PREDICT)
    monkeypatch.setenv("AIP_HEALTH_ROUTE", HEALTH)
    assert load_settings().bind == "0.0.0.0:7080"
    assert load_settings(bind="127.0.0.1:1").bind == "127.0.0.1:1"

    application = build()
    body = {"instances": [ROW, ROW], "parameters": {"confidence": 1}}
    predicted = both_doors(application, {"path": PREDICT, "json": body})
    assert predicted.status == 200
    assert [row["label"] for row in json.loads(predicted.body)["predictions"]] == ["virginica"] * 2
    healthy = both_doors(application, {"path": HEALTH, "method": "GET"})
    assert (healthy.status, json.loads(healthy.body)) == (200, {"ready": True})
    refused = both_doors(application, {"path": PREDICT, "json": {"instances": [[1]]}})
    assert refused.status == 400
    assert "expected a row of 4 values" in json.loads(refused.body)["error"]


def test_vertex_finds_an_empty_service_unhealthy(tmp_path: Path) -> None:
    application = create_application(load_settings(models=tmp_path, health_route=HEALTH))
    assert both_doors(application, {"path": HEALTH, "method": "GET"}).status == 503
    assert both_doors(application, {"path": "/ping", "method": "GET"}).status == 503


def test_a_platforms_path_stands_before_a_path_of_our_own(build: Any) -> None:
    application = build(predict_route="/predict", health_route="/healthz")
    answer = both_doors(application, {"path": "/predict", "json": {"instances": [ROW]}})
    assert json.loads(answer.body).keys() == {"predictions"}
    assert json.loads(both_doors(application, {"path": "/healthz", "method": "GET"}).body) == {"ready": True}


@pytest.mark.parametrize("path", ["predict", "/", "/<name>", "/a%20b", "/a b", "/a\nb", "/" + "a" * 256])
def test_a_path_that_is_none_stops_the_start(path: str) -> None:
    with pytest.raises(SettingsError, match="GANGLION_PREDICT_ROUTE"):
        load_settings(predict_route=path)


def test_sagemaker_starts_serve_with_a_model_unpacked_into_its_folder(tmp_path: Path) -> None:
    (tmp_path / "model.npz").write_bytes(save_bytes(models.flowers(3)))
    given = {"SM_MODEL_DIR": str(tmp_path), "SAGEMAKER_BIND_TO_PORT": "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "serve"]
    process = subprocess.Popen(
        command,
        cwd=ROOT / "deploy",
        env=os.environ | given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        url = process.stderr.readline().split()[-1]
        with urlopen(f"{url}/ping") as answer:
            assert answer.status == 200
        request = Request(
            f"{url}/invocations", b"5.1,3.5,1.4,0.2\n", {"Content-Type": "text/csv", "Accept": "text/csv"}
        )
        with urlopen(request) as answer:
            assert answer.read() == b"virginica\n"
            assert answer.headers["X-Model-Name"] == "model"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=START_S) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_one_file_is_a_repository_that_nothing_can_be_published_into(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    repository = FileRepository(path)
    assert (repository.names(), repository.fingerprint()) == ([], None)
    path.write_bytes(save_bytes(models.flowers()))
    assert (repository.names(), repository.versions("model"), repository.aliases("model")) == (
        ["model"], [1], {"champion": 1},
    )  # fmt: skip
    assert repository.read("model", 1) == path.read_bytes()
    before = repository.fingerprint()
    path.write_bytes(save_bytes(models.flowers(2)) + b"")
    assert repository.fingerprint() != before
    for refused in (
        lambda: repository.read("model", 2),
        lambda: repository.versions("x"),
        lambda: repository.publish("model", {}),
        lambda: repository.promote("model", 1),
        lambda: repository.set_alias("model", "a", 1),
        lambda: repository.rollback("model"),
    ):
        with pytest.raises(RepositoryError):
            refused()
    assert isinstance(repository_at(path), FileRepository)
    assert isinstance(repository_at(tmp_path), FileRepository)
    assert not isinstance(repository_at(tmp_path / "other"), FileRepository)


def both_doors(application: Any, request: Any) -> Answer:
    flask = harness.through_flask(application, request)
    front = harness.through_front(application, request)
    assert flask.fixed == front.fixed
    return front
