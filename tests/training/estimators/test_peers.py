"""Scikit-learn's own tests of its perceptrons, taken from the installed package and pointed at ours."""

import re
import subprocess
import sys
from pathlib import Path

import sklearn.neural_network

SOURCE = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
THEIRS = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
OURS = "from training import MLPClassifier, MLPRegressor"

PRIVATE = {
    "test_gradient": "calls _loss_grad_lbfgs; tests/network proves the gradients",
    "test_learning_rate_warmstart": "reads the rate from _optimizer",
    "test_adaptive_learning_rate": "reads the rate from _optimizer",
}


def test_every_test_that_asks_for_nothing_private_passes(tmp_path: Path) -> None:
    source = SOURCE.read_text(encoding="utf-8")
    assert source.count(THEIRS) == 1
    functions = set(re.findall(r"^def (test_\w+)", source, flags=re.MULTILINE))
    assert functions >= set(PRIVATE)
    assert len(functions) >= 43
    (tmp_path / "test_mlp.py").write_text(source.replace(THEIRS, OURS), encoding="utf-8")
    skipped = [option for name in PRIVATE for option in ("--deselect", f"test_mlp.py::{name}")]
    root = str(Path(__file__).parents[3])
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "test_mlp.py",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "sklearn.conftest",
            *skipped,
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": root, "PATH": "", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None
    assert int(passed[1]) >= len(functions) - len(PRIVATE)
    assert "skipped" not in run.stdout
