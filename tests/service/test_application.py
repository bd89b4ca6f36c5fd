"""The parts of one process, put together."""

import os
import subprocess
import sys
from typing import Any

import pytest

from service.application import create_app
from service.life import Life

BODY = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


def test_a_wsgi_server_gets_the_application_from_a_factory(
    repository: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANGLION_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("GANGLION_DEFAULT_MODEL", "flowers")
    answer = create_app().test_client().post("/predict", json=BODY)
    assert (answer.status_code, answer.get_json()["model"]) == (200, "flowers")


def test_what_begins_with_a_process_begins_once_and_ends_once() -> None:
    called: list[str] = []
    life = Life([lambda: called.append("begun")], [lambda: called.append("ended"), lambda: called.append("closed")])
    life.stop()  # nothing has begun
    before = next(life.ids)
    life.start()
    life.start()
    assert called == ["begun"]
    assert next(life.ids).partition("-")[0] != before.partition("-")[0]
    life.stop()
    life.stop()
    assert called == ["begun", "ended", "closed"]


def test_flask_is_imported_when_it_is_asked_for(repository: Any, tmp_path: Any) -> None:
    program = """
import sys
from service.application import create_application
from service.settings import load_settings
application = create_application(load_settings())
assert "flask" not in sys.modules
assert application.flask is application.flask
assert "flask" in sys.modules
"""
    environment = os.environ | {"GANGLION_MODELS": str(tmp_path / "models"), "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
