"""The command for people."""

import subprocess
import sys
from pathlib import Path

import pytest

from predictor import FolderRepository, save_bytes
from predictor.cli import main
from tests.predictor.models import flowers, houses


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    repository = FolderRepository(tmp_path / "models")
    for seed in range(4):
        repository.publish("houses", {"model.npz": save_bytes(houses(seed))})
    repository.publish("flowers", {"model.npz": save_bytes(flowers())})
    repository.promote("houses", 2)
    repository.promote("houses", 4)
    monkeypatch.setenv("GANGLION_MODELS", str(repository.root))
    return repository.root


def test_list_shows_versions_and_aliases(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out == (
        "model    versions  aliases\nflowers  1         none\nhouses   1-4       champion = 4, previous = 2\n"
    )


def test_list_says_how_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--models", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"No models in {tmp_path}. Train one: python -m training fit iris\n"


def test_inspect_shows_what_a_version_is_made_of(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "houses"]) == 0
    assert (
        capsys.readouterr().out
        == """\
houses@4

columns
  name    kind      range or categories  when missing
  area    number    20 to 300            refused
  street  category  gravel, paved        taken as paved
  roof    category  a, b/c, Ω            taken as a

answers
  price  a number

network
  sizes        6-4-1
  activations  relu, identity
  size         33 parameters, float32

metrics
  test.r2  0.75

lineage
  data      0000000000000000000000000000000000000000000000000000000000000000
  revision  None
  seed      3

"""
    )


@pytest.mark.parametrize("target", ["houses@previous", "houses@2", "{models}/houses/2/model.npz"])
def test_inspect_takes_versions_aliases_and_files(
    models: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", target.format(models=models)]) == 0
    assert "seed      1" in capsys.readouterr().out


def test_verify_proves_every_version_and_names_the_damaged_one(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify"]) == 0
    assert capsys.readouterr().out == "flowers@1: ok\nhouses@1: ok\nhouses@2: ok\nhouses@3: ok\nhouses@4: ok\n"
    path = models / "houses" / "3" / "model.npz"
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["verify", "houses@3", "houses@4"]) == 2
    said = capsys.readouterr().out
    assert said.startswith("houses@3: failed: houses@3: does not end in a checksum")
    assert said.endswith("houses@4: ok\n")


def test_promote_and_rollback_choose_the_champion(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "houses", "3"]) == 0
    assert main(["rollback", "houses"]) == 0
    assert capsys.readouterr().out == "houses: version 3 is the champion\nhouses: version 4 is the champion again\n"
    assert FolderRepository(models).aliases("houses") == {"champion": 4, "previous": 3}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["inspect", "flowers"], "error: flowers has no champion; it has the versions 1\n"),
        (["inspect", "house"], "; did you mean 'houses'?\n"),
        (["inspect", "a@b@c"], "error: expected MODEL, MODEL@VERSION or MODEL@ALIAS, found 'a@b@c'\n"),
        (["inspect", "absent.npz"], "error: absent.npz: cannot be read: No such file or directory\n"),
        (["promote", "houses", "9"], "error: houses has no version 9; it has 1, 2, 3, 4\n"),
        (["rollback", "flowers"], "error: flowers has no previous champion to go back to\n"),
    ],
)
def test_what_is_wrong_is_said_with_code_2(
    models: Path, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.endswith(message)


def test_the_help_teaches(models: Path) -> None:
    run = subprocess.run([sys.executable, "-m", "predictor", "--help"], capture_output=True, text=True, check=True)
    assert "python -m predictor rollback iris" in run.stdout
