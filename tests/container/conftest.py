"""One built and running stack for all container tests."""

from collections.abc import Iterator

import pytest

from tests.container.stack import Stack, lent_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Build both images and run `compose up` as on a fresh clone: an empty volume, no model."""
    with lent_stack("test") as stack:
        stack.compose("up", "--detach", "--build", timeout_s=900)
        stack.wait_until_ready()
        yield stack
