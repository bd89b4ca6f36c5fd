"""The first model is trained where there is none, and only there."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def first_model(models: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.first_model"],
        cwd=ROOT,
        env={**os.environ, "GANGLION_MODELS": str(models)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_iris_is_trained_once_and_left_alone_afterwards(tmp_path: Path) -> None:
    first = first_model(tmp_path)
    assert first.returncode == 0, first.stderr
    assert "training iris" in first.stdout
    assert (tmp_path / "iris" / "1" / "model.npz").is_file()

    second = first_model(tmp_path)
    assert second.returncode == 0, second.stderr
    assert second.stdout == f"{tmp_path} holds iris: nothing to train\n"
    assert not (tmp_path / "iris" / "2").exists()
