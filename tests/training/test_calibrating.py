"""Intervals that a fit learns from the rows that watch."""

from pathlib import Path

import numpy as np
import pytest

from predictor import FolderRepository, load_bytes
from tests.training.helpers import Command


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
