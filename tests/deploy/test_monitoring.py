"""The dashboard, the alerts and the page about them speak of metrics that there are."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from predictor import Calibration
from service.application import create_application, create_observer
from service.observing.logs import LogWriter
from service.settings import load_settings
from tests.contract.harness import through_front
from tests.service import models
from tests.service.wire import until

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
PROMTOOL = shutil.which("promtool")


@pytest.fixture(scope="module")
def page(tmp_path_factory: Any) -> Any:
    folder = tmp_path_factory.mktemp("monitoring")
    repository = models.filled_repository(folder / "models")
    repository.set_alias("flowers", "next", repository.publish("flowers", {"model.npz": b""}))
    calibrated = replace(models.houses(), calibration=Calibration(tuple(float(i) for i in range(50))))
    models.publish(repository, "houses", calibrated)
    settings = load_settings(
        models=folder / "models",
        default_model="flowers",
        shadow="flowers:previous",
        log_store=f"sqlite:///{folder}/log.db",
        canary="flowers:previous:50%",
        watch_window_s=600,
        watch_answers=10**6,
    )
    with (folder / "log").open("w") as log:
        application = create_application(settings, create_observer(settings, LogWriter(log)))
        for i in range(60):
            through_front(application, {"json": {"instances": [[i / 10, *models.FLOWER_ROW[1:]]] * 4}})
        through_front(application, {"json": {"instances": [[1]]}})
        for path, row, truth in (
            ("/feedback", models.FLOWER_ROW, "setosa"), ("/models/houses/feedback", [80.0, "paved", "1"], 99.0),
        ):  # fmt: skip
            through_front(application, {"path": path, "json": {"instances": [row], "truths": [truth]}})
        until(lambda: "ganglion_shadow_rows_total" in application.runtime.observer.exposition()[1].decode())
        application.runtime.observer.rolled_back("flowers", "errors")
        client = application.flask.test_client()
        until(lambda: any(watch["figures"]["answers"] for watch in client.get("/models/flowers").get_json()["watches"]))
        found = client.get("/metrics").get_data(as_text=True)
        application.life.stop()
    return found


def samples(page: str) -> dict[str, set[str]]:
    """The names of all samples, with the labels that they have."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> list[str]:
    board = json.loads((MONITORING / "dashboard.json").read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    found += [variable["query"]["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    rules = (MONITORING / "alerts.yml").read_text()
    return [*found, *re.findall(r"expr: (?:>-\n)?(.*?)\n +(?:for|labels):", rules, re.DOTALL)]


def test_what_is_drawn_and_alerted_on_is_measured(page: Any) -> None:
    known = samples(page)
    used = expressions()
    assert len(used) > 25
    for expression in used:
        for name, _, labels in re.findall(r"\b(ganglion_\w+)(\{([^}]*)\})?", expression):
            assert name in known, expression
            asked = set(re.findall(r"(\w+)[=!]", labels)) - {"instance"}
            assert asked <= known[name], expression


def test_panels_do_not_overlap_and_have_a_name_each() -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        taken |= cells
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_metric_is_described_in_the_page_about_them(page: Any) -> None:
    text = (ROOT / "docs" / "observing.md").read_text()
    described = set(re.findall(r"^\| `(ganglion_\w+)` \|", text, re.MULTILINE))
    assert described == set(re.findall(r"^# TYPE (\w+) ", page, re.MULTILINE))


def test_metrics_have_help_a_type_and_the_endings_of_their_kind(page: Any) -> None:
    for family in text_string_to_metric_families(page):
        assert family.documentation.endswith(".")
        assert family.type in {"counter", "gauge", "histogram"}
        is_counter = all(sample.name.endswith("_total") for sample in family.samples)
        assert is_counter == (family.type == "counter")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_say(page: Any) -> None:
    assert PROMTOOL is not None
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    rules = [PROMTOOL, "check", "rules", str(MONITORING / "alerts.yml")]
    assert subprocess.run(rules, capture_output=True, check=False).returncode == 0
