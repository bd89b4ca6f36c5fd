"""Checkpoints: a job that is killed, interrupted or short of disk loses nothing that was kept."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictor import FolderRepository
from tests.training.helpers import Command, Writer
from training.cli import main

OFTEN = ("--checkpoint-epochs", "1", "--set", "fit.epochs=25")
KILLS = 20


def kept(models: Path) -> list[str]:
    """Return the names of what lies among the checkpoints."""
    return sorted(path.name for path in (models / ".checkpoints").glob("*"))


@pytest.fixture(scope="module")
def halfway(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...]]:
    """Interrupt a long fit a few epochs after its beginning; return its folder and its words."""
    folder = tmp_path_factory.mktemp("halfway")
    (folder / "points.csv").write_text("x,y\n" + "".join(f"{i % 50}.5,{i % 7}.5\n" for i in range(60)))
    longer = ("fit.epochs=1500", "fit.stopping.patience=1500", "fit.batch_size='full'")
    words = ("fit", "points.csv", "--target", "y", "--task", "number", *(f"--set={word}" for word in longer))
    command = [sys.executable, "-m", "training", *words, "--checkpoint-epochs", "1"]
    models = folder / "models"
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        while len(list(models.glob(".checkpoints/*.npz"))) < 2:
            assert process.poll() is None, "the fit has ended before it was interrupted"
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Interrupted: finishing this epoch, to keep it; once more ends at once." in err
    assert "Interrupted: nothing was published. Epoch " in err
    assert err.rstrip().endswith(" --checkpoint-epochs 1 --resume")
    return folder, words


@pytest.fixture
def interrupted(
    halfway: tuple[Path, tuple[str, ...]], models: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, ...]:
    """Return the words of a fit that was interrupted, and be in a folder of its own where it was."""
    folder, words = halfway
    shutil.copytree(folder, models.parent, dirs_exist_ok=True)
    monkeypatch.chdir(models.parent)
    return words


def weights(models: Path, version: int = 1) -> bytes:
    repository = FolderRepository(models)
    return repository.read(repository.names()[0], version)


def test_a_job_killed_twenty_times_ends_with_the_same_bytes(write: Writer, models: Path, tmp_path: Path) -> None:
    points = write("points.csv", "x,y\n" + "".join(f"{i % 50}.5,{i % 7}.5\n" for i in range(60)))
    words = ["fit", str(points), "--target", "y", "--task", "number", "--split", "hash", *OFTEN, "--models"]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["training.cli", "training.report.page", "sklearn.metrics", "matplotlib.pyplot"])

    def start(*more: str) -> Any:
        process = context.Process(target=main, args=([*words, *more],))
        process.start()
        return process

    start(str(tmp_path / "whole")).join()
    began = time.perf_counter()
    start(str(tmp_path / "again")).join()
    whole_s = time.perf_counter() - began
    rng = np.random.default_rng(0)
    for _ in range(KILLS):
        process = start(str(models), "--resume")
        process.join(rng.uniform(0, whole_s))
        process.kill()
        process.join()
    start(str(models), "--resume").join()
    repository = FolderRepository(models)
    assert repository.versions("points") == [1]
    assert repository.aliases("points") == {"champion": 1}
    assert weights(models) == weights(tmp_path / "whole")
    assert not (models / ".checkpoints").exists()


def test_an_interrupted_fit_goes_on_to_the_same_bytes_and_leaves_nothing_behind(
    command: Command, interrupted: tuple[str, ...], models: Path, tmp_path: Path
) -> None:
    assert not FolderRepository(models).names()
    ran = command(*interrupted, "--resume")
    assert ran.code == 0
    assert ran.err.startswith("going on after epoch ")
    assert not (models / ".checkpoints").exists()
    assert main([*interrupted, "--models", str(tmp_path / "whole")]) == 0
    assert weights(models) == weights(tmp_path / "whole")


def test_a_fit_that_does_not_go_on_says_that_it_could(
    command: Command, interrupted: tuple[str, ...], models: Path
) -> None:
    ran = command(*interrupted)
    assert ran.err.startswith("note: a checkpoint of this very fit is there; --resume would go on from it\n")
    assert ran.code == 0


def test_the_checkpoint_of_another_fit_is_refused_with_what_differs(
    command: Command, interrupted: tuple[str, ...], models: Path
) -> None:
    ran = command(*interrupted, "--resume", "--set", "fit.epochs=1501", "--seed", "5")
    assert ran.code == 2
    assert "--resume: the checkpoint of points after epoch " in ran.err
    assert "is of another fit: lineage.seed was '0' and is '5', recipe.seed was '0' and is '5'" in ran.err
    assert "recipe.fit.epochs was '1500' and is '1501'; ask for that fit, or leave out --resume" in ran.err
    with Path("points.csv").open("a") as file:
        file.write("9,9\n")
    ran = command(*interrupted, "--resume")
    assert ran.code == 2
    assert "is of another fit: lineage.data_sha256 was '" in ran.err
    assert not FolderRepository(models).names()


def test_another_gate_does_not_make_another_fit(command: Command, interrupted: tuple[str, ...], models: Path) -> None:
    gate = '--set=gate=[{metric="test.r2", at_least=-9}]'
    ran = command(*interrupted, "--resume", gate)
    assert ran.code == 0
    assert ran.err.startswith("going on after epoch ")


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(
    command: Command, interrupted: tuple[str, ...], models: Path
) -> None:
    before, last = (models / ".checkpoints" / name for name in kept(models))
    assert before.name.endswith(".before.npz")
    last.write_bytes(last.read_bytes()[:-100])
    ran = command(*interrupted, "--resume", "--no-promote")
    assert ran.code == 0
    assert f"{last.name} is damaged or cut short" in ran.err.splitlines()[0]
    assert "; going on after epoch " in ran.err.splitlines()[0]


def test_checkpoints_that_are_all_damaged_are_refused(
    command: Command, interrupted: tuple[str, ...], models: Path
) -> None:
    for keeps in (-1, 1000, 1, 0):
        for name in kept(models):
            path = models / ".checkpoints" / name
            path.write_bytes(path.read_bytes()[:keeps])
        ran = command(*interrupted, "--resume")
        assert ran.code == 2
        assert ran.err.startswith("error: --resume: no checkpoint is whole: points.")
        assert ran.err.rstrip().endswith("leave out --resume to begin anew")


def test_with_nothing_to_go_on_from_a_fit_begins_and_says_so(command: Command, flowers: Path, models: Path) -> None:
    ran = command("fit", flowers, "--target", "kind", *OFTEN, "--resume")
    assert ran.code == 0
    assert ran.err.startswith("there is no checkpoint of flowers: beginning with the first epoch\n")
    assert kept(models) == []


def test_what_was_published_before_the_end_of_the_job_is_not_published_twice(
    command: Command, flowers: Path, models: Path
) -> None:
    words = ("fit", flowers, "--target", "kind", *OFTEN)
    command(*words, "--no-promote")
    ran = command(*words, "--resume")
    assert "Published flowers version 1: " in ran.out
    assert FolderRepository(models).aliases("flowers") == {"champion": 1}


def test_how_often_a_fit_is_kept_is_no_part_of_the_model(command: Command, flowers: Path, models: Path) -> None:
    command("fit", flowers, "--target", "kind", *OFTEN)
    command("fit", flowers, "--target", "kind", *OFTEN, "--checkpoint-minutes", "0", "--checkpoint-epochs", "7")
    assert weights(models, version=1) == weights(models, version=2)


def test_a_disk_that_takes_no_checkpoint_does_not_end_the_fit(
    command: Command, flowers: Path, models: Path, write: Writer
) -> None:
    write("models/.checkpoints", "a file where the folder would be")
    ran = command("fit", flowers, "--target", "kind", *OFTEN)
    assert ran.code == 0
    assert ran.err == "warning: epoch 1 cannot be kept: File exists; the fit goes on\n"
