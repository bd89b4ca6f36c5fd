"""The command `sweep`, with real searches of small tables."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from predictor import FolderRepository
from tests.training.helpers import Command
from training.cookbook import load_recipe

RATES = '"fit.optimizer.learning_rate"={low=0.001, high=0.1, log=true}'
SPACE = f'--set=search={{{RATES}, "network.hidden.*.units"={{low=4, high=16}}}}'
QUICK = ("--set", "fit.epochs=12", "--set", "network.hidden=[{units=8}]")


def trials(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="") as file:
        return [{key: cell for key, cell in row.items() if key != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the study that a sweep of the flowers makes beside the models."""
    return tmp_path / "sweeps" / "flowers"


def test_a_search_ends_with_a_recipe_that_fit_takes(
    command: Command, flowers: Path, folder: Path, models: Path
) -> None:
    ran = command("sweep", flowers, "--target", "kind", "--trials", "4", SPACE, *QUICK)
    assert ran.code == 0, ran.err
    found = trials(folder)
    assert [row["trial"] for row in found] == ["1", "2", "3", "4"]
    assert ran.err.count("\n") == 5
    assert "\ntrial 4 (4 of 4): log_loss" in ran.err
    best = min((row for row in found if row["log_loss"]), key=lambda row: float(row["log_loss"]))
    assert f"Best: trial {best['trial']}, log loss on 15 rows that watch {float(best['log_loss']):.4g}" in ran.out
    recipe = load_recipe(str(folder / "best.toml"))
    assert recipe.network.hidden[0].units == int(best["network.hidden.*.units"])
    assert recipe.fit.optimizer.make().learning_rate == float(best["fit.optimizer.learning_rate"])
    assert recipe.data.target == "kind"
    assert ran.out.endswith(f"--recipe {folder / 'best.toml'} --models {models}\n")
    page = (folder / "sweep.html").read_text()
    assert "<svg" in page
    assert "Best: trial" in page


def test_the_same_command_goes_on_where_the_last_one_ended(command: Command, flowers: Path, folder: Path) -> None:
    sweep = ("sweep", flowers, "--target", "kind", SPACE, *QUICK, "--trials")
    command(*sweep, "2")
    first = trials(folder)
    ran = command(*sweep, "4")
    assert "\ngoing on after 2 trials\ntrial 3 (3 of 4)" in ran.err
    assert trials(folder)[:2] == first
    assert len({row["fit.optimizer.learning_rate"] for row in trials(folder)}) == 4
    ran = command(*sweep, "4")
    assert ran.err.endswith("\ngoing on after 4 trials\n")


def test_other_data_or_another_space_is_another_study(command: Command, flowers: Path) -> None:
    sweep = ("sweep", flowers, "--target", "kind", "--trials", "1", *QUICK)
    command(*sweep, SPACE)
    ran = command(*sweep, '--set=search={"fit.l2"={low=0.1, high=0.2}}', "--metric", "accuracy")
    assert ran.code == 2
    assert "was begun with another search, metric, so its scores cannot be compared; name a new one: --study" in ran.err
    flowers.write_text(flowers.read_text() + "1.0,0.1,red,rose\n")
    ran = command(*sweep, SPACE)
    assert "was begun with another data, so" in ran.err
    assert command(*sweep, SPACE, "--study", "second").code == 0


def test_trials_that_others_leave_behind_are_pruned(command: Command, flowers: Path, folder: Path) -> None:
    rates = '--set=search={"fit.optimizer.learning_rate"={choices=[0.01, 0.0000001]}}'
    words = ("--target", "kind", "--trials", "9", rates, "--set", "fit.epochs=10")
    assert command("sweep", flowers, *words).code == 0
    pruned = [row for row in trials(folder) if row["state"] == "pruned"]
    assert pruned
    assert all(0 < int(row["epochs"]) < 10 and row["log_loss"] == "" for row in pruned)


