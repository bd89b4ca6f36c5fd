"""The command for people."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from predictor import Calibration, FolderRepository, save_bytes
from predictor.cli import main
from tests.predictor.models import flowers, houses, visits


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


def test_an_alias_of_any_name_means_a_version(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = FolderRepository(models).aliases("houses")
    assert main(["alias", "houses", "challenger", "2"]) == 0
    assert capsys.readouterr().out == "houses: challenger means version 2\n"
    assert FolderRepository(models).aliases("houses") == before | {"challenger": 2}
    assert main(["alias", "houses", "no name", "2"]) != 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["inspect", "flowers"], "error: flowers has no alias 'champion'; it has the versions 1\n"),
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


def test_inspect_names_what_training_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "visits.npz").write_bytes(save_bytes(visits()))
    assert main(["inspect", str(tmp_path / "visits.npz")]) == 0
    assert "\n\nleft out, and passed over in requests\n  ticket\n  visits\n\n" in capsys.readouterr().out


def test_a_folder_of_a_version_means_its_file(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(models / "houses" / "1")
    assert main(["verify", folder]) == 0
    assert capsys.readouterr().out == f"{folder}: ok\n"


def test_what_a_command_does_not_know_is_named_beside_its_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["promote", "houses", "1", "--nite=why"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "usage: python -m predictor promote [-h]" in said
    assert "error: unrecognized arguments: --nite=why; did you mean '--note'?" in said


def _run(*argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "predictor", *argv], text=True, check=False, **options)


def test_the_help_teaches(models: Path) -> None:
    run = _run("--help", capture_output=True)
    assert run.returncode == 0
    assert "python -m predictor rollback iris" in run.stdout
    assert "GANGLION_MODELS" in run.stdout


@pytest.mark.parametrize("version", ["one", "0", "03", "1_0", "٣", "-1", ""])
def test_what_is_no_version_is_said_with_code_2(models: Path, version: str) -> None:
    run = _run("promote", "houses", "--", version, capture_output=True)
    assert run.returncode == 2
    assert f"expected a number such as 3, found '{version}'" in run.stderr


def test_the_repository_comes_from_the_flag_or_the_environment(models: Path, tmp_path: Path) -> None:
    assert "houses" in _run("list", capture_output=True).stdout
    assert _run("list", "--models", str(tmp_path / "none"), capture_output=True).stdout.startswith("No models in ")


def test_a_terminal_that_lacks_a_character_is_no_trouble(models: Path) -> None:
    run = _run("inspect", "houses", capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert run.returncode == 0
    assert "a, b/c, \\u03a9" in run.stdout


def test_a_reader_that_closes_early_is_no_trouble(models: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = _run("inspect", "houses", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (run.returncode, run.stderr) == (0, "")


def test_inspect_says_what_intervals_rest_on(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calibrated = replace(houses(), calibration=Calibration((0.5, 1.0)))
    FolderRepository(models).publish("calibrated", {"model.npz": save_bytes(calibrated)})
    assert main(["inspect", "calibrated@1"]) == 0
    assert "calibrated on  2 rows that the fit did not use" in capsys.readouterr().out
