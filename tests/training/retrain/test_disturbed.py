"""Retraining where something else is wrong than the data: the repository, its champion, or the time of day."""

import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from predictor import FolderRepository
from tests.training.helpers import Command
from tests.training.retrain.conftest import Flowers
from tests.training.retrain.test_retrain import WIDE
from training.job import Order
from training.retrain.concluding import Outcome
from training.retrain.run import retrain


class Meddler(io.StringIO):
    """Somebody who promotes a version as soon as a retraining says its first word."""

    def __init__(self, models: Path, version: int) -> None:
        super().__init__()
        self._repository, self._version = FolderRepository(models), version

    def write(self, text: str) -> int:
        self._repository.promote("flowers", self._version)
        return super().write(text)


def test_a_champion_that_came_meanwhile_is_not_replaced_by_what_was_not_compared_with_it(
    champion: Path, recipe: Path, flowers_of: Flowers
) -> None:
    repository = FolderRepository(champion)
    other = repository.publish("flowers", {"model.npz": repository.read("flowers", 1)})
    wide = (word.removeprefix("--set=") for word in WIDE)
    order = Order(str(flowers_of(1)), champion, recipe=str(recipe), overrides=tuple(wide), name="flowers")
    err = io.StringIO()
    outcome = retrain(order, "always", now=datetime.now(UTC), out=Meddler(champion, other), err=err)
    assert isinstance(outcome, Outcome)
    assert (outcome.version, outcome.promoted) == (3, False)
    assert outcome.note == "the champion is 2 by now, which it was not compared with; "
    assert outcome.summary.startswith("# flowers: passed, not promoted\n")
    assert repository.aliases("flowers") == {"champion": 2, "previous": 1, "challenger": 3}


SPOILED: Mapping[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "cut short": ("1/model.npz", lambda content: content[:-100], "flowers@1"),
    "one bit": ("1/model.npz", lambda content: content[:-3000] + b"\x00" + content[-2999:], "flowers@1"),
    "no aliases": ("aliases.json", lambda _: b"{", "flowers/aliases.json cannot be read: "),
    "no such version": ("aliases.json", lambda _: b'{"champion": 7}', "flowers has no version 7; it has 1"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_champion_that_cannot_be_read_stops_a_retraining_before_it_begins(
    champion: Path, command: Command, recipe: Path, flowers_of: Flowers, how: str
) -> None:
    file, spoil, reason = SPOILED[how]
    path = champion / "flowers" / file
    path.write_bytes(spoil(path.read_bytes()))
    before = sorted(champion.rglob("*"))
    ran = command("retrain", recipe, "--data", flowers_of(1), "--promote=always")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert reason in ran.err
    assert sorted(champion.rglob("*")) == before


def test_a_damaged_record_of_promotions_keeps_nothing_from_being_promoted(
    champion: Path, command: Command, recipe: Path, flowers_of: Flowers
) -> None:
    (champion / "flowers" / "promotions.json").write_text("[")
    ran = command("retrain", recipe, "--data", flowers_of(1), "--promote=always", *WIDE)
    assert ran.code == 0
    assert FolderRepository(champion).aliases("flowers") == {"champion": 2, "challenger": 2, "previous": 1}


def test_a_summary_that_cannot_be_written_is_said_before_anything_is_done(
    champion: Path, command: Command, recipe: Path, flowers_of: Flowers, tmp_path: Path
) -> None:
    nowhere = tmp_path / "no" / "summary.md"
    ran = command("retrain", recipe, "--data", flowers_of(1), "--promote=always", "--summary", nowhere)
    assert (ran.code, ran.err) == (2, f"error: {nowhere}: cannot be written: No such file or directory\n")
    assert FolderRepository(champion).versions("flowers") == [1]


def test_aliases_that_cannot_be_changed_are_given_by_going_on(
    champion: Path, command: Command, recipe: Path, flowers_of: Flowers
) -> None:
    words = ("retrain", recipe, "--data", flowers_of(1), "--promote=always", *WIDE)
    in_the_way = champion / "flowers" / ".new-aliases.json"
    in_the_way.mkdir()
    ran = command(*words)
    assert ran.code == 2
    assert "error: flowers@2 passed and is published, but its aliases cannot be changed: " in ran.err
    assert "; the same with --resume goes on from here\n" in ran.err
    assert FolderRepository(champion).aliases("flowers") == {"champion": 1}
    in_the_way.rmdir()
    ran = command(*words, "--resume")
    assert (ran.code, ran.err) == (0, "")
    assert FolderRepository(champion).aliases("flowers") == {"champion": 2, "challenger": 2, "previous": 1}
