"""What a team that retrains adds to the compose file: a log store that the jobs read, and a folder that stays."""

from collections.abc import Iterator

import pytest
import requests

from tests.container.stack import Stack, eventually, lent_stack

pytestmark = pytest.mark.container


@pytest.fixture
def loop() -> Iterator[Stack]:
    with lent_stack("loop", "docker-compose.loop.yml") as stack:
        stack.compose("up", "--detach", "--build", timeout_s=900)
        stack.wait_until_ready()
        yield stack


def test_what_was_told_reaches_the_job(loop: Stack) -> None:
    loop.predict()
    rows = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
    asked = requests.post(f"{loop.url}/predict", json={"instances": rows}, headers={"X-Request-Id": "a"}, timeout=60)
    assert asked.status_code == requests.codes.ok

    def is_told() -> bool:
        told = {"request_id": "a", "truths": ["setosa", "virginica"]}
        answer = requests.post(f"{loop.url}/feedback", json=told, timeout=60)
        return bool(answer.json()["feedback"][0]["state"] == "matched")

    eventually(is_told, within_s=120, what="the request is in the store")
    loop.compose("stop", "serve")  # what was told is written by then
    assert "Wrote 2 rows" in loop.job(
        "training", "fetch-feedback", "sqlite:////data/log.db", "/data/new.csv", "--model", "iris"
    )
    found = loop.compose("run", "--rm", "-T", "--entrypoint", "ls", "train", "/data")
    assert {"log.db", "new.csv", "state"} <= set(found.split())
