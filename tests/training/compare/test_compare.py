"""The command `compare`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from predictor import FolderRepository
from tests.training.helpers import Command, flower_rows
from tests.training.report.test_page import outline
from training.cli import main

QUICK = ("--set", "fit.epochs=8")


def row(text: str, title: str, name: str) -> list[str]:
    """Return the cells of a line of one of the tables."""
    lines = text.split(f"\n{title}\n" if title != "Versions" else "Versions\n", 1)[1].split("\n\n", 1)[0].splitlines()
    line = next(line for line in lines if line.startswith(f"  {name}  "))
    return [cell.strip() for cell in line.removeprefix(f"  {name}").split("  ") if cell.strip()]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish two versions of one model, another width and without a column; return the folder of all."""
    folder = tmp_path_factory.mktemp("published")
    table = folder / "flowers.csv"
    table.write_text(flower_rows())
    fit = ["fit", str(table), "--target", "kind", "--name", "m", *QUICK, "--models", str(folder / "models")]
    smaller = ["--set", "network.hidden=[{units=4}]", "--set", 'data.drop=["colour"]', "--no-promote"]
    assert main(fit) == main([*fit, *smaller]) == 0
    return folder


@pytest.fixture
def two(published: Path, models: Path) -> Path:
    """Give the test a copy of the two versions; return their table."""
    shutil.copytree(published / "models", models)
    return published / "flowers.csv"


def test_two_versions_stand_side_by_side(command: Command, two: Path, models: Path) -> None:
    ran = command("compare", "m", "m@2")
    assert ran.code == 0
    assert row(ran.out, "Versions", "answers as") == ["champion", "-"]
    assert row(ran.out, "Versions", "test rows") == ["-", "the same"]
    metrics = [json.loads((models / "m" / number / "report.json").read_text())["metrics"] for number in "12"]
    first, second, change = row(ran.out, "Figures", "test log loss")
    assert first.startswith(f"{metrics[0]['test.log_loss']:.4g} [")
    assert second.startswith(f"{metrics[1]['test.log_loss']:.4g} [")
    delta = metrics[1]["test.log_loss"] - metrics[0]["test.log_loss"]
    assert change == f"{delta:+.4g} {'better' if delta < 0 else 'worse'}"
    assert row(ran.out, "Recipe", "network.hidden.0.units")[1] == "4"
    assert row(ran.out, "Recipe", "data.drop") == ["[]", "['colour']"]
    assert row(ran.out, "Columns", "colour")[-1] == "-"
    assert "No difference." in ran.out.split("Where they come from")[1]


def test_other_test_rows_are_told(command: Command, two: Path) -> None:
    command("fit", two, "--target", "kind", "--name", "m", *QUICK, "--seed", "5")
    ran = command("compare", "m@1", "m@3")
    assert row(ran.out, "Versions", "test rows") == ["-", "others"]
    assert "Their test rows are not the same, so that a difference may be due to the rows." in ran.out


def test_versions_that_predict_other_things_have_no_differences(command: Command, two: Path) -> None:
    command("fit", two, "--target", "colour", "--name", "c", *QUICK)
    ran = command("compare", "m@1", "c")
    assert "They do not predict the same, so that their figures do not compare." in ran.out
    assert "better" not in ran.out
    assert len(row(ran.out, "Figures", "test accuracy")) == 2


def test_on_the_same_rows_only_those_count_that_no_version_was_fitted_to(
    command: Command, two: Path, models: Path
) -> None:
    ran = command("compare", "m@1", "m@2", "--data", two)
    assert ran.code == 0, ran.err
    assert f"24 rows of {two.name}." in ran.out
    assert "m@1 was fitted to this very table: only its test rows count." in ran.out
    report = json.loads((models / "m" / "1" / "report.json").read_text())
    low, high = report["intervals"]["accuracy"]
    cell = f"{report['metrics']['test.accuracy']:.4g} [{low:.4g}, {high:.4g}]"
    assert row(ran.out, "On the same rows", "accuracy")[0] == cell


def test_new_rows_all_count_and_a_difference_has_bounds(command: Command, two: Path, tmp_path: Path) -> None:
    lines = two.read_text().splitlines()
    new = tmp_path / "new.csv"
    new.write_text("\n".join([lines[0], *lines[21:], "1.0,0.1,red,tulip"]) + "\n")
    ran = command("compare", "m@1", "m@2", "m@1", "--data", new)
    assert ran.code == 0, ran.err
    assert "100 rows of new.csv." in ran.out
    assert "1 row left out: their class is not one that every version knows." in ran.out
    cells = row(ran.out, "On the same rows", "log loss")
    assert cells[4] == "+0 [+0, +0] may be chance"
    assert any(cells[3].endswith(word) for word in ("better", "worse", "may be chance"))


