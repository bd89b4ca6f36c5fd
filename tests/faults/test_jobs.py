"""Jobs on full disks, in folders that are not theirs, from files that cannot be read, and killed while they publish."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from predictor import FolderRepository
from training.cli import main

ROWS = "x,y\n" + "".join(f"{i % 50}.5,{i % 7}.5\n" for i in range(60))
FIT = ("--target", "y", "--task", "number", "--set=fit.epochs=3", "--set=network.hidden=[{ units = 4 }]")
Fit = Callable[..., tuple[int, str]]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fit:
    """Return the command `fit`, run in a folder with a small table: its exit code, and what it said."""
    (tmp_path / "points.csv").write_text(ROWS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.progress.LINE_EVERY_S", float("inf"))  # it says the same however long it takes

    def run(*words: str, source: str = "points.csv") -> tuple[int, str]:
        capsys.readouterr()
        return main(["fit", source, *FIT, *words]), capsys.readouterr().err

    return run


def job(folder: Path, *words: str, limit_kib: int | None = None, dies_in: str | None = None) -> tuple[int, str]:
    """Run a fit in a process of its own; return its exit code and what it said on standard error."""
    die = f"import os, predictor; predictor.FolderRepository.{dies_in} = lambda *_: os._exit(9); " if dies_in else ""
    code = f"{die}import sys; from training.cli import main; sys.exit(main(sys.argv[1:]))"
    limit = "" if limit_kib is None else f"ulimit -f {limit_kib}; "
    command = ["bash", "-c", f'{limit}exec "$@"', "-", sys.executable, "-c", code, "fit", "points.csv", *FIT, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stderr


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 32 KiB, where that is allowed."""
    yield from mounted(tmp_path / "disk", "size=32k")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk that cannot be written, where that is allowed."""
    yield from mounted(tmp_path / "disk", "ro")


def mounted(place: Path, options: str) -> Iterator[Path]:
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_publishes_nothing_and_leaves_nothing(fit: Fit, small_disk: Path) -> None:
    code, err = fit("--models", str(small_disk / "models"))
    assert code == 2
    assert err.startswith("error: the model cannot be published: points cannot be published: No space left on device")
    assert err.count("\n") == 1
    assert everything(small_disk) == ["models"]


def test_files_that_may_not_grow_are_said_and_the_epochs_that_were_kept_stay(tmp_path: Path, fit: Fit) -> None:
    code, err = job(tmp_path, "--checkpoint-epochs", "1", limit_kib=40)
    assert code == 2
    assert "the model cannot be published: points cannot be published: File too large" in err
    assert err.endswith("Epoch 3 is kept: --resume goes on from it.\n")
    assert FolderRepository(tmp_path / "models").names() == []
    code, err = fit("--checkpoint-epochs", "1", "--resume")
    assert code == 0
    assert err.startswith("going on after epoch 3\n")


def test_a_folder_that_cannot_be_written_is_said_before_the_fit(fit: Fit, read_only: Path) -> None:
    code, err = fit("--models", str(read_only / "models"))
    assert code == 2
    assert err == (
        f"error: {read_only}: models cannot be published here: the folder is read-only or somebody else's; name"
        " another with --models\n"
    )


def test_a_file_in_the_place_of_the_folder_is_said(fit: Fit) -> None:
    Path("models").write_text("")
    code, err = fit()
    assert code == 2
    assert err == "error: models: expected a folder for the models, found something else; name one with --models\n"


def test_a_source_that_cannot_be_read_is_said(fit: Fit) -> None:
    Path("broken.csv").symlink_to("/proc/self/mem")
    code, err = fit(source="broken.csv")
    assert code == 2
    assert err == "error: broken.csv: cannot be read: Input/output error\n"


@pytest.mark.parametrize(("step", "left"), [("_claim", []), ("promote", [1])])
def test_a_job_that_dies_while_it_publishes_leaves_all_or_nothing(
    tmp_path: Path, fit: Fit, step: str, left: list[int]
) -> None:
    code, _ = job(tmp_path, "--checkpoint-epochs", "1", dies_in=step)
    repository = FolderRepository(tmp_path / "models")
    assert code == 9
    assert ([] if not repository.names() else repository.versions("points")) == left
    assert not left or repository.aliases("points") == {}
    code, err = fit("--checkpoint-epochs", "1", "--resume")
    assert code == 0
    assert err.startswith("going on after epoch 3\n")
    assert repository.versions("points") == [1]
    assert repository.aliases("points") == {"champion": 1}


def test_a_reader_that_leaves_early_does_not_take_the_job_along(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(ROWS)
    words = [sys.executable, "-m", "training", "fit", str(tmp_path / "points.csv"), *FIT]
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "wb") as gone:
        command = [*words, "--models", str(tmp_path / "models")]
        ran = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, cwd=ROOT, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert FolderRepository(tmp_path / "models").aliases("points") == {"champion": 1}
