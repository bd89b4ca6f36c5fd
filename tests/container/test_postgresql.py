"""The images with PostgreSQL's driver write to a real server and read from it; built where that is asked for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.container.stack import Stack, lent_stack
from tests.feedback import postgresql

ASKED_FOR = "POSTGRESQL_IMAGES"
pytestmark = [
    pytest.mark.container,
    pytest.mark.skipif(not os.environ.get(ASKED_FOR), reason=f"builds two images more: set {ASKED_FOR}=1"),
]


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Stack]:
    """Run a service that keeps what it is asked in a server outside the containers."""
    if postgresql.binaries() is None:
        pytest.skip("PostgreSQL's server is not installed here")
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)  # the containers' user is somebody else
    with postgresql.running() as server:
        server.folder.chmod(0o755)
        given = {"SERVER_FOLDER": str(server.folder), "DATA_FOLDER": str(data)}
        with lent_stack("postgresql", "tests/container/postgresql.yml", **given) as stack:
            stack.compose("up", "--detach", "--build", timeout_s=900)
            stack.wait_until_ready()
            yield stack


def test_what_was_told_reaches_the_job_through_postgresql(logged: Stack, tmp_path: Path) -> None:
    logged.tell()
    logged.compose("stop", "serve")  # what was told is written by then
    store = ("postgresql://ganglion@/postgres?host=/run/postgresql", "--password-file", "/run/postgresql/password")
    said = logged.job("training", "fetch-feedback", store[0], "/data/new.csv", *store[1:], "--model", "iris")
    assert "Wrote 2 rows" in said
    lines = (tmp_path / "data" / "new.csv").read_text().splitlines()
    assert lines[1:] == ["5.1,3.5,1.4,0.2,setosa", "6.7,3.0,5.2,2.3,virginica"]
    logged.job("training", "check", "iris", "--data", "/data/new.csv", "--set", "data.target=species", code=2)
