"""A retraining that is killed goes on to the same challenger, the same report and the same aliases."""

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictor import FolderRepository, repository
from tests.training.helpers import Command
from tests.training.retrain.conftest import QUICK, Flowers, rows_of
from tests.training.retrain.staging import context
from training.checkpoints import Checkpoints
from training.cli import main

KILLS = 4
WIDE = ("tolerance=0.2", "recent_tolerance=0.5", "legacy_tolerance=0.5", "calibration_loss=0.5")
LINES = (*(f"--set=promotion.{line}" for line in WIDE), "--checkpoint-epochs=5")
STEPS: Mapping[str, tuple[Any, str, int]] = {
    "in the fit": (Checkpoints, "save", 3),
    "while it publishes": (FolderRepository, "_claim", 1),
    "before its first alias": (FolderRepository, "set_alias", 1),
    "between the record of its promotion and the alias": (repository, "write_json", 2),
    "at its very end": (Checkpoints, "discard", 1),
}
Start = Callable[..., Any]


def dying(words: list[str], step: str) -> None:
    """Run the command line in this process, which ends as by a kill when it comes to a step."""
    place, name, times = STEPS[step]
    whole, calls = getattr(place, name), iter(range(1, 100))

    def die(*arguments: Any) -> Any:
        if next(calls) == times:
            os._exit(9)
        return whole(*arguments)

    setattr(place, name, die)
    os._exit(main(words))


@pytest.fixture(scope="module")
def start() -> Start:
    """Return a function that begins a process."""

    def begin(target: Callable[..., Any], *arguments: Any) -> Any:
        process = context().Process(target=target, args=arguments)
        process.start()
        return process

    return begin


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, first: Path, start: Start) -> tuple[Path, list[str], float]:
    """Return a folder of one retraining that nobody disturbed, its words, and how long it took."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "rows.csv").write_text(rows_of(1))
    (folder / "flowers.toml").write_text(QUICK + "\n[[network.hidden]]\nunits = 8\n")
    words = ["retrain", str(folder / "flowers.toml"), "--data", str(folder / "rows.csv"), "--promote=always", *LINES]
    shutil.copytree(first, folder / "models")
    start(print).join()  # the first process waits for all that is imported
    begun = time.perf_counter()
    process = start(main, [*words, "--models", str(folder / "models")])
    process.join()
    assert process.exitcode == 0
    return folder / "models", words, time.perf_counter() - begun


def result(models: Path) -> tuple[Any, ...]:
    """Return all that a retraining leaves, but for the times it measured."""
    found = FolderRepository(models)
    folder = models / "flowers" / "2"
    facts = json.loads((folder / "retrain.json").read_text())
    facts["evidence"].pop("latency_ms")
    report = json.loads((folder / "report.json").read_text())
    report.pop("seconds")
    text = re.sub(r"One row takes \S+ ms", "", (folder / "retrain.md").read_text())
    promoted = [(one.version, one.before) for one in found.promotions("flowers")]
    assert promoted[-1] == (2, 1)
    return found.versions("flowers"), found.aliases("flowers"), found.read("flowers", 2), facts, report, text


def test_a_retraining_killed_at_random_ends_as_one_that_was_not(
    whole: tuple[Path, list[str], float], models: Path, champion: Path, start: Start
) -> None:
    undisturbed, words, whole_s = whole
    words = [*words, "--resume", "--models", str(models)]
    rng = np.random.default_rng(0)
    for _ in range(KILLS):
        process = start(main, words)
        process.join(rng.uniform(0, whole_s))
        process.kill()
        process.join()
    process = start(main, words)
    process.join()
    assert process.exitcode == 0
    assert result(champion) == result(undisturbed)
    assert not (models / ".checkpoints").exists()


@pytest.mark.parametrize("step", STEPS)
def test_a_retraining_killed_where_it_hurts_ends_as_one_that_was_not(
    whole: tuple[Path, list[str], float], champion: Path, command: Command, start: Start, step: str
) -> None:
    undisturbed, words, _ = whole
    process = start(dying, [*words, "--models", str(champion)], step)
    process.join()
    assert process.exitcode == 9
    ran = command(*words, "--resume")
    assert ran.code == 0, ran.err
    assert "flowers version 2 passed: it serves; back: python -m predictor rollback flowers" in ran.out
    assert ("going on after epoch " in ran.err) == (step in {"in the fit", "while it publishes"})
    assert result(champion) == result(undisturbed)
    assert not (champion / ".checkpoints").exists()


def test_what_has_ended_is_told_again_and_not_done_again(
    whole: tuple[Path, list[str], float], models: Path, command: Command
) -> None:
    undisturbed, words, _ = whole
    shutil.copytree(undisturbed, models)
    again = command(*words, "--resume")
    assert (again.code, again.err) == (0, "")
    assert "flowers version 2 passed: it serves" in again.out
    assert "nothing new: flowers@2 was made of" in command(*words, "--resume", "--if-new").out
    assert result(models) == result(undisturbed)
    other = command(*words, "--resume", "--set=promotion.size_mb=1e-9")
    assert other.code == 3, "other lines are another question"
    assert FolderRepository(models).versions("flowers") == [1, 2, 3]
    told = command(*words, "--resume", "--set=promotion.size_mb=1e-9")
    assert (told.code, told.err) == (3, other.err[other.err.index("error: ") :])
    assert FolderRepository(models).versions("flowers") == [1, 2, 3]


def test_a_champion_that_was_taken_back_is_not_promoted_by_going_on(
    whole: tuple[Path, list[str], float], models: Path, command: Command
) -> None:
    undisturbed, words, _ = whole
    shutil.copytree(undisturbed, models)
    FolderRepository(models).rollback("flowers")
    ran = command(*words, "--resume")
    assert ran.code == 0
    assert "flowers version 2 passed: make it serve: " in ran.out
    assert FolderRepository(models).aliases("flowers")["champion"] == 1


def test_the_checkpoint_of_other_rows_does_not_hold_up_new_ones(
    whole: tuple[Path, list[str], float], champion: Path, command: Command, start: Start, flowers_of: Flowers
) -> None:
    _, words, _ = whole
    process = start(dying, [*words, "--models", str(champion)], "in the fit")
    process.join()
    words = [*words, "--data", str(flowers_of(2))]
    ran = command(*words, "--resume")
    assert ran.code == 0
    assert ran.err.startswith("the checkpoint of flowers after epoch ")
    assert " is of another fit: lineage.source was " in ran.err
    assert ran.err.splitlines()[0].endswith(": beginning with the first epoch")
    for path in (champion / ".checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    ran = command(*words[:-2], "--resume", "--set=seed=0")
    assert ran.err.startswith("no checkpoint is whole: flowers.")
