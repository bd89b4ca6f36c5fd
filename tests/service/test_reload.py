"""Hot reload over a real repository."""

from typing import Any

import pytest

from predictor import FolderRepository, save_bytes
from service.server import welcome
from tests.service import models
from tests.service.wire import until

ONE = {"instances": [models.FLOWER_ROW]}


def version_of(application: Any, path: Any = "/predict") -> Any:
    return application.flask.test_client().post(path, json=ONE).get_json()["version"]


def test_a_promoted_version_answers_without_a_restart(build: Any, repository: Any) -> None:
    application = build()
    assert version_of(application) == 3
    models.publish(repository, "flowers", models.flowers(9))
    until(lambda: version_of(application) == 4)
    repository.rollback("flowers")
    until(lambda: version_of(application) == 3)


def test_a_failed_reload_keeps_the_old_model_serving_and_says_why(build: Any, repository: Any) -> None:
    application = build()
    registry = application.runtime.registry
    bad = repository.publish("flowers", {"model.npz": b"not a model"})
    repository.promote("flowers", bad)
    registry.refresh()
    client = application.flask.test_client()
    assert version_of(application) == 3
    described = client.get(f"/models/flowers/versions/{bad}").get_json()
    assert (described["state"], bool(described["reason"])) == ("failed", True)
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert f"version {bad} failed" in ready.get_json()["reasons"][0]
    assert client.post(f"/models/flowers/versions/{bad}/predict", json=ONE).status_code == 503


def test_a_model_that_never_loaded_leaves_the_others_serving_and_the_service_not_ready(
    build: Any, repository: Any
) -> None:
    repository.promote("broken", repository.publish("broken", {"model.npz": b""}))
    client = build().flask.test_client()
    assert client.post("/predict", json=ONE).status_code == 200
    answer = client.post("/models/broken/predict", json=ONE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_whoever_starts_a_service_without_a_sound_model_is_told_why_at_once(build: Any, tmp_path: Any) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    for name, said in (
        ("none", "no model is loaded yet; publish one into"),
        ("table.csv", "no model can answer: alias"),
    ):
        catalog = build(models=tmp_path / name, default_model=None).runtime.registry.catalog
        text = welcome("http://127.0.0.1:8000", catalog, tmp_path / name)
        assert text.startswith(f"Serving at http://127.0.0.1:8000 - {said}")
    assert "version 1 failed: is too short to be a model file" in text


def test_a_model_without_aliases_serves_its_newest_version(build: Any, repository: Any) -> None:
    repository.publish("plain", {"model.npz": b"broken"})
    repository.publish("plain", {"model.npz": save_bytes(models.flowers(5))})
    assert version_of(build(), "/models/plain/predict") == 2


def test_an_empty_repository_is_alive_and_not_ready(build: Any, tmp_path: Any) -> None:
    (tmp_path / "none").mkdir()
    client = build(models=tmp_path / "none", default_model=None).flask.test_client()
    assert client.post("/predict", json=ONE).status_code == 503
    assert client.get("/readyz").status_code == 503
    assert client.get("/models").get_json() == {"models": [], "default": None}


def test_the_only_model_is_the_default_one(build: Any, tmp_path: Any) -> None:
    root = tmp_path / "one"
    models.publish(FolderRepository(root), "flowers", models.flowers())
    assert version_of(build(models=root, default_model=None)) == 1


def test_several_models_without_a_default_need_a_name(build: Any) -> None:
    client = build(default_model=None).flask.test_client()
    assert client.post("/predict", json=ONE).status_code == 404


@pytest.mark.parametrize("text", ["{", "[]", '{"champion": "x"}', '{"champion": 99}', '{"../x": 1}'])
def test_damaged_aliases_keep_the_old_model_serving(build: Any, tmp_path: Any, text: Any) -> None:
    application = build()
    (tmp_path / "models" / "flowers" / "aliases.json").write_text(text)
    application.runtime.registry.refresh()
    assert version_of(application, "/predict") == 3


@pytest.mark.parametrize("is_mounted", [False, True])
def test_the_repository_disappearing_keeps_everything_serving(build: Any, tmp_path: Any, *, is_mounted: bool) -> None:
    application = build()
    registry, client = application.runtime.registry, application.flask.test_client()
    root = tmp_path / "models"
    root.rename(tmp_path / "gone")
    if is_mounted:
        root.mkdir()
    registry.refresh()
    assert version_of(application, "/predict") == 3
    said = "the model repository is empty: what was loaded serves on"
    assert (client.get("/readyz").status_code, client.get("/readyz").get_json()["reasons"]) == (200, [said])
    if is_mounted:
        root.rmdir()
    (tmp_path / "gone").rename(root)
    registry.refresh()
    assert version_of(application, "/predict") == 3
    assert client.get("/readyz").get_json() == {"status": "ready"}
