"""Every sentence of the request policy that concerns an HTTP request, through both doors."""

from typing import Any

import pytest

from service.application import Application, create_application
from service.settings import load_settings
from tests.contract import harness
from tests.service import models

CASES = harness.load_cases()


@pytest.fixture(scope="module")
def application(tmp_path_factory: Any) -> Any:
    root = tmp_path_factory.mktemp("models")
    models.filled_repository(root)
    store = f"sqlite:///{tmp_path_factory.mktemp('log')}/log.db"
    bounds = {"max_body_bytes": 2**20, "deadline_s": models.DEADLINE_S}
    settings = load_settings(models=root, default_model="flowers", log_store=store, **bounds)
    app: Application = create_application(settings)
    yield app
    app.life.stop()


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_both_doors_answer_as_the_contract_says_and_alike(case: Any, application: Any) -> None:
    flask = harness.through_flask(application, case["request"])
    harness.check(flask, case["expected"])
    harness.check_fault(flask, case["request"].get("path", "/predict"))
    front = harness.through_front(application, case["request"])
    harness.check(front, case["expected"])
    assert front.fixed == flask.fixed


def test_no_two_cases_have_one_name() -> None:
    names = [case["id"] for case in CASES]
    assert len(set(names)) == len(names)
