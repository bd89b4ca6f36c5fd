"""Who may do what."""

import contextlib
import hashlib
import os
from typing import Any

import pytest

from service.cli import main
from service.keys import Key, LimitError, Limits, new_key, read_keys
from service.settings import SettingsError, load_settings
from tests.service import models
from tests.service.wire import until

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
    bare = admin.post("/admin/models/flowers/rollback", headers=bearer(TOKEN))  # as curl -X POST sends it
    assert (bare.status_code, bare.get_json()["serving"]["champion"]) == (200, 1)
    assert admin.post("/admin/models/flowers/promote", headers=bearer(TOKEN)).status_code == 411


def test_a_promotion_is_put_on_record_with_its_note(admin: Any, repository: Any) -> None:
    body = {"version": 1, "note": "by hand", "watch": False}
    assert admin.post("/admin/models/flowers/promote", json=body, headers=bearer(TOKEN)).status_code == 200
    promotion = repository.promotion("flowers")
    assert (promotion.version, promotion.note, promotion.is_watched) == (1, "by hand", False)


@pytest.mark.parametrize(("headers", "status"), [({}, 401), (bearer("x" * 32), 403), ({"Authorization": TOKEN}, 401)])
def test_nobody_else_does(admin: Any, headers: Any, status: Any) -> None:
    answer = admin.post("/admin/models/flowers/promote", json={"version": 1}, headers=headers)
    assert answer.status_code == status
    assert admin.post("/predict", json=ONE).get_json()["version"] == 3


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"version": 0},
        {"version": True},
        {"version": "1"},
        {"version": 77},
        {"version": 1, "more": 1},
        {"version": 1, "note": 1},
        {"version": 1, "watch": 0},
        {"note": "", "watch": True},
    ],
)
def test_a_wrong_promotion_is_422(admin: Any, body: Any) -> None:
    answer = admin.post("/admin/models/flowers/promote", json=body, headers=bearer(TOKEN))
    assert answer.status_code == 422


def test_an_unknown_model_cannot_be_promoted(admin: Any) -> None:
    answer = admin.post("/admin/models/nothing/promote", json={"version": 1}, headers=bearer(TOKEN))
    assert answer.status_code == 404


def test_the_administrator_lets_the_repository_be_looked_at_now(admin: Any, repository: Any) -> None:
    version = models.publish(repository, "new", models.houses())
    assert admin.get("/v2/models/new/ready").status_code == 404
    path = "/v2/repository/models/new"
    assert admin.post(f"{path}/load", json={}).status_code == 401
    loaded = admin.post(f"{path}/load", json={}, headers=bearer(TOKEN))
    assert (loaded.status_code, loaded.data) == (200, b"")
    assert admin.get("/v2/models/new").get_json()["versions"] == [str(version)]
    refused = admin.post(f"{path}/unload", json={}, headers=bearer(TOKEN))
    assert refused.status_code == 501
    assert "alias" in refused.get_json()["error"]
    repository.publish("broken", {"model.npz": b"no model"})
    unknown = admin.post("/v2/repository/models/nothing/load", json={}, headers=bearer(TOKEN))
    assert (unknown.status_code, unknown.get_json().keys()) == (400, {"error"})
    failed = admin.post("/v2/repository/models/broken/load", json={}, headers=bearer(TOKEN))
    assert failed.status_code == 400
    assert "failed to load" in failed.get_json()["error"]


def test_administration_without_a_token_refuses_to_start(tmp_path: Any) -> None:
    with pytest.raises(SettingsError, match="GANGLION_ADMIN_TOKEN_FILE names no file"):
        load_settings(admin=True)
    (tmp_path / "token").write_text("short")
    with pytest.raises(SettingsError, match="needs at least 32"):
        load_settings(admin=True, admin_token_file=tmp_path / "token")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(admin=True, admin_token_file=tmp_path / "missing")


