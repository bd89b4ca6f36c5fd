"""How often the state of a fit is kept, and what becomes of it: the very checkpoints, without a fit."""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from network import EpochRecord
from training.checkpoints import Checkpoints, Keeper, UnusableError
from training.errors import Interrupted
from training.recipe import Checkpoint
from training.signals import Held

STATE = {"weights": np.arange(3.0), "epoch": 7, "nested": {"moments": np.ones((2, 2), np.float32), "none": None}}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path, "points", {"seed": 1})


def kept(checkpoints: Checkpoints, often: Checkpoint, seconds: list[float], held: Held | None = None) -> list[int]:
    """Tell a keeper of epochs that ended at these times; return those that it kept."""
    keeper = Keeper(checkpoints, often, held or Held(), io.StringIO())
    found: list[int] = []
    for epoch, second in enumerate(seconds, 1):
        checkpoints.epoch = None
        record = EpochRecord(epoch, 0.5, 0.1, second, {})
        keeper(record, lambda: STATE, is_last=epoch == len(seconds))
        found += [] if checkpoints.epoch is None else [checkpoints.epoch]
    return found


@pytest.mark.parametrize(
    ("often", "seconds", "expected"),
    [
        (Checkpoint(every_epochs=3, every_minutes=0), [1.0] * 7, [3, 6]),
        (Checkpoint(every_minutes=1), [10.0, 69.9, 70.0, 129.0, 130.5, 131.0], [3, 5]),
        (Checkpoint(every_epochs=2, every_minutes=1), [0.0, 60.0, 120.0, 121.0], [2, 3, 4]),
        (Checkpoint(every_minutes=0), [0.0, 1000.0, 1004.0], [3]),
        (Checkpoint(every_minutes=10), [0.0, 5.0], []),
        (Checkpoint(every_minutes=10), [0.0, 5.1], [2]),
    ],
)
def test_a_state_is_kept_as_often_as_is_wanted_and_at_the_end_of_much_work(
    checkpoints: Checkpoints, often: Checkpoint, seconds: list[float], expected: list[int]
) -> None:
    assert kept(checkpoints, often, seconds) == expected


def test_an_interrupt_keeps_the_epoch_and_ends_the_fit(checkpoints: Checkpoints) -> None:
    held = Held()
    held.is_interrupted = True
    with pytest.raises(Interrupted):
        kept(checkpoints, Checkpoint(every_minutes=0), [1.0, 2.0], held)
    assert checkpoints.epoch == 1


def test_a_folder_that_takes_nothing_is_told_once(tmp_path: Path) -> None:
    (tmp_path / ".checkpoints").write_text("a file where the folder would be")
    err = io.StringIO()
    keeper = Keeper(Checkpoints(tmp_path, "points", {}), Checkpoint(every_epochs=1), Held(), err)
    for epoch in (1, 2, 3):
        keeper(EpochRecord(epoch, 0.5, 0.1, 1.0, {}), lambda: STATE, is_last=False)
    assert err.getvalue() == "warning: epoch 1 cannot be kept: File exists; the fit goes on\n"


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other)


def test_the_last_state_is_found_again_and_the_one_before_where_the_last_is_gone(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    assert not checkpoints.exists()
    for epoch in (1, 2, 3):
        checkpoints.save(STATE | {"epoch": epoch}, epoch)
    assert checkpoints.exists()
    again = Checkpoints(tmp_path, "points", {"seed": 1})
    found, said = again.load()
    assert found is not None
    assert (found.epoch, said, again.epoch) == (3, "going on after epoch 3", 3)
    assert same(found.state, STATE | {"epoch": 3})
    next(path for path in (tmp_path / ".checkpoints").iterdir() if ".before" not in path.name).unlink()
    assert again.exists()
    before, said = again.load()
    assert before is not None
    assert (before.epoch, said) == (2, "going on after epoch 2")


def test_what_is_of_no_more_use_is_removed_and_others_are_left(checkpoints: Checkpoints, tmp_path: Path) -> None:
    other = Checkpoints(tmp_path, "points", {"seed": 2})
    for each in (checkpoints, checkpoints, other):
        each.save(STATE, 1)
    checkpoints.discard()
    assert (checkpoints.exists(), checkpoints.epoch, other.exists()) == (False, None, True)
    other.discard()
    assert not (tmp_path / ".checkpoints").exists()


def test_the_checkpoint_of_another_fit_is_refused_by_what_differs_first(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "points", {"a": 1, "b": {"c": 2, "d": 3}, "e": 4, "f": 5}).save(STATE, 9)
    with pytest.raises(UnusableError) as refused:
        Checkpoints(tmp_path, "points", {"a": 0, "b": {"c": 0, "d": 0}, "e": 0, "g": 5}).load()
    assert refused.value.why == (
        "the checkpoint of points after epoch 9 is of another fit: a was '1' and is '0', b.c was '2' and is '0',"
        " b.d was '3' and is '0' and 3 more"
    )
    found, said = Checkpoints(tmp_path, "lines", {"a": 0}).load()
    assert (found, said) == (None, "there is no checkpoint of lines: beginning with the first epoch")


def test_a_checkpoint_of_another_format_is_no_whole_one(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save(STATE, 1)
    (path,) = (tmp_path / ".checkpoints").iterdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.checkpoints.FORMAT", 2)
        with pytest.raises(UnusableError, match=rf"no checkpoint is whole: {path.name} is damaged or cut short; leave"):
            checkpoints.load()
    shutil.rmtree(path.parent)
    assert checkpoints.load()[0] is None
