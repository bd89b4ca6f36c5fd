"""A champion of flowers, and tables of flowers that differ from what it was trained on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.cli import main

Flowers = Callable[..., Path]
QUICK = '[data]\ntarget = "kind"\n\n[fit]\nepochs = 60\n'


def rows_of(seed: int, rows: int = 400, *, shift: float = 0.0, gaps: float = 0.05, flipped: float = 0.0) -> str:
    """Return flowers as CSV: `shift` moves a column, `gaps` is a share of missing cells, `flipped` of wrong labels."""
    rng = np.random.default_rng(seed)
    lines = ["length,width,colour,kind"]
    for i in range(rows):
        kind = i % 2
        length = "" if rng.random() < gaps else f"{1.0 + 2 * kind + shift + rng.normal(0, 0.4):.4f}"
        colour = ("red", "white")[int(rng.random() < (0.3, 0.7)[kind])]
        said = kind if rng.random() >= flipped else 1 - kind
        lines.append(f"{length},{rng.normal():.4f},{colour},{('lily', 'rose')[said]}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def flowers_of(tmp_path: Path) -> Flowers:
    """Return a function that writes flowers, see `rows_of`, and returns the file."""

    def write(seed: int, **differences: float) -> Path:
        path = tmp_path / f"rows-{seed}.csv"
        path.write_text(rows_of(seed, **differences))  # type: ignore[arg-type]  # rows is whole where it is given
        return path

    return write


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Return a recipe for flowers."""
    path = tmp_path / "flowers.toml"
    path.write_text(QUICK + "\n[[network.hidden]]\nunits = 8\n")
    return path


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with one champion, fitted once for all tests."""
    folder = tmp_path_factory.mktemp("first")
    table, recipe = folder / "flowers.csv", folder / "flowers.toml"
    table.write_text(rows_of(0))
    recipe.write_text(QUICK + "\n[[network.hidden]]\nunits = 8\n")
    words = ["fit", str(table), "--recipe", str(recipe), "--split", "hash", "--models", str(folder / "models")]
    assert main(words) == 0
    return folder / "models"


@pytest.fixture
def champion(first: Path, models: Path) -> Path:
    """Give the test's own repository a champion of flowers, version 1."""
    shutil.copytree(first, models)
    return models
