"""A running service, the environment of the clients, and what the native route answers."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.service import models
from tests.service.wire import ROOT, Running, asking, running

PROGRAMS = Path(__file__).parent / "programs"
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [0.5, 7.5, 2.0, 1.0]]


@pytest.fixture(scope="session")
def environment() -> Path:
    """Return the folder of the clients' environment, or skip where it was not set up."""
    folder = Path(os.environ.get("GANGLION_TEST_CLIENTS", ROOT / ".venv-clients"))
    if not (folder / "bin" / "python").exists():
        pytest.skip("needs the environment of the clients: make test-clients, or name one in GANGLION_TEST_CLIENTS")
    return folder


@pytest.fixture
def needs(environment: Path) -> Any:
    """Return a function that skips a test where the environment lacks a package, as on a Python it does not know."""

    def needs(package: str) -> None:
        code = f"import sys; from importlib.util import find_spec; sys.exit(find_spec({package!r}) is None)"
        if subprocess.run([environment / "bin" / "python", "-c", code], check=False).returncode:
            pytest.skip(f"needs {package}, which the environment of the clients has on Python 3.11 and 3.12 only")

    return needs


@pytest.fixture(scope="session")
def service(environment: Path, tmp_path_factory: Any) -> Any:
    root = tmp_path_factory.mktemp("models")
    models.filled_repository(root)
    with running(root, workers=2) as found:
        yield found


@pytest.fixture(scope="session")
def expected(service: Running) -> Any:
    """Return the native answer of `flowers` to the rows."""
    return service.ask(asking(ROWS)).json


@pytest.fixture
def run(environment: Path, service: Running) -> Any:
    """Return a function that runs a client's program and returns what it printed as JSON."""

    def run(name: str) -> Any:
        program = [str(environment / "bin" / "python"), str(PROGRAMS / name)]
        command = [*program, f"127.0.0.1:{service.port}", json.dumps(ROWS)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run