@pytest.fixture
def keys(tmp_path: Any) -> Any:
    """Draw keys for a file; return its path and each key by name."""
    path, found, lines = tmp_path / "keys", {}, ["# who may ask"]
    for name, scopes, limit in (
        ("alice", "predict", None),
        ("bob", "predict,observe", "3/h"),
        ("carol", "admin", None),
        ("dave", "observe", None),
    ):
        found[name], line = new_key(name, scopes.split(","), limit)
        lines.append(f"{line}  # {name}")
    path.write_text("\n".join(lines))
    return path, found


def test_the_file_holds_no_key_in_the_clear(keys: Any) -> None:
    path, found = keys
    assert not any(key in path.read_text() for key in found.values())
    assert all(len(key) >= 40 for key in found.values())
    assert "digest" not in repr(read_keys(path.read_text()))


def test_predictions_need_a_key_where_keys_are_set(build: Any, keys: Any) -> None:
    path, found = keys
    client = build(api_key_file=path).flask.test_client()
    refused = client.post("/predict", json=ONE)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    for wrong in ("wrong", "", found["alice"] + "x", found["alice"][:-1], "\xe9"):
        assert client.post("/predict", json=ONE, headers=bearer(wrong)).status_code == 401
    assert client.post("/predict", json=ONE, headers=bearer(found["alice"])).status_code == 200
    assert client.post("/predict", json=ONE, headers={"X-API-Key": found["alice"]}).status_code == 200
    assert client.get("/models").status_code == 200


@pytest.mark.parametrize("path", ["/v1/models/flowers:predict", "/v2/models/flowers/infer", "/invocations"])
def test_every_dialect_needs_the_key_and_says_so_in_its_own_shape(path: str, build: Any, keys: Any) -> None:
    file, found = keys
    client = build(api_key_file=file).flask.test_client()
    tensor = {"name": "input", "shape": [1, 4], "datatype": "FP32", "data": models.FLOWER_ROW}
    body = {"inputs": [tensor]} if path.startswith("/v2") else ONE
    refused = client.post(path, json=body)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert refused.get_json().keys() in ({"error"}, {"error_code", "message"})
    assert client.post(path, json=body, headers=bearer(found["dave"])).status_code == 403
    assert client.post(path, json=body, headers=bearer(found["alice"])).status_code == 200
    assert client.get("/v2/models/stats", headers=bearer(found["alice"])).status_code == 403
    assert client.get("/v2/models/stats", headers=bearer(found["dave"])).status_code == 200


@pytest.mark.parametrize(
    ("name", "statuses"),
    [("alice", (200, 403, 403)), ("bob", (200, 200, 403)), ("carol", (403, 403, 200)), ("dave", (403, 200, 403))],
)
def test_a_key_may_do_what_its_scopes_say(build: Any, keys: Any, tmp_path: Any, name: str, statuses: Any) -> None:
    (tmp_path / "token").write_text(TOKEN)
    path, found = keys
    client = build(api_key_file=path, admin=True, admin_token_file=tmp_path / "token").flask.test_client()
    headers = bearer(found[name])
    answers = (
        client.post("/predict", json=ONE, headers=headers),
        client.get("/models/flowers/drift", headers=headers),
        client.post("/admin/models/flowers/promote", json={"version": 3}, headers=headers),
    )
    assert tuple(answer.status_code for answer in answers) == statuses


