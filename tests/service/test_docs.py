"""The pages that are generated cannot drift."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from predictor import FolderRepository
from service.router import NATIVE
from service.routes import all_routes, routes_table
from service.settings import settings_table
from tests.service import models
from tests.service.wire import running

PREDICT_ROUTE = "/v1/endpoints/1/deployedModels/2:predict"
DOCS = Path(__file__).parents[2] / "docs"


def test_the_settings_table_is_the_settings() -> None:
    assert settings_table() in (DOCS / "settings.md").read_text("utf-8")


def test_the_routes_table_is_the_routes() -> None:
    assert routes_table(NATIVE) in (DOCS / "http-api.md").read_text("utf-8")


def test_the_tables_of_the_dialects_are_their_routes() -> None:
    text = (DOCS / "dialects.md").read_text("utf-8")
    for dialect in {route.dialect for route in all_routes(is_admin=True)} - {NATIVE}:
        assert routes_table(dialect) in text


EXAMPLES = [
    (page, text)
    for page in ("dialects.md", "feedback.md", "http-api.md")
    for text in re.findall(r"^```sh\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
]


@pytest.fixture(scope="module")
def iris(tmp_path_factory: Any) -> Any:
    root = tmp_path_factory.mktemp("models")
    models.publish(FolderRepository(root), "iris", models.flowers())
    store = f"sqlite:///{tmp_path_factory.mktemp('log')}/log.db"
    with running(root, workers=1, default_model="iris", predict_route=PREDICT_ROUTE, log_store=store) as service:
        yield service


@pytest.mark.parametrize(("page", "text"), EXAMPLES)
def test_the_examples_of_the_pages_run(page: str, text: str, iris: Any, tmp_path: Path) -> None:
    command = re.sub(r"127\.0\.0\.1:80[08]0", f"127.0.0.1:{iris.port}", text).replace("curl ", "curl -sSf ")
    environment = os.environ | {
        "AIP_PREDICT_ROUTE": PREDICT_ROUTE, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, (page, done.stderr)
    assert "predictions" in done.stdout or "outputs" in done.stdout or "setosa" in done.stdout, done.stdout


def test_openapi_names_every_route_and_the_schema_of_each_model(build: Any) -> None:
    document = build().flask.test_client().get("/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    templates = {re.sub(r"<(\w+)>", r"{\1}", route.template) for route in all_routes(is_admin=False)}
    assert templates <= document["paths"].keys()
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert {operation["tags"][0] for operation in operations} == {tag["name"] for tag in document["tags"]}
    request = document["components"]["schemas"]["houses.request"]
    assert request["properties"]["inputs"]["required"] == ["area", "street", "roof"]
    assert document["components"]["schemas"]["flowers.answer"]["properties"]["classes"]["const"][0] == "setosa"


def test_pages_need_nothing_from_elsewhere(build: Any) -> None:
    client = build().flask.test_client()
    for page in ("/", "/docs"):
        answer = client.get(page)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        text = answer.get_data(as_text=True)
        assert "://" not in text
        assert not re.search(r"<script>|<style|style=|\son\w+=\"", text)
        for path in re.findall(r'(?:src|href)="(/assets/[^"]+)"', text):
            assert client.get(path).status_code == 200
