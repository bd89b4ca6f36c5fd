"""A log store of either kind."""

from typing import Any

import pytest

from feedback import Place, place_of
from tests.feedback import postgresql


@pytest.fixture(scope="session")
def only_server() -> Any:
    reason = postgresql.why_not()
    if reason:
        pytest.skip(reason)
    with postgresql.running() as server:
        yield server


@pytest.fixture
def server(only_server: Any) -> Any:
    """Return a PostgreSQL server that holds nothing."""
    only_server.empty()
    return only_server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: Any, tmp_path: Any) -> Place:
    """Return where an empty store of one kind is."""
    if request.param == "sqlite":
        return place_of(f"sqlite:///{tmp_path}/log.db")
    server = request.getfixturevalue("server")
    return place_of(server.url, server.password_file)
