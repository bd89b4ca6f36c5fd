"""report.html, and what a model leans on."""

import re
from pathlib import Path

import numpy as np
import pytest

from network import INITIALIZERS, MLP, Architecture, Layer
from predictor import CategoricalFeature, FolderRepository, NumericFeature, Schema, load_bytes
from tests.training.helpers import Command
from training.importance import permutation_importance

HOSTILE = '<script>alert("x")</script>'


def _page(command: Command, models: Path, name: str, folder: Path, text: str) -> str:
    table = folder / f"{name}.csv"
    table.write_text(text, encoding="utf-8")
    done = command("fit", str(table), "--target", "y", "--set", "fit.epochs=10")
    assert done.code == 0, done.err
    return (models / name / "1" / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else_and_runs_nothing(command: Command, models: Path, tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{i % 7},{'ab'[i % 3 == 0]}" for i in range(90))
    quoted = HOSTILE.replace('"', '""')
    page = _page(command, models, "page", tmp_path, f'first,"{quoted}",y\n{rows}\n')
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.findall(r'(?:src|href)="(?!#|data:image/png)', page)
    assert page.count("<figure>") == 3
    for title in ("How good it is", "What it leans on", "Columns", "Where it comes from", "Recipe"):
        assert f"<h2>{title}</h2>" in page


def test_a_regression_shows_predictions_over_the_truth(command: Command, models: Path, tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 17},{2.5 * (i % 17) + 0.1 * i}" for i in range(90))
    page = _page(command, models, "line", tmp_path, f"x,y\n{rows}\n")
    assert page.count("<figure>") == 2
    assert "Residuals" in page


@pytest.mark.parametrize("rows", [50, 1001])
def test_importance_is_the_loss_that_shuffling_costs(rows: int) -> None:
    schema = Schema(
        (
            NumericFeature("idle", low=0.0, high=1.0),
            NumericFeature("used", low=0.0, high=1.0),
            CategoricalFeature("also", ("a", "b"), counts=(1, 1)),
        )
    )
    network = MLP.initialized(
        Architecture(4, (Layer(1, "identity"),)), INITIALIZERS["zeros"](), rng=np.random.default_rng()
    )
    network.parameters["layers.0.W"][:, 0] = [0, 3, 1, -1]
    X = np.random.default_rng(0).random((rows, 4), dtype=np.float32)
    truth = network.infer(X)
    found = permutation_importance(network, schema, X, lambda A: float(np.mean((A - truth) ** 2)))
    if rows > 1000:
        assert found is None
        return
    assert found is not None
    assert list(found) == ["used", "also", "idle"]
    assert found["idle"] == 0
    assert found["used"] > 0.5


def test_intervals_of_a_fit_hold_about_as_much_as_they_say(command: Command, models: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    lines = "\n".join(f"{a:.6f},{b:.6f}" for a, b in zip(x, 2 * x + rng.normal(size=4000), strict=True))
    (tmp_path / "noise.csv").write_text(f"x,y\n{lines}\n")
    done = command("fit", str(tmp_path / "noise.csv"), "--target", "y", "--set", "fit.epochs=30")
    assert done.code == 0
    predictor = load_bytes(FolderRepository(models).read("noise", 1), "noise")
    assert predictor.calibration is not None
    assert predictor.metrics["test.coverage_90"] == pytest.approx(0.9, abs=0.03)
    assert predictor.calibration.threshold(0.9) == pytest.approx(1.645, rel=0.15)
