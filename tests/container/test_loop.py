"""What a team that retrains adds to the compose file: a log store that the jobs read, and a folder that stays."""

from collections.abc import Iterator

import pytest

from tests.container.stack import Stack, lent_stack

pytestmark = pytest.mark.container


@pytest.fixture
def loop() -> Iterator[Stack]:
    with lent_stack("loop", "docker-compose.loop.yml") as stack:
        stack.compose("up", "--detach", "--build", timeout_s=900)
        stack.wait_until_ready()
        yield stack


def test_what_was_told_reaches_the_job(loop: Stack) -> None:
    loop.predict()
    loop.tell()
    loop.compose("stop", "serve")  # what was told is written by then
    assert "Wrote 2 rows" in loop.job(
        "training", "fetch-feedback", "sqlite:////data/log.db", "/data/new.csv", "--model", "iris"
    )
    found = loop.compose("run", "--rm", "-T", "--entrypoint", "ls", "train", "/data")
    assert {"log.db", "new.csv", "state"} <= set(found.split())