def test_a_trial_that_diverges_is_recorded_and_the_search_goes_on(
    command: Command, flowers: Path, folder: Path
) -> None:
    rates = '--set=search={"fit.optimizer"={choices=[{name="sgd", learning_rate=1e30}, "adam"]}}'
    words = ("--target", "width", "--trials", "6", rates, *QUICK, "--metric", "mae")
    ran = command("sweep", flowers, *words)
    assert ran.code == 0, ran.err
    states = {row["state"]: row["reason"] for row in trials(folder)}
    assert "done" in states
    assert "learning rate" in states["failed"]
    assert "failed (" in ran.err


def test_the_test_rows_are_not_looked_at(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(120, 3)), rng.integers(2, size=120)
    found = []
    for seed in (1, 2):
        other = np.random.default_rng(seed)
        path = tmp_path / str(seed) / "arrays.npz"
        path.parent.mkdir()
        np.savez(path, X=X, y=y, X_test=other.normal(size=(40, 3)), y_test=other.integers(2, size=40))
        words = ("--split", "given", "--trials", "2", SPACE, *QUICK, "--out", path.parent)
        assert command("sweep", path, *words).code == 0
        found.append(trials(path.parent))
    assert found[0] == found[1]


def test_the_best_recipe_is_published_when_that_is_asked_for(command: Command, flowers: Path, models: Path) -> None:
    ran = command("sweep", flowers, "--target", "kind", "--trials", "2", "--publish", "--name", "best", SPACE, *QUICK)
    assert ran.code == 0, ran.err
    assert FolderRepository(models).aliases("best") == {"champion": 1}
    assert "Published best version 1" in ran.out


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_keeps_what_was_tried(command: Command, flowers: Path, folder: Path, models: Path) -> None:
    sweep = ["sweep", str(flowers), "--target", "kind", SPACE, *QUICK, "--models", str(models), "--trials"]
    words = [sys.executable, "-m", "training", *sweep, "100000"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("trial 2 "):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert err.endswith("Interrupted: what was tried is kept; the same command goes on with it.\n")
    assert "Best: trial" in out or "No trial is better" in out
    done = [row for row in trials(folder) if row["state"] != "interrupted"]
    assert len(done) >= 2
    ran = command(*sweep[:-3], "--trials", str(len(done) + 1))
    assert ran.code == 0, ran.err
    assert [row for row in trials(folder) if row["state"] != "interrupted"][:-1] == done


def test_time_that_is_up_begins_no_trial(command: Command, flowers: Path, folder: Path) -> None:
    ran = command("sweep", flowers, "--target", "kind", "--timeout", "0", SPACE, *QUICK)
    assert ran.code == 0
    assert trials(folder) == []
    assert "No trial is better than the recipe as it is" in ran.out


def test_every_wrong_sweep_is_one_sentence_on_standard_error(command: Command, flowers: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sweep = ("sweep", flowers, "--target", "kind", "--trials", "1", *QUICK)
    for words, message in (
        ((*sweep, "--metric", "acuracy"), "--metric: unknown metric 'acuracy'; did you mean 'accuracy'?"),
        ((*sweep, "--storage", "nonsense"), "the study flowers in what --storage names: Could not parse"),
        ((*sweep, "--storage", f"sqlite:///{tmp_path}/none/x.db"), f"the study flowers in sqlite:///{tmp_path}/none/x.db:"),
        ((*sweep, "--out", tmp_path / "file"), f"{tmp_path / 'file'}: cannot be made: "),
        ((*sweep, "--set", "fit.optimizer={name='sgd', learning_rate=1e300}"), "the recipe as it is: "),
    ):  # fmt: skip
        ran = command(*words)
        assert ran.code == 2
        assert f"error: {message}" in ran.err
    ran = command(*sweep, "--storage", "postgresql+nothing://me:secret@localhost/x")
    assert ran.code == 2
    assert "secret" not in ran.err


def test_without_optuna_the_sweep_says_what_to_install(
    command: Command, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    ran = command("sweep", flowers, "--target", "kind", "--trials", "1", *QUICK)
    assert ran.code == 2
    assert "a sweep needs Optuna: pip install optuna" in ran.err
