"""Helpers of the training tests: small files, and the command line as a function."""

from pathlib import Path

import pytest

from tests.training.helpers import Command, Ran, Writer, flower_rows
from training.cli import main


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Return a function that writes a file into the test's folder."""

    def writer(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return writer


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return the folder of a model repository of the test's own."""
    return tmp_path / "models"


@pytest.fixture
def command(models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return the command line as a function of its words; the repository is the test's own.

    It says the same however long it takes, and however wide the terminal is.
    """
    monkeypatch.setattr("training.progress.LINE_EVERY_S", float("inf"))
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it

    def run(*words: str | Path) -> Ran:
        capsys.readouterr()
        code = main([*map(str, words), "--models", str(models)])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def flowers(write: Writer) -> Path:
    """Return a CSV file of 120 rows that is easy to learn: numbers, a category, gaps, and a text target."""
    return write("flowers.csv", flower_rows())
