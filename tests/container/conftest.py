"""One built and running stack for all container tests."""

import os
import socket
from collections.abc import Iterator

import pytest

from tests.container.stack import Stack, engine_missing


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Build both images and run `compose up` as on a fresh clone: an empty volume, no model."""
    reason = engine_missing()
    if reason is not None:
        pytest.skip(reason)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stack = Stack(f"ganglion-test-{os.getpid()}", port)
    try:
        stack.compose("up", "--detach", "--build", timeout_s=900)
        stack.wait_until_ready()
        yield stack
    finally:
        stack.compose("down", "--volumes", "--rmi", "local", "--remove-orphans", check=False)
