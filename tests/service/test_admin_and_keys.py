"""Who may do what."""

from typing import Any

import pytest

from service.settings import SettingsError, load_settings
from tests.service import models

TOKEN = "t" * 32
ONE = {"instances": [models.FLOWER_ROW]}


@pytest.fixture
def admin(build: Any, tmp_path: Any) -> Any:
    (tmp_path / "token").write_text(TOKEN + "\n")
    return build(admin=True, admin_token_file=tmp_path / "token").flask.test_client()


def bearer(token: Any) -> Any:
    return {"Authorization": f"Bearer {token}"}


def test_the_administrator_promotes_and_rolls_back(admin: Any) -> None:
    promoted = admin.post("/admin/models/flowers/promote", json={"version": 1}, headers=bearer(TOKEN))
    assert (promoted.status_code, promoted.get_json()["serving"]["champion"]) == (200, 1)
    assert admin.post("/predict", json=ONE).get_json()["version"] == 1
    back = admin.post("/admin/models/flowers/rollback", json={}, headers=bearer(TOKEN))
    assert (back.status_code, back.get_json()["serving"]["champion"]) == (200, 3)


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (bearer("x" * 32), 403), ({"Authorization": TOKEN}, 401)])
def test_nobody_else_does(admin: Any, headers: Any, status: Any) -> None:
    answer = admin.post("/admin/models/flowers/promote", json={"version": 1}, headers=headers)
    assert answer.status_code == status
    assert admin.post("/predict", json=ONE).get_json()["version"] == 3


@pytest.mark.parametrize("body", [{}, [], {"version": 0}, {"version": True}, {"version": "1"}, {"version": 77}])
def test_a_wrong_promotion_is_422(admin: Any, body: Any) -> None:
    answer = admin.post("/admin/models/flowers/promote", json=body, headers=bearer(TOKEN))
    assert answer.status_code == 422


def test_an_unknown_model_cannot_be_promoted(admin: Any) -> None:
    answer = admin.post("/admin/models/nothing/promote", json={"version": 1}, headers=bearer(TOKEN))
    assert answer.status_code == 404


def test_administration_without_a_token_refuses_to_start(tmp_path: Any) -> None:
    with pytest.raises(SettingsError, match="GANGLION_ADMIN_TOKEN_FILE names no file"):
        load_settings(admin=True)
    (tmp_path / "token").write_text("short")
    with pytest.raises(SettingsError, match="needs at least 32"):
        load_settings(admin=True, admin_token_file=tmp_path / "token")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(admin=True, admin_token_file=tmp_path / "missing")


def test_predictions_need_a_key_where_keys_are_set(build: Any, tmp_path: Any) -> None:
    (tmp_path / "keys").write_text("first-key\nsecond-key\n")
    client = build(api_key_file=tmp_path / "keys").flask.test_client()
    refused = client.post("/predict", json=ONE)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert client.post("/predict", json=ONE, headers=bearer("wrong")).status_code == 401
    assert client.post("/predict", json=ONE, headers=bearer("second-key")).status_code == 200
    assert client.post("/predict", json=ONE, headers={"X-API-Key": "first-key"}).status_code == 200
    assert client.get("/models").status_code == 200


def test_a_wrong_setting_is_said_in_a_sentence(monkeypatch: Any) -> None:
    monkeypatch.setenv("GANGLION_WORKERS", "zero")
    with pytest.raises(SettingsError, match="GANGLION_WORKERS: Input should be a valid integer"):
        load_settings()
