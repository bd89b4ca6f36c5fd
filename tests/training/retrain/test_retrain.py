"""The command `retrain`: checked, fitted, judged, published, and promoted if that is asked for."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from predictor import FolderRepository, load_bytes
from tests.training.helpers import Command
from tests.training.retrain.conftest import Flowers
from training.job import Order
from training.retrain.setting import setting_of

WIDE: tuple[str, ...] = (
    "--set=promotion.tolerance=0.2",
    "--set=promotion.recent_tolerance=0.5",
    "--set=promotion.legacy_tolerance=0.5",
)
WIDE += ("--set=promotion.calibration_loss=0.5",)


def test_without_a_champion_the_first_model_may_be_promoted_at_once(
    command: Command, recipe: Path, flowers_of: Flowers, models: Path
) -> None:
    ran = command("retrain", recipe, "--data", flowers_of(1), "--promote", "if-better")
    assert ran.code == 0, ran.err
    assert "flowers version 1 passed: it serves; back: python -m predictor rollback flowers --models " in ran.out
    assert FolderRepository(models).aliases("flowers") == {"challenger": 1, "champion": 1}


@pytest.mark.usefixtures("champion")
def test_a_challenger_that_passes_waits_for_a_person(
    command: Command, recipe: Path, flowers_of: Flowers, models: Path, tmp_path: Path
) -> None:
    table, page = flowers_of(1, rows=600), tmp_path / "summary.md"
    ran = command("retrain", recipe, "--data", table, "--summary", page, *WIDE)
    assert ran.code == 0, ran.err
    repository = FolderRepository(models)
    assert repository.aliases("flowers") == {"champion": 1, "challenger": 2}
    lineage = load_bytes(repository.read("flowers", 2), "2").lineage
    assert lineage["parent"] == "flowers@1"
    assert lineage["gate"] == "passed"
    assert str(lineage["gain"]).startswith("accuracy ")
    assert lineage["data_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    assert len(str(lineage["lock_sha256"])) == 64
    assert page.read_text() == (models / "flowers" / "2" / "retrain.md").read_text()
    assert page.read_text().startswith("# flowers: passed, not promoted\n\n| held-out rows | rows |")
    assert "<details><summary>17 facts of the data</summary>\n\n| data | champion | now |" in page.read_text()
    evidence = json.loads((models / "flowers" / "2" / "retrain.json").read_text())["evidence"]
    assert [duel["holdout"] for duel in evidence["duels"]] == ["all", "recent", "legacy"]
    assert evidence["duels"][0]["rows"] == sum(duel["rows"] for duel in evidence["duels"][1:])


@pytest.mark.usefixtures("champion")
def test_always_promotes_what_passes(command: Command, recipe: Path, flowers_of: Flowers, models: Path) -> None:
    assert command("retrain", recipe, "--data", flowers_of(1), "--promote", "always", *WIDE).code == 0
    aliases = FolderRepository(models).aliases("flowers")
    assert aliases == {"champion": 2, "challenger": 2, "previous": 1}
    promotion = FolderRepository(models).promotion("flowers")
    assert promotion is not None
    assert promotion.note.startswith("retrained: accuracy ")


@pytest.mark.usefixtures("champion")
def test_a_refused_challenger_is_kept_without_an_alias(
    command: Command, recipe: Path, flowers_of: Flowers, models: Path
) -> None:
    bad = ("--set=fit.epochs=1", "--set=fit.optimizer={name='sgd', learning_rate=1e-9}")
    ran = command("retrain", recipe, "--data", flowers_of(1), "--promote", "always", *bad)
    assert ran.code == 3
    assert (
        "error: the gate refuses flowers version 2; it is published without an alias:\n  - accuracy on all" in ran.err
    )
    assert FolderRepository(models).aliases("flowers") == {"champion": 1}
    facts = json.loads((models / "flowers" / "2" / "retrain.json").read_text())
    assert facts["verdict"]["reasons"]
    assert all(f"  - {reason}\n" in ran.err for reason in facts["verdict"]["reasons"])
    assert (models / "flowers" / "2" / "report.html").is_file()


@pytest.mark.usefixtures("champion")
def test_rows_that_tested_the_champion_are_not_trained_on(recipe: Path, flowers_of: Flowers, models: Path) -> None:
    def sides(data: Path) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
        order = Order(source=str(data), models=models, recipe=str(recipe))
        prepared = setting_of(order, now=datetime.now(UTC)).prepared
        columns = [column.values.tolist() for column in prepared.columns]
        rows = [tuple(str(cell) for cell in row) for row in zip(*columns, strict=True)]
        assert prepared.test is not None
        return {rows[i] for i in prepared.train.rows}, {rows[i] for i in prepared.test.rows}

    old = flowers_of(0)
    _, tested = sides(old)
    more = flowers_of(3)
    more.write_text(more.read_text() + old.read_text().partition("\n")[2])
    trains, tests = sides(more)
    assert tested <= tests
    assert not tested & trains


@pytest.mark.usefixtures("champion")
def test_data_that_break_a_limit_are_not_trained_on(
    command: Command, recipe: Path, flowers_of: Flowers, models: Path
) -> None:
    ran = command("retrain", recipe, "--data", flowers_of(1, shift=9.0), "--promote", "always")
    assert ran.code == 2
    assert "the data are not trained on" in ran.err
    assert FolderRepository(models).versions("flowers") == [1]


def test_a_number_is_judged_by_its_mean_error(command: Command, models: Path) -> None:
    quick = ("--name", "beds", "--set", "fit.epochs=5", "--set", "fit.batch_size=64", "--set", "gate=[]")
    assert command("retrain", "table", "--data", "diabetes", "--promote", "always", *quick).code == 0
    ran = command("retrain", "table", "--data", "diabetes", *quick)
    assert ran.code == 0, ran.err
    duel = json.loads((models / "beds" / "2" / "retrain.json").read_text())["evidence"]["duels"][0]
    assert duel["gain"] == duel["low"] == duel["high"] == 0
    assert duel["unit"] == duel["champion"] > 1


@pytest.mark.usefixtures("champion")
def test_too_few_rows_of_classes_that_the_champion_knows_are_no_comparison(
    command: Command, recipe: Path, flowers_of: Flowers, models: Path
) -> None:
    table = flowers_of(1, rows=600)
    head, *rows = table.read_text().splitlines()
    others = [row.replace("rose", "tulip").replace("lily", "daisy") if i > 60 else row for i, row in enumerate(rows)]
    table.write_text("\n".join([head, *others]) + "\n")
    allowed = ("--set=checks.new_classes=true", "--set=checks.label_share=0.99", "--set=fit.epochs=2")
    ran = command("retrain", recipe, "--data", table, "--promote=if-better", *allowed)
    assert ran.code == 2
    assert " held-out rows of classes that the champion knows, too, expected at least 20" in ran.err
    assert FolderRepository(models).versions("flowers") == [1]


def test_a_metric_that_there_is_not(command: Command, recipe: Path, flowers_of: Flowers, models: Path) -> None:
    ran = command("retrain", recipe, "--data", flowers_of(1), "--set=promotion.metric=acuracy")
    assert ran.code == 2
    assert "promotion.metric: there is no 'acuracy'; did you mean 'accuracy'?" in ran.err
    assert not models.exists()


@pytest.mark.usefixtures("champion")
def test_data_that_broke_a_limit_are_told_in_the_summary(
    command: Command, recipe: Path, flowers_of: Flowers, tmp_path: Path, models: Path
) -> None:
    page = tmp_path / "summary.md"
    ran = command("retrain", recipe, "--data", flowers_of(1, rows=190, shift=5.0), "--summary", page)
    assert ran.code == 2
    said = page.read_text()
    assert said.startswith("# flowers: the data broke a limit\n\n- rows: 190, expected at least 200\n- 'length': ")
    assert "| rows | 400 | 190 |" in said
    assert FolderRepository(models).versions("flowers") == [1]


def test_what_else_stops_a_retraining_is_told_in_the_summary(command: Command, recipe: Path, tmp_path: Path) -> None:
    page = tmp_path / "summary.md"
    assert command("retrain", recipe, "--data", "no-such.csv", "--name", "a_b", "--summary", page).code == 2
    assert page.read_text().startswith("# a\\_b: stopped\n\n'no-such.csv' is no file")


@pytest.mark.usefixtures("champion")
def test_the_recent_rows_are_those_of_the_latest_dates(
    command: Command, recipe: Path, flowers_of: Flowers, models: Path
) -> None:
    table = flowers_of(1, rows=600)
    head, *rows = table.read_text().splitlines()
    dates = [f"2024-{1 + i % 12:02d}-01" if i % 50 else "" for i in range(len(rows))]
    lines = [f"{day},{row}" for day, row in zip(dates, rows, strict=True)]
    table.write_text("\n".join([f"seen,{head}", *lines]) + "\n")
    by_date = ("--set=promotion.recent_by=seen", "--set=promotion.recent=0.5", "--set=data.drop=seen")
    assert command("retrain", recipe, "--data", table, *WIDE, *by_date).code == 0
    duels = json.loads((models / "flowers" / "2" / "retrain.json").read_text())["evidence"]["duels"]
    order = Order(str(table), models, recipe=str(recipe), overrides=("data.drop=seen",))
    test = setting_of(order, now=datetime.now(UTC)).prepared.test
    assert test is not None
    recent = sum(dates[row] >= "2024-07-01" for row in test.rows.tolist())
    assert {duel["holdout"]: duel["rows"] for duel in duels} == {
        "all": len(test.rows),
        "recent": recent,
        "legacy": len(test.rows) - recent,
    }


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    ("column", "reason"),
    [("seeen", "promotion.recent_by: there is no column 'seeen'"), ("colour", "column 'colour': expected a date")],
)
def test_a_column_that_cannot_tell_what_is_recent(
    command: Command, recipe: Path, flowers_of: Flowers, column: str, reason: str
) -> None:
    ran = command("retrain", recipe, "--data", flowers_of(1), f"--set=promotion.recent_by={column}")
    assert ran.code == 2
    assert reason in ran.err


def test_a_model_that_was_fitted_without_a_recipe_gives_one(
    command: Command, flowers_of: Flowers, models: Path, tmp_path: Path
) -> None:
    table = flowers_of(1)
    assert command("fit", table, "--target=kind", "--name=mine", "--set=fit.epochs=3", "--split=hash").code == 0
    ran = command("retrain", "mine", "--data", table)
    assert (ran.code, ran.out) == (2, "")
    advice = "'mine' is a model, expected its recipe; write it to a file: python -m training recipes mine > mine.toml"
    assert advice in ran.err
    printed = command("recipes", "mine@1")
    assert 'about = "What mine@1 was fitted by"' in printed.out
    (tmp_path / "mine.toml").write_text(printed.out)
    ran = command("retrain", tmp_path / "mine.toml", "--data", table, *WIDE)
    assert ran.code == 0, ran.err
    first, second = (load_bytes(FolderRepository(models).read("mine", version), "m").recipe for version in (1, 2))
    assert {**first, "about": ""} == {**second, "about": ""}
    assert command("recipes", "table").out.startswith("about =")
    assert "; did you mean 'mine'?" in command("recipes", "mien").err


def test_only_what_is_new_is_trained_where_that_is_asked_for(
    command: Command, recipe: Path, flowers_of: Flowers, models: Path
) -> None:
    retrain = ("retrain", recipe, "--promote", "always", "--if-new", *WIDE)
    table = flowers_of(1)
    assert command(*retrain, "--data", table).code == 0
    again = command(*retrain, "--data", table, "--set=checks.rows=10")
    assert (again.code, again.err) == (0, "")
    assert again.out.endswith("nothing new: flowers@1 was made of the same data and recipe\n")
    assert FolderRepository(models).versions("flowers") == [1]
    assert command(*retrain, "--data", table, "--set=seed=1").code == 0
    assert command(*retrain, "--data", flowers_of(2)).code == 0
    assert FolderRepository(models).versions("flowers") == [1, 2, 3]
