"""Helpers of the training tests: small files, and the command line as a function."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.helpers import Command, Ran, Writer
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
def command(models: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return the command line as a function of its words; the repository is the test's own."""

    def run(*words: str | Path) -> Ran:
        capsys.readouterr()
        code = main([*map(str, words), "--models", str(models)])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def flowers(write: Writer) -> Path:
    """Return a CSV file of 120 rows that is easy to learn: numbers, a category, gaps, and a text target."""
    rng = np.random.default_rng(0)
    lines = ["length,width,colour,kind"]
    for i in range(120):
        kind = ("rose", "lily")[i % 2]
        length = "" if i % 17 == 0 else f"{(1.0, 3.0)[i % 2] + rng.normal(0, 0.3):.3f}"
        colour = "NA" if i % 19 == 0 else ("red", "white")[int(rng.random() < (0.2, 0.8)[i % 2])]
        lines.append(f"{length},{rng.normal(0, 1):.3f},{colour},{kind}")
    return write("flowers.csv", "\n".join(lines) + "\n")
