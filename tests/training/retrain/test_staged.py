"""A retraining that a disk, a signal or somebody else disturbs says so, and leaves nothing half-done."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from predictor import FolderRepository, load_bytes
from tests.predictor.models import rewritten
from tests.training.retrain.conftest import Flowers
from tests.training.retrain.staging import Moment, everything, staged

LINES = ("tolerance", "recent_tolerance", "legacy_tolerance", "calibration_loss", "slice_loss")
QUICK = ("--checkpoint-epochs=2", "--set=fit.epochs=5", "--promote=always")
PASS = tuple(f"--set=promotion.{line}=0.9" for line in LINES)
WROTE, READ, REMOVED = "w", "r", "d"
PUBLISHED = "flowers version 2 passed: it serves; back: "


@pytest.fixture
def words(champion: Path, recipe: Path, flowers_of: Flowers, tmp_path: Path) -> list[str | Path]:
    """Return the words of a quick retraining that passes, and tells it in summary.md."""
    files = ("--data", flowers_of(1), "--summary", tmp_path / "summary.md", "--models", champion)
    return ["retrain", recipe, *files, *QUICK, *PASS]


def published(models: Path) -> dict[str, bytes]:
    """Return all files of a repository but its checkpoints."""
    return {name: held for name, held in everything(models).items() if not name.startswith(".checkpoints")}


FULL: Mapping[str, tuple[Moment, str]] = {
    "at a checkpoint": (Moment(WROTE, "*/.checkpoints/*.new", "the disk is full"), "nothing"),
    "in the report": (Moment(WROTE, "*/.new-*/report.html", "the disk is full"), "nothing"),
    "at the first alias": (Moment(WROTE, "*/.new-aliases.json", "the disk is full"), "a version"),
    "at the promotion": (Moment(WROTE, "*/.new-promotions.json", "the disk is full"), "a challenger"),
    "at the summary": (Moment(WROTE, "*/summary.md", "the disk is full", 2), "a champion"),
}
SAID = {
    "nothing": "error: the challenger cannot be published: flowers cannot be published: File too large",
    "a version": "error: flowers@2 passed and is published, but its aliases cannot be changed: ",
    "a challenger": "error: flowers@2 passed and is published, but its aliases cannot be changed: ",
    "a champion": "",
}
ALIASES = {
    "nothing": {"champion": 1},
    "a version": {"champion": 1},
    "a challenger": {"champion": 1, "challenger": 2},
    "a champion": {"champion": 2, "challenger": 2, "previous": 1},
}


@pytest.mark.parametrize("when", FULL)
def test_a_disk_that_is_full(words: list[str | Path], champion: Path, tmp_path: Path, when: str) -> None:
    moment, left = FULL[when]
    before = published(champion)
    ran = staged(words, moment)
    assert ran.code == (0 if left == "a champion" else 2)
    assert SAID[left] in ran.err
    assert f"{tmp_path}/summary.md: cannot be written: File too large; it is left empty\n" in ran.err
    assert (tmp_path / "summary.md").read_text() == ""
    assert FolderRepository(champion).aliases("flowers") == ALIASES[left]
    assert not [name for name in everything(champion) if "new" in name], "what could not be written whole is removed"
    assert left != "nothing" or published(champion) == before
    ran = staged([*words, "--resume"])
    assert (ran.code, ran.out.splitlines()[-1].startswith(PUBLISHED)) == (0, True), ran.err
    assert FolderRepository(champion).versions("flowers") == [1, 2]
    assert FolderRepository(champion).aliases("flowers") == ALIASES["a champion"]
    assert (tmp_path / "summary.md").read_text().startswith("# flowers: passed")
    assert not list(champion.glob(".*"))


def test_output_that_nobody_can_keep_does_not_end_a_retraining(words: list[str | Path], champion: Path) -> None:
    command = [sys.executable, "-m", "training", *map(str, words)]
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert ran.returncode == 0
        assert ran.stderr.startswith("warning: standard output cannot be written: No space left on device; the job go")
        assert FolderRepository(champion).aliases("flowers")["champion"] == 2
        ran = subprocess.run([*command, "--data=nothing.csv"], stdout=full, stderr=full, text=True, check=False)
    assert ran.returncode == 2, "the exit code says what words cannot"


SIGNALS: Mapping[str, tuple[Moment, bool]] = {
    "before the data are read": (Moment(READ, "*/flowers.toml", "SIGTERM"), False),
    "while the champion is read": (Moment(READ, "*/flowers/1/model.npz", "SIGTERM"), False),
    "while the data are read": (Moment(READ, "*/rows-1.csv", "SIGTERM"), False),
    "in the fit": (Moment(WROTE, "*/.checkpoints/*.new", "SIGTERM"), False),
    "before it is published": (Moment(READ, "*/flowers/aliases.json", "SIGTERM", 4), False),
    "while it is published": (Moment(WROTE, "*/.new-*/report.html", "SIGTERM"), True),
    "when it has published": (Moment(REMOVED, "*/.checkpoints/*.npz", "SIGTERM"), True),
    "at its summary": (Moment(WROTE, "*/summary.md", "SIGTERM", 2), True),
}


@pytest.mark.parametrize("when", SIGNALS)
def test_a_job_that_is_asked_to_end(words: list[str | Path], champion: Path, tmp_path: Path, when: str) -> None:
    moment, is_done = SIGNALS[when]
    before = published(champion)
    ran = staged(words, moment)
    page = (tmp_path / "summary.md").read_text()
    if is_done:  # what is begun is brought to its end, which takes a moment
        assert (ran.code, ran.out.splitlines()[-1].startswith(PUBLISHED)) == (0, True), ran.err
        assert FolderRepository(champion).aliases("flowers") == ALIASES["a champion"]
        assert page.startswith("# flowers: passed, and promoted\n")
    else:
        assert ran.code == 130
        assert "\nInterrupted: nothing was published." in ran.err
        assert (" is kept; go on with: python -m training retrain " in ran.err) == (champion / ".checkpoints").exists()
        assert page == "# flowers: interrupted\n\nNothing was published.\n"
        assert published(champion) == before


def test_a_fit_that_has_published_does_not_say_that_nothing_was(
    recipe: Path, flowers_of: Flowers, models: Path
) -> None:
    words: list[str | Path] = [
        "fit",
        flowers_of(1),
        "--recipe",
        recipe,
        "--name",
        "flowers",
        "--models",
        models,
        *QUICK[:2],
    ]
    ran = staged(words, Moment(REMOVED, "*/.checkpoints/*.npz", "SIGTERM"))
    assert (ran.code, ran.err) == (0, "")
    assert "Published flowers version 1: " in ran.out
    assert FolderRepository(models).aliases("flowers") == {"champion": 1}
    assert not list(models.glob(".*"))


GONE = {
    "the champion is damaged": "the file of the champion, flowers@1, has changed since it was compared with it; ",
    "the champion is removed": "the champion that it was compared with is gone: flowers has no version 1; it has 2; ",
}


@pytest.mark.parametrize("deed", GONE)
def test_a_challenger_waits_when_its_champion_is_not_there_any_more(
    words: list[str | Path], champion: Path, tmp_path: Path, deed: str
) -> None:
    ran = staged(words, Moment(WROTE, "*/.checkpoints/*.new", deed))
    assert (ran.code, ran.err) == (0, "")
    assert f"flowers version 2 passed: {GONE[deed]}" in ran.out
    assert (tmp_path / "summary.md").read_text().startswith("# flowers: passed, not promoted\n")
    assert FolderRepository(champion).aliases("flowers") == {"champion": 1, "challenger": 2}
    after = everything(champion)
    ran = staged(words)
    assert ran.code == 2
    assert ("flowers@1: " if "damaged" in deed else "flowers has no version 1; it has 2") in ran.err
    assert everything(champion) == after


def test_a_challenger_that_is_refused_does_not_get_the_number_of_a_champion_that_is_gone(
    words: list[str | Path], champion: Path
) -> None:
    moment = Moment(WROTE, "*/.checkpoints/*.new", "the champion is removed")
    ran = staged([*words, "--set=promotion.size_mb=1e-9"], moment)
    assert ran.code == 3
    assert "error: the gate refuses flowers version 2; it is published without an alias:\n" in ran.err
    assert FolderRepository(champion).aliases("flowers") == {"champion": 1}
    assert FolderRepository(champion).versions("flowers") == [2]


def test_a_champion_of_a_newer_format_is_refused_by_its_version(champion: Path, words: list[str | Path]) -> None:
    path = champion / "flowers" / "1" / "model.npz"
    path.write_bytes(rewritten(lambda manifest: manifest.update(version=99), load_bytes(path.read_bytes(), "1")))
    before = everything(champion)
    ran = staged(words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: flowers@1: ")
    assert ran.err.endswith("reads version 1 of the format; a newer release wrote this file, of version 99\n")
    assert everything(champion) == before
