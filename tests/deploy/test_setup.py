"""The set-up script: found Pythons, stamps, interruptions; with stand-ins for Python so that nothing is installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Makes "environments" whose python is the real one, except that pip only tells what it was asked to install.
STAND_IN = """\
#!/bin/sh
case "$*" in
"-m venv --clear "*) rm -rf "$4"; mkdir -p "$4/bin" "$4/lib/python3.11/site-packages"; cp "$0" "$4/bin/python" ;;
"-m pip "*) echo "pip $*"; exit "${PIP_EXIT:-0}" ;;
*) exec REAL "$@" ;;
esac
"""

Setup = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "clone/locks").mkdir(parents=True)
    shutil.copytree(ROOT / "deploy", tmp_path / "clone/deploy")
    for name in ("serve", "train", "dev", "clients"):
        (tmp_path / f"clone/locks/{name}.txt").write_text(f"# {name}\n")
    return tmp_path / "clone"


@pytest.fixture
def setup(clone: Path) -> Setup:
    python = clone.parent / "python3"
    python.write_text(STAND_IN.replace("REAL", sys.executable))
    python.chmod(0o755)

    def run(level: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [clone / "deploy/setup", level],
            env={**os.environ, "PYTHON": str(python), **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_the_first_set_up_installs_with_hashes_and_the_second_does_nothing(setup: Setup) -> None:
    first = setup("run")
    assert first.returncode == 0, first.stderr
    assert "--require-hashes -r locks/serve.txt -r locks/train.txt" in first.stdout
    second = setup("run")
    assert (second.returncode, second.stdout) == (0, "")


def test_the_tests_packages_are_added_to_what_is_there(setup: Setup) -> None:
    setup("run")
    added = setup("dev")
    assert "-r locks/dev.txt" in added.stdout
    assert "Setting up" not in added.stdout
    assert setup("run").stdout == ""


def test_the_clients_have_an_environment_and_a_lock_of_their_own(setup: Setup, clone: Path) -> None:
    setup("run")
    first = setup("clients")
    assert "--require-hashes -r locks/clients.txt" in first.stdout
    assert ".venv-clients is ready" in first.stdout
    assert setup("clients").stdout == ""
    assert setup("run").stdout == ""
    (clone / "locks/clients.txt").write_text("# changed\n")
    assert "Setting up .venv-clients" in setup("clients").stdout
    assert setup("run").stdout == ""


def test_the_environment_finds_the_clone_from_any_folder(setup: Setup, clone: Path) -> None:
    setup("run")
    setup("clients")
    path = clone / ".venv/lib/python3.11/site-packages/ganglion.pth"
    assert path.read_text() == f"{clone}\n"
    assert not (clone / ".venv-clients/lib/python3.11/site-packages/ganglion.pth").exists()


def test_a_changed_lock_rebuilds(setup: Setup, clone: Path) -> None:
    setup("dev")
    (clone / "locks/serve.txt").write_text("# changed\n")
    assert "Setting up" in setup("dev").stdout


def test_a_set_up_that_failed_starts_over(setup: Setup) -> None:
    failed = setup("run", PIP_EXIT="1")
    assert failed.returncode == 1
    assert "is ready" not in failed.stdout
    again = setup("run")
    assert "Setting up" in again.stdout
    assert "is ready" in again.stdout


def test_an_addition_that_failed_starts_over(setup: Setup) -> None:
    setup("run")
    setup("dev", PIP_EXIT="1")
    assert "Setting up" in setup("run").stdout


def test_an_old_python_is_named_in_plain_words(clone: Path) -> None:
    tools = clone.parent / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "cksum", "dirname", "grep"):
        (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "python3").write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 || exit 1\n')
    (tools / "python3").chmod(0o755)
    answer = subprocess.run(
        [clone / "deploy/setup", "run"],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 1
    assert "Ganglion needs Python 3.11 or newer; this machine has Python 3.9.2." in answer.stderr


def test_a_newer_python_is_found_beside_an_old_one(clone: Path, setup: Setup) -> None:
    tools = clone.parent / "tools"
    tools.mkdir()
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tools / "python3").chmod(0o755)
    shutil.copy(clone.parent / "python3", tools / "python3.12")
    found = setup("run", PYTHON="", PATH=f"{tools}:/usr/bin:/bin")
    assert found.returncode == 0, found.stderr
    assert str(tools / "python3.12") in found.stdout


def test_the_locks_name_no_index() -> None:
    locks = sorted((ROOT / "locks").glob("*.txt"))
    assert locks
    for lock in locks:
        options = [line for line in lock.read_text().splitlines() if line.startswith("-") or "://" in line]
        assert options == [], f"{lock.name} depends on a place: {options}"


def test_the_serving_lock_holds_nothing_of_the_trainers() -> None:
    names = {line.split("==")[0] for line in (ROOT / "locks/serve.txt").read_text().splitlines() if "==" in line}
    assert "numpy" in names
    assert not names & {"scikit-learn", "scipy", "matplotlib", "pyarrow", "pandas", "pytest"}
