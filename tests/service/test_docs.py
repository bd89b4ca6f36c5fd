"""The pages that are generated cannot drift."""

import re
from pathlib import Path
from typing import Any

from service.router import NATIVE
from service.routes import all_routes, routes_table
from service.settings import settings_table

DOCS = Path(__file__).parents[2] / "docs"


def test_the_settings_table_is_the_settings() -> None:
    assert settings_table() in (DOCS / "settings.md").read_text("utf-8")


def test_the_routes_table_is_the_routes() -> None:
    assert routes_table(NATIVE) in (DOCS / "http-api.md").read_text("utf-8")


def test_the_tables_of_the_dialects_are_their_routes() -> None:
    text = (DOCS / "dialects.md").read_text("utf-8")
    for dialect in {route.dialect for route in all_routes(is_admin=True)} - {NATIVE}:
        assert routes_table(dialect) in text


def test_openapi_names_every_route_and_the_schema_of_each_model(build: Any) -> None:
    document = build().flask.test_client().get("/openapi.json").get_json()
    assert document["openapi"] == "3.1.0"
    templates = {re.sub(r"<(\w+)>", r"{\1}", route.template) for route in all_routes(is_admin=False)}
    assert templates <= document["paths"].keys()
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