def test_numbers_are_compared_in_their_own_units(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    (tmp_path / "line.csv").write_text("x,y\n" + "\n".join(f"{a:.4f},{1000 * a:.1f}" for a in x) + "\n")
    (tmp_path / "more.csv").write_text(
        "x,y\n" + "\n".join(f"{a:.4f},{1000 * a:.1f}" for a in rng.normal(size=80)) + "\n"
    )
    fit = ("fit", tmp_path / "line.csv", "--target", "y", "--name", "line")
    command(*fit, "--set", "fit.epochs=1")
    command(*fit, "--set", "fit.epochs=40")
    ran = command("compare", "line@1", "line@2", "--data", tmp_path / "more.csv")
    assert ran.code == 0, ran.err
    assert row(ran.out, "On the same rows", "mae")[-1].endswith("better")
    assert row(ran.out, "On the same rows", "r2")[-1].endswith("better")


def test_where_one_version_is_worse_than_another_is_told(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def rows(flipped: str) -> str:
        lines = ["x,side,y"]
        for i in range(600):
            x, side = rng.normal(), ("left", "right")[i % 2]
            lines.append(f"{x:.3f},{side},{'yes' if (x > 0) != (side == flipped) else 'no'}")
        return "\n".join(lines) + "\n"

    for name, flipped in (("straight", "none"), ("bent", "right"), ("new", "none")):
        (tmp_path / f"{name}.csv").write_text(rows(flipped))
    for name in ("straight", "bent"):
        assert command("fit", tmp_path / f"{name}.csv", "--target", "y", "--name", "m").code == 0
    ran = command("compare", "m@1", "m@2", "--data", tmp_path / "new.csv")
    told = ran.out.split("Where m@2 differs from m@1\n")[1].split("\n\n")[0].splitlines()
    assert [line.split()[1:3] + line.split()[-1:] for line in told if line.split()[0] == "side"] == [
        ["right", "300", "worse"]
    ]
    again = command("compare", "m@1", "m@1", "--data", tmp_path / "new.csv").out
    assert "In none of them is one surely better than the other." in again


def test_the_page_holds_the_tables_and_the_curves(command: Command, two: Path, tmp_path: Path) -> None:
    out = tmp_path / "side by side.html"
    ran = command("compare", "m@1", "m@2", "--data", two, "--html", out)
    assert ran.out.endswith(f"Wrote {out}\n")
    page = out.read_text()
    found = outline(page)
    assert found.tags.count("figure") == 1
    for title in ("Versions", "On the same rows", "Figures", "Recipe", "Columns", "Curves"):
        assert f"<h2>{title}</h2>" in page


def test_a_version_without_a_report_is_compared_by_its_file(command: Command, two: Path, models: Path) -> None:
    (models / "m" / "2" / "report.json").write_text("[torn")
    (models / "m" / "1" / "report.json").write_text('{"intervals": 3, "judged": "test", "history": {"loss": 1}}')
    ran = command("compare", "m@1", "m@2", "--html", models / "x.html")
    assert ran.code == 0
    assert "[" not in " ".join(row(ran.out, "Figures", "test accuracy"))


def test_a_narrow_terminal_cuts_long_cells(command: Command, two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = command("compare", "m@1", "m@2")
    assert max(map(len, ran.out.splitlines())) <= 100
    assert "..." in ran.out


def test_every_wrong_comparison_is_one_sentence_on_standard_error(command: Command, two: Path, tmp_path: Path) -> None:
    command("fit", two, "--target", "width", "--name", "number", *QUICK)
    other = tmp_path / "other.csv"
    other.write_text("length,width,kind\na,1,rose\nb,2,lily\n")
    narrow = tmp_path / "narrow.csv"
    narrow.write_text("length,width,kind\n1,1,rose\n2,2,lily\n")
    tulips = tmp_path / "tulips.csv"
    tulips.write_text("length,width,colour,kind\n1,1,red,tulip\n")
    for words, message in (
        (("m",), "expected two versions or more, such as m and m@previous"),
        (("m@2",), "expected two versions or more, such as m and m@previous"),
        (("m@1", "n@1"), "no model is called 'n' in"),
        (("m@1", "numbr"), "no model is called 'numbr' in"),
        (("m@1", "m@7"), "m has no version 7; it has 1, 2"),
        (("m@1", "m@champoin"), "m has no alias 'champoin'; did you mean 'champion'?"),
        (("m@1", "m@x"), "m has no alias 'x'; it has the versions 1-2"),
        (("m@1", "m@2@3"), "expected MODEL, MODEL@VERSION or MODEL@ALIAS, found 'm@2@3'"),
        (("m@1", "m@2", "--data", "nowhere.csv"), "'nowhere.csv' is no file, folder, recipe or data set"),
        (("m@1", "m@2", "--data", two, "--target", "knd"), "flowers.csv: the target: there is no column 'knd'; did"),
        (("m@1", "m@2", "--data", narrow), "narrow.csv: m@1: there is no column 'colour'"),
        (("m@2", "m@2", "--data", other), "other.csv: column 'length': expected numbers, as m@2 takes them, found 'a'"),
        (("m@1", "m@2", "--data", tulips), "the target 'kind': none of its values is a class of the versions; found"),
        (("m@1", "number", "--data", two), "these versions answer different questions, so no rows can compare them: m"),
        (("m@1", "m@2", "--html", tmp_path), f"{tmp_path}: cannot be written: "),
    ):  # fmt: skip
        ran = command("compare", *words)
        assert (ran.code, ran.err.count("\n")) == (2, 1), words
        assert ran.err.startswith(f"error: {message}")


def test_published_estimators_are_compared_too(command: Command, two: Path, models: Path) -> None:
    data = FolderRepository(models).read("m", 1)
    FolderRepository(models).publish("bare", {"model.npz": data})
    ran = command("compare", "m@1", "bare@1")
    assert ran.code == 0
    assert row(ran.out, "Versions", "answers as") == ["champion", "-"]
