"""Fixtures that every room's tests share."""

import fcntl
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# Before NumPy is imported: products as small as these gain nothing from more threads and lose much on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# What a shell without job control starts in the background ignores Ctrl-C, and so would all that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

RUN_SERVICES = {"faults", "feedback", "service"}


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real data sets, or skip where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GANGLION_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"needs the real data sets: set GANGLION_TEST_DATA (looked in {folder})")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a second try to what waits for other processes, which a machine may hold up for seconds; both are reported.

    A test that only computes has one try.
    """
    for item in items:
        is_marked = any(item.get_closest_marker(name) for name in ("alone", "clients", "container"))
        if is_marked or RUN_SERVICES.intersection(item.path.parts):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run the tests that are marked `alone` while the other processes of the run wait."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    folder = item.config.rootpath / ".pytest_cache"
    folder.mkdir(exist_ok=True)
    kind = fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH
    # Whoever is to be alone keeps the turn while it waits for the others to end, so that they cannot go on for ever.
    with locked(folder / "turn", fcntl.LOCK_EX) as turn, locked(folder / "test", kind):
        fcntl.flock(turn, fcntl.LOCK_UN)
        return (yield)


@contextmanager
def locked(path: Path, kind: int) -> Iterator[int]:
    """Hold a lock on a file; it ends with the process, however that ends."""
    file = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(file, kind)
        yield file
    finally:
        os.close(file)
