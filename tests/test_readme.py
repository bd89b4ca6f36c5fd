"""The README's commands, run as they stand: a line that drifts from the product fails here."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"<!-- (?P<mark>run|shown): (?P<name>.+?) -->\n```sh\n(?P<text>.*?)```\n", re.DOTALL)
RUN = {found["name"]: found["text"] for found in BLOCK.finditer(README) if found["mark"] == "run"}
README_ADDRESS = "127.0.0.1:8000"
PATIENCE_S = 300


@dataclass(frozen=True)
class Newcomer:
    """Somebody who types the README's commands: their folder, port and environment."""

    folder: Path
    address: str
    environment: dict[str, str]

    def types(self, text: str) -> str:
        """Run a block of the README in bash; returns what it printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text.replace(README_ADDRESS, self.address)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{text}\ngave {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout


def free_port() -> int:
    """Return a port that nobody listens on, of those that no other connection is given by chance."""
    for port in random.SystemRandom().sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def flats() -> str:
    """Return a table with numbers, categories and missing cells."""
    districts = ("north", "south", "harbour")
    lines = ["area,rooms,district,price"]
    for row in range(240):
        area, rooms, district = 30 + 37 * row % 90, 1 + row % 5, row % 3
        price = 2000 * area + 9000 * rooms + 15000 * district + 700 * (row % 7)
        lines.append(f"{'' if row % 40 == 3 else area},{rooms},{districts[district]},{price}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    """Stand in a folder that looks like the clone, with this test's own Python and no model."""
    if shutil.which("make") is None:
        pytest.skip("needs make")
    folder = tmp_path_factory.mktemp("clone")
    for entry in ("Makefile", "deploy", "feedback", "network", "predictor", "service", "training"):
        (folder / entry).symlink_to(ROOT / entry)
    (folder / "models").mkdir()
    (folder / "flats.csv").write_text(flats())
    address = f"127.0.0.1:{free_port()}"
    own = {name: value for name, value in os.environ.items() if not name.startswith(("GANGLION_", "MAKE", "MFLAGS"))}
    path = f"{Path(sys.executable).parent}:{own['PATH']}"
    return Newcomer(
        folder, address, own | {"PATH": path, "SETUP": "true", "PY": sys.executable, "GANGLION_BIND": address}
    )


@pytest.fixture(scope="module")
def served(newcomer: Newcomer) -> Iterator[Newcomer]:
    """Type the first command and wait until the service is ready."""
    log = newcomer.folder / "serve.log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            RUN["serve"].split(),
            cwd=newcomer.folder,
            env=newcomer.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as make,
    ):
        try:
            wait_until_ready(f"http://{newcomer.address}/readyz", make, log)
            yield newcomer
        finally:
            if make.poll() is None:
                os.killpg(make.pid, signal.SIGTERM)
            make.wait(timeout=120)


def wait_until_ready(url: str, make: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        assert make.poll() is None, f"make serve ended:\n{log.read_text()}"
        try:
            if requests.get(url, timeout=PATIENCE_S).ok:
                return
        except (requests.ConnectionError, requests.Timeout):
            pass
        time.sleep(0.1)
    raise AssertionError(f"{url} was not ready within five minutes:\n{log.read_text()}")


def test_every_command_is_run_or_says_who_runs_it() -> None:
    assert len(BLOCK.findall(README)) == README.count("```sh\n")
    assert set(RUN) == {"serve", "predict", "fit", "predict-flats", "versions"}


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_first_command_trains_serves_and_prints_a_line_to_try(served: Newcomer) -> None:
    printed = (served.folder / "serve.log").read_text()
    assert "training iris" in printed
    assert f"http://{served.address}" in printed
    lines = [line.strip() for line in printed.splitlines() if line.strip().startswith("curl ")]
    assert lines, f"no curl line in:\n{printed}"
    assert json.loads(served.types(lines[0]))["model"] == "iris"


def test_the_curl_line_predicts(served: Newcomer) -> None:
    answer = json.loads(served.types(RUN["predict"]))
    assert (answer["model"], answer["version"]) == ("iris", 1)
    assert answer["predictions"] == ["setosa", "virginica"]
    assert all(len(row) == len(answer["classes"]) for row in answer["probabilities"])


def test_a_table_becomes_a_model_that_the_running_service_takes_up(served: Newcomer) -> None:
    served.types(RUN["fit"])
    end = time.monotonic() + PATIENCE_S
    url = f"http://{served.address}/models/flats"
    # Workers change over together: what one has they all have.
    while not requests.get(url, timeout=PATIENCE_S).ok and time.monotonic() < end:
        time.sleep(0.2)
    answer = json.loads(served.types(RUN["predict-flats"]))
    assert answer["model"] == "flats"
    assert 100_000 < answer["predictions"][0] < 250_000
    ((low, high),) = answer["intervals"]
    assert low < answer["predictions"][0] < high


def test_versions_are_listed_proven_promoted_and_rolled_back(served: Newcomer) -> None:
    served.types(RUN["versions"])
    aliases = json.loads((served.folder / "models/iris/aliases.json").read_text())
    assert aliases["champion"] == 1
