"""A recipe with members: fitted, published and served as one model."""

from pathlib import Path

import numpy as np
import pytest

from predictor import load, prove
from predictor.cli import main as show
from training.cli import main


def test_an_ensemble_is_published_as_one_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = [
        "fit",
        "iris",
        "--models",
        str(tmp_path),
        "--set",
        "network.members=3",
        "--set",
        "fit.epochs=20",
        "--set",
        "gate=[]",
    ]
    assert main(order) == 0
    folder = tmp_path / "iris" / "1"
    predictor = load(folder / "model.npz")
    prove(predictor)
    assert predictor.network.architecture.members == 3
    X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    members = [predictor.network.member(index).infer(X) for index in range(3)]
    assert not np.allclose(members[0], members[1])
    np.testing.assert_allclose(predictor.network.infer(X), np.mean(members, axis=0), rtol=1e-5)
    assert "by the mean of 3 dense networks 4-100-20-3, together of 7,7" in (folder / "report.html").read_text()
    assert show(["inspect", "iris", "--models", str(tmp_path)]) == 0
    assert "3, whose mean is the answer" in capsys.readouterr().out


def test_members_beyond_the_limit_are_refused_by_their_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "iris", "--models", str(tmp_path), "--set", "network.members=0"]) != 0
    assert "network.members: Input should be greater than or equal to 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("network.members=2", "network: members: lbfgs searches along one line for all parameters; use adam"),
        ("network.hidden.0.dropout=0.5", "network: dropout: lbfgs needs a loss that is the same at every evaluation"),
    ],
)
def test_what_lbfgs_cannot_fit_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, reason: str
) -> None:
    lbfgs = ["fit", "iris", "--models", str(tmp_path), "--set", "fit.optimizer=lbfgs", "--set", "fit.batch_size=full"]
    assert main([*lbfgs, "--set", change]) == 2
    assert reason in capsys.readouterr().err
