"""The whole circle with the real service in containers, under requests that never stop, and none of which may fail."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.container.stack import Stack, eventually, lent_stack
from tests.container.world import RECEIVER, RECIPE, Asker, flowers, write_flowers

pytestmark = pytest.mark.container

GROWN = 3.0
LEARNT = 600
SECRET = "of the forge and the service"  # noqa: S105 - made up for this test


@pytest.fixture
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that the containers read: rows of three kinds, the recipe, and the receiver of events."""
    folder = tmp_path_factory.mktemp("circle")
    rng = np.random.default_rng(0)
    write_flowers(folder / "first.csv", flowers(rng, 600))
    write_flowers(folder / "poisoned.csv", flowers(rng, 600, shift=GROWN, wrong=0.6))
    write_flowers(folder / "leaking.csv", flowers(rng, 600, shift=GROWN, leaks=True))
    (folder / "flowers.toml").write_text(RECIPE)
    (folder / "receiver.py").write_text(RECEIVER)
    (folder / "secret").write_text(SECRET)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    (folder / "log").mkdir()
    (folder / "log").chmod(0o777)
    for parent in folder.parents[:2]:
        parent.chmod(0o755)  # the containers' user is nobody's
    return folder


@pytest.fixture
def circle(data: Path) -> Iterator[Stack]:
    """Train the first model and serve it."""
    with lent_stack("circle", "tests/container/circle.yml", CIRCLE_DATA=str(data)) as stack:
        stack.compose("build", timeout_s=900)
        stack.job("training", "retrain", "/data/flowers.toml", "--data", "/data/first.csv", "--promote", "always")
        stack.compose("up", "--detach")
        stack.wait_until_ready()
        yield stack


def model(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{stack.url}/models/flowers", timeout=60).json()
    return found


def retrained(stack: Stack, rows: str, promote: str, code: int = 0) -> str:
    """Retrain as the workflow does; returns what it said."""
    return stack.job("training", "retrain", "/data/flowers.toml", "--data", rows, "--promote", promote, code=code)


def test_the_whole_circle(circle: Stack) -> None:
    with Asker(circle.url) as asker:
        eventually(lambda: asker.answers[1] > 100, within_s=120, what="the first model answers")

        asker.shift = GROWN
        event = eventually(lambda: dispatched(circle), within_s=120, what="the drift is told")
        told = event["client_payload"]
        assert (event["event_type"], told["model"], told["version"]) == ("ganglion-drift", "flowers", 1)
        assert "length" in [feature["name"] for feature in told["features"]]

        asker.tells = True
        eventually(lambda: asker.told > LEARNT, within_s=120, what="what was true is told")
        asker.tells = False
        circle.job("training", "fetch-feedback", "sqlite:////log/log.db", "/log/grown.csv", "--model", "flowers")
        retrained(circle, "/log/grown.csv", "never")
        eventually(lambda: {1, 2} <= set(asker.answers), within_s=120, what="the canary answers a part")
        circle.job("predictor", "promote", "flowers", "2")
        eventually(lambda: asker.last == 2, within_s=120, what="the challenger is the champion")
        eventually(lambda: not model(circle)["watches"], within_s=120, what="the watch ends")
        asker.began_anew()

        said = retrained(circle, "/data/poisoned.csv", "if-better", code=2)
        assert "'kind': 'rose' went from 50.0% to " in said
        assert [one["version"] for one in model(circle)["versions"]] == [1, 2]

        said = retrained(circle, "/data/leaking.csv", "if-better")
        assert "flowers version 3 passed: it serves" in said, said
        eventually(lambda: asker.answers[3] > 0, within_s=120, what="the bad version answers for a while")
        found = eventually(lambda: model(circle).get("rollbacks"), within_s=120, what="it is rolled back")
        assert (found[-1]["version"], found[-1]["reason"]) == (3, "shift")
        asker.began_anew()
        eventually(lambda: asker.answers[2] > 100, within_s=120, what="the version before answers again")
        assert set(asker.answers) == {2}
    assert asker.failures == []


def dispatched(stack: Stack) -> dict[str, Any] | None:
    """Return the first event that the receiver was sent, its signature checked; None while there is none."""
    lines = [line for line in stack.compose("logs", "--no-color", "receiver").splitlines() if "DISPATCH" in line]
    if not lines:
        return None
    signature, body = lines[0].split("DISPATCH ", 1)[1].split(" ", 1)
    assert signature == "sha256=" + hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()
    found: dict[str, Any] = json.loads(body)
    return found
