"""From a served model and its feedback to the next training table, by either kind of store."""

import time
from pathlib import Path
from typing import Any

import pandas as pd

from feedback import Place
from service.application import create_application
from service.settings import load_settings
from tests.service import models
from tests.service.wire import until
from training.cli import main

STREETS = ("north", "south", "east")


def table(rows: int) -> pd.DataFrame:
    cells = [
        {"area": 20.0 + i % 37, "street": None if i % 11 == 0 else STREETS[i % 3], "lift": i % 2 == 0,
         "price": 5.0 * (20 + i % 37) + 30 * (i % 3)}
        for i in range(rows)
    ]  # fmt: skip
    return pd.DataFrame(cells)


def test_a_server_that_hangs_holds_up_nobody(server: Any, tmp_path: Path) -> None:
    models.filled_repository(tmp_path / "models")
    body = {"instances": [models.FLOWER_ROW]}
    settings = load_settings(
        models=tmp_path / "models", default_model="flowers", log_store=server.url,
        log_store_password_file=server.password_file,
    )  # fmt: skip
    app = create_application(settings)
    client = app.flask.test_client()
    told = {"request_id": "a", "truths": ["setosa"]}
    assert client.post("/predict", json=body, headers={"X-Request-Id": "a"}).status_code == 200
    until(lambda: client.post("/feedback", json=told).get_json()["feedback"][0]["state"] == "matched")
    with server.hanging():
        for _ in range(50):
            assert client.post("/predict", json=body).status_code == 200
        began = time.monotonic()
        for _ in range(3):
            assert client.post("/feedback", json=told).get_json()["feedback"][0]["state"] == "waiting"
        assert time.monotonic() - began < 60
        began = time.monotonic()
        app.life.stop()
        assert time.monotonic() - began < 60


def test_what_was_served_and_told_is_trained_on(place: Place, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "models"
    table(400).to_csv(tmp_path / "old.csv", index=False)
    fit = ["--target", "price", "--name", "flats", "--models", str(folder), "--set", "fit.epochs=5"]
    assert main(["fit", str(tmp_path / "old.csv"), *fit]) == 0
    url = f"sqlite:///{place.address}" if place.kind == "sqlite" else place.address
    settings = load_settings(models=folder, log_store=url, log_store_password_file=place.password_file)
    app = create_application(settings)
    client = app.flask.test_client()
    live = table(300).drop(columns="price").astype(object)
    live = live.where(live.notna(), None).to_dict("records")
    truths = table(300)["price"].tolist()
    for i in range(0, 300, 10):
        asked = client.post("/predict", json={"instances": live[i : i + 10]}, headers={"X-Request-Id": f"r{i}"})
        assert asked.status_code == 200
        told = client.post("/feedback", json={"request_id": f"r{i}", "truths": truths[i : i + 10]})
        assert told.status_code == 202
    found: dict[str, Any] = {}

    def are_judged() -> bool:
        found.update(client.get("/models/flats/feedback").get_json()["versions"][0])
        return bool(found["rows"] == 300)

    until(are_judged)
    app.life.stop()
    assert found["mean_absolute_error"] < 200
    assert 0.5 < found["coverage"] <= 1
    more = ["--password-file", str(place.password_file)] if place.password_file else []
    out = tmp_path / "new.csv"
    assert main(["fetch-feedback", url, str(out), "--model", "flats", *more]) == 0
    assert "300 asked for, 0 that came along" in capsys.readouterr().out
    pd.testing.assert_frame_equal(pd.read_csv(out), pd.read_csv(tmp_path / "old.csv").head(300))
    assert main(["fit", str(out), *fit]) == 0