def test_a_key_may_ask_as_often_as_its_limit_says(build: Any, keys: Any) -> None:
    path, found = keys
    client = build(api_key_file=path).flask.test_client()
    headers = bearer(found["bob"])
    assert [client.post("/predict", json=ONE, headers=headers).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get("/models/flowers/drift", headers=headers)
    assert (refused.status_code, 1100 < int(refused.headers["retry-after"]) <= 1200) == (429, True)
    assert client.post("/predict", json=ONE, headers=bearer(found["alice"])).status_code == 200


def test_limits_are_paid_off_at_an_even_rate_by_all_processes_together() -> None:
    limits = Limits()
    key = Key("a", bytes(32), frozenset({"predict"}), most=10, period_s=1.0)

    def taken(now: float, tries: int = 30) -> int:
        count = 0
        for _ in range(tries):
            with contextlib.suppress(LimitError):
                limits.take(key, now)
                count += 1
        return count

    child = os.fork()
    if child == 0:
        os._exit(taken(100.0, 4))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    with pytest.raises(LimitError) as refused:  # noqa: PT012 - which of them is refused is told below
        for _ in range(30):
            limits.take(key, 100.0)
    assert refused.value.retry_after_s == 1
    assert [taken(now) for now in (100.0, 100.05, 100.1, 100.6, 200.0)] == [0, 0, 1, 5, 10]


def test_keys_are_read_again_when_the_file_changes(build: Any, keys: Any) -> None:
    path, found = keys
    application = build(api_key_file=path)
    client = application.flask.test_client()
    headers = bearer(found["alice"])
    assert client.post("/predict", json=ONE, headers=headers).status_code == 200
    new, line = new_key("erin", ["predict"])
    path.write_text(line)
    until(lambda: client.post("/predict", json=ONE, headers=bearer(new)).status_code == 200)
    assert client.post("/predict", json=ONE, headers=headers).status_code == 401
    path.write_text("nonsense")
    for _ in range(10):
        assert client.post("/predict", json=ONE, headers=bearer(new)).status_code == 200


@pytest.mark.parametrize(
    "text",
    ["", "# none", "plain-key", "a predict sha256:00", f"a fly sha256:{'0' * 64}", f"a predict sha256:{'0' * 64} 0/s",
     f"a predict sha256:{'0' * 64}\nb predict sha256:{'0' * 64}", f"a predict sha256:{'0' * 64} 5/day"],
)  # fmt: skip
def test_a_file_of_keys_that_cannot_be_used_stops_the_start(tmp_path: Any, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(SettingsError, match="GANGLION_API_KEY_FILE: "):
        load_settings(api_key_file=tmp_path / "keys")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(api_key_file=tmp_path / "absent")


def test_the_command_draws_a_key_and_the_line_that_lets_it_in(capsys: Any) -> None:
    assert main(["key", "alice", "--scopes", "predict,observe", "--limit", "100/min"]) == 0
    captured = capsys.readouterr()
    (key,) = read_keys(captured.out)
    shown = captured.err.split("once: ")[1].split()[0]
    assert hashlib.sha256(shown.encode()).digest() == key.digest
    assert (key.name, key.most, key.period_s) == ("alice", 100, 60.0)
    assert key.scopes == {"predict", "observe"}
    assert main(["key", "no name"]) == 2


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GANGLION_API_KEYS", "GANGLION_API_KEY_FILE"),
        ("GANGLION_API_KEYS_FILE", "GANGLION_API_KEY_FILE"),
        ("GANGLION_ADMIN_TOKEN", "GANGLION_ADMIN_TOKEN_FILE"),
        ("ganglion_defualt_model", "GANGLION_DEFAULT_MODEL"),
        ("GANGLION_MODELS_DIR", "GANGLION_MODELS"),
    ],
)
def test_a_misspelt_setting_stops_the_start(monkeypatch: Any, name: str, meant: str) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError, match=f"^{name} is no setting; did you mean {meant}\\?$"):
        load_settings()


def test_variables_that_are_meant_for_others_are_left_alone(monkeypatch: Any) -> None:
    without = load_settings()
    for name in ("REVISION", "PORT", "PORT_80_TCP_ADDR", "SERVICE_HOST", "MODELS_SERVICE_PORT_HTTP", "MODELS_PORT"):
        monkeypatch.setenv(f"GANGLION_{name}", "tcp://10.0.0.1:80")
    assert load_settings() == without


def test_a_wrong_setting_is_said_in_a_sentence(monkeypatch: Any) -> None:
    monkeypatch.setenv("GANGLION_WORKERS", "zero")
    with pytest.raises(SettingsError, match="GANGLION_WORKERS: Input should be a valid integer"):
        load_settings()
