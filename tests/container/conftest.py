"""One built and running stack for all container tests."""

import os
from collections.abc import Iterator

import pytest

from tests.container.stack import Stack, engine_missing, free_port


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Build both images and run `compose up` as on a fresh clone: an empty volume, no model."""
    reason = engine_missing()
    if reason is not None:
        pytest.skip(reason)
    stack = Stack(f"ganglion-test-{os.getpid()}", free_port())
    try:
        stack.compose("up", "--detach", "--build", timeout_s=900)
        stack.wait_until_ready()
        yield stack
    finally:
        stack.compose("down", "--volumes", "--rmi", "local", "--remove-orphans", check=False)
