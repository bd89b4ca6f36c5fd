"""The record of who became champion when: what is kept, what is refused, what the commands show."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from predictor import FolderRepository, RepositoryError, save_bytes
from predictor.cli import main
from predictor.promotions import MOST_KEPT, NOTE_CHARACTERS
from tests.predictor.models import houses

FILES = {"model.npz": save_bytes(houses())}


@pytest.fixture
def repository(tmp_path: Path) -> FolderRepository:
    found = FolderRepository(tmp_path / "models")
    for _ in range(3):
        found.publish("iris", FILES)
    return found


def said(repository: FolderRepository) -> list[tuple[int, int | None, str, bool]]:
    return [(one.version, one.before, one.note, one.is_watched) for one in repository.promotions("iris")]


def test_each_change_of_the_champion_is_on_record(repository: FolderRepository) -> None:
    assert (repository.promotions("iris"), repository.promotion("iris")) == ([], None)
    repository.promote("iris", 1)
    repository.promote("iris", 2, note="the spring data", is_watched=False)
    repository.rollback("iris")
    assert said(repository) == [(1, None, "", True), (2, 1, "the spring data", False), (1, 2, "rolled back", False)]
    numbers = [one.number for one in repository.promotions("iris")]
    assert numbers == [1, 2, 3]
    last = repository.promotion("iris")
    assert last is not None
    assert abs(last.seconds - datetime.now(UTC).timestamp()) < 60


def test_promoting_the_champion_again_is_another_promotion(repository: FolderRepository) -> None:
    repository.promote("iris", 1)
    first, before = repository.promotion("iris"), repository.fingerprint()
    repository.promote("iris", 1)
    assert repository.promotion("iris") != first
    assert repository.fingerprint() != before
    assert repository.aliases("iris") == {"champion": 1}


def test_a_champion_that_another_hand_chose_has_no_promotion(repository: FolderRepository) -> None:
    repository.promote("iris", 1)
    repository.set_alias("iris", "champion", 2)
    assert repository.promotion("iris") is None


def test_a_version_that_failed_is_nothing_to_go_back_to(repository: FolderRepository) -> None:
    for version in (1, 2, 3):
        repository.promote("iris", version)
    repository.withdraw("iris", 3, 2, note="too slow")
    assert repository.aliases("iris") == {"champion": 2, "previous": 1}
    assert said(repository)[-1] == (2, 3, "too slow", False)
    repository.withdraw("iris", 2, 1, note="also")
    assert repository.aliases("iris") == {"champion": 1}
    with pytest.raises(RepositoryError, match="iris has no previous champion to go back to"):
        repository.rollback("iris")


def test_a_version_succeeds_the_champion_it_was_meant_to_and_no_other(repository: FolderRepository) -> None:
    repository.promote("iris", 1)
    repository.succeed("iris", 2, 1, note="better")
    assert repository.aliases("iris") == {"champion": 2, "previous": 1}
    promotion = repository.promotion("iris")
    assert promotion is not None
    assert (promotion.before, promotion.note, promotion.is_watched) == (1, "better", True)
    with pytest.raises(RepositoryError, match="the champion of iris is 2 by now, not 1"):
        repository.succeed("iris", 3, 1)
    assert repository.aliases("iris") == {"champion": 2, "previous": 1}


def test_what_is_champion_no_more_is_not_withdrawn(repository: FolderRepository) -> None:
    repository.promote("iris", 1)
    repository.promote("iris", 2)
    before = repository.promotions("iris")
    with pytest.raises(RepositoryError, match="the champion of iris is 2 by now, not 1"):
        repository.withdraw("iris", 1, 3, note="")
    assert (repository.aliases("iris"), repository.promotions("iris")) == ({"champion": 2, "previous": 1}, before)


def test_the_record_is_bounded(repository: FolderRepository) -> None:
    entry = {"at": "2026-01-01T00:00:00.000+00:00", "version": 1, "before": None, "note": "", "is_watched": True}
    entries = [entry | {"number": number} for number in range(1, MOST_KEPT + 1)]
    (repository.root / "iris" / "promotions.json").write_text(json.dumps(entries))
    repository.promote("iris", 2, note="x" * 10_000)
    record = repository.promotions("iris")
    assert (len(record), record[0].number, record[-1].number) == (MOST_KEPT, 2, MOST_KEPT + 1)
    assert record[-1].note == "x" * NOTE_CHARACTERS


GOOD = {"number": 1, "at": "2026-01-01T00:00:00+00:00", "version": 1, "before": None, "note": "", "is_watched": True}


@pytest.mark.parametrize(
    "record",
    [
        "{", "7", '{"a": 1}', "[[]]", "[{}]",
        *(json.dumps([GOOD | wrong]) for wrong in (
            {"version": "1"}, {"is_watched": 1}, {"at": "yesterday"}, {"at": "2026-01-01T00:00:00"}, {"more": 1},
        )),
    ],
)  # fmt: skip
def test_a_damaged_record_is_said_and_begun_anew(repository: FolderRepository, record: str) -> None:
    (repository.root / "iris" / "promotions.json").write_text(record)
    with pytest.raises(RepositoryError, match=r"iris/promotions\.json cannot be read: "):
        repository.promotions("iris")
    repository.promote("iris", 2)
    assert said(repository) == [(2, None, "", True)]


def test_commands_write_the_record_and_show_it(repository: FolderRepository, capsys: Any) -> None:
    where = ["--models", str(repository.root)]
    assert main(["history", "iris", *where]) == 0
    assert capsys.readouterr().out == "iris: no promotion is on record\n"
    assert main(["promote", "iris", "1", *where]) == 0
    assert main(["promote", "iris", "3", "--note", "by hand", "--no-watch", *where]) == 0
    assert main(["rollback", "iris", "--note", "too slow", *where]) == 0
    assert said(repository) == [(1, None, "", True), (3, 1, "by hand", False), (1, 3, "too slow", False)]
    capsys.readouterr()
    assert main(["history", "iris", *where]) == 0
    lines = [line.split(maxsplit=3)[1:] for line in capsys.readouterr().out.splitlines()]
    assert lines == [["champion", "before", "note"], ["1", "none"], ["3", "1", "by hand"], ["1", "3", "too slow"]]
    assert main(["history", "irs", *where]) == 2
