"""The command `check`: new data beside the champion's and the recipe's limits."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from predictor import FolderRepository
from tests.training.helpers import Command, Writer
from tests.training.retrain.conftest import Flowers, rows_of


def line(text: str, name: str) -> list[str]:
    """Return the cells after a name in the table of what changed."""
    found = next(one for one in text.splitlines() if one.startswith(f"  {name}  "))
    return found.removeprefix(f"  {name}").split()


@pytest.mark.usefixtures("champion")
def test_rows_like_those_of_before_may_be_trained_on(command: Command, recipe: Path, flowers_of: Flowers) -> None:
    ran = command("check", recipe, "--data", flowers_of(1))
    assert (ran.code, ran.err) == (0, "")
    assert line(ran.out, "rows") == ["400", "400"]
    assert line(ran.out, "kind is rose")[1] == "50.0%"
    assert float(line(ran.out, "width: stability index")[1]) < 0.25
    assert "BROKEN" not in ran.out


@pytest.mark.usefixtures("champion")
def test_every_broken_limit_is_named(command: Command, recipe: Path, flowers_of: Flowers, models: Path) -> None:
    ran = command("check", recipe, "--data", flowers_of(1, rows=190, shift=5.0, gaps=0.6))
    assert ran.code == 2
    assert "  - rows: 190, expected at least 200\n" in ran.err
    assert "  - 'length': " in ran.err
    for said in ("of the cells are missing", "outside what the champion was trained on", "the stability index is"):
        assert said in ran.err
    assert "'width'" not in ran.err
    assert line(ran.out, "rows") == ["400", "190", "BROKEN"]
    assert FolderRepository(models).versions("flowers") == [1]


@pytest.mark.usefixtures("champion")
def test_limits_of_the_recipe_may_be_wider(command: Command, recipe: Path, flowers_of: Flowers) -> None:
    wide = [f"--set=checks.{key}" for key in ("fewer_rows=0.9", "missing=0.9", "outside=0.99", "psi=99.0")]
    assert command("check", recipe, "--data", flowers_of(1, rows=190, shift=5.0, gaps=0.6), *wide).code == 0


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((",rose\n", ",tulip\n"), "'kind': the class 'tulip' is new; allow it with checks.new_classes = true"),
        ((",white,", ",blue,"), "'colour': "),
        (("width", "breadth"), "'width': the champion's column is not there"),
    ],
)
def test_names_that_the_champion_does_not_know(
    command: Command, recipe: Path, tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    table = tmp_path / "new.csv"
    table.write_text(rows_of(2).replace(*change))
    ran = command("check", recipe, "--data", table)
    assert ran.code == 2
    assert f"  - {reason}" in ran.err


@pytest.mark.usefixtures("champion")
def test_a_new_class_may_be_allowed(command: Command, recipe: Path, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    head, first, *rows = rows_of(2).splitlines()
    table.write_text("\n".join([head, first.rpartition(",")[0] + ",tulip", *rows]) + "\n")
    assert command("check", recipe, "--data", table).err.count("  - ") == 1
    ran = command("check", recipe, "--data", table, "--set=checks.new_classes=true")
    assert (ran.code, line(ran.out, "kind is tulip")) == (0, ["-", "0.2%"])


@pytest.mark.usefixtures("champion")
def test_another_question_than_the_champions(command: Command, recipe: Path, flowers_of: Flowers) -> None:
    ran = command("check", recipe, "--data", flowers_of(1), "--set=data.target=width")
    assert ran.code == 2
    assert "  - the target: the champion predicts 'kind (classes)', this is 'width (number)'\n" in ran.err


@pytest.mark.usefixtures("champion")
def test_classes_in_other_shares(command: Command, recipe: Path, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    head, *rows = rows_of(2).splitlines()
    table.write_text("\n".join([head, *(row for i, row in enumerate(rows) if i % 8 in (0, 2, 4, 6, 7))]) + "\n")
    ran = command("check", recipe, "--data", table)
    assert ran.code == 2
    assert "'kind': 'lily' went from " in ran.err
    assert "to 80.0% of the rows, allowed are 20.0% either way" in ran.err


def test_without_a_champion_only_the_data_themselves_are_looked_at(
    command: Command, recipe: Path, tmp_path: Path
) -> None:
    table = tmp_path / "new.csv"
    head, *rows = rows_of(2).splitlines()
    table.write_text("\n".join([head, *rows[:100] * 4]) + "\n")
    ran = command("check", recipe, "--data", table)
    assert ran.code == 2
    assert ran.err.count("  - ") == 1
    assert "  - duplicates: 75.0% of the rows repeat another, allowed 50.0%" in ran.err


SPOILERS: Mapping[str, tuple[Callable[[int, list[str]], list[str]], str, str]] = {
    "a new column": (
        lambda i, row: [*row, str(i * 7919 % 101) if i else "noise"],
        "'noise': the champion does not take it, and requests would lack it; leave it out with data.drop, or allow it",
        "new_columns=true",
    ),
    "a leak in an old column": (
        lambda i, row: [row[0], f"{(row[3] == 'rose') + i % 7 / 100}", *row[2:]] if i else row,
        "'width': alone it tells 100 % of what is to be told of the target; leave it out with data.drop, or allow it",
        "leaks=true",
    ),
    "one cell in another unit": (
        lambda i, row: [row[0], "123456", *row[2:]] if i == 5 else row,
        "'width': numbers went from -",
        "reach=1e9",
    ),
    "rows without a target": (
        lambda i, row: [*row[:3], ""] if i % 8 in {1, 2} else row,
        "'kind': 25.0% of the rows have no target, allowed 20.0%",
        "unlabelled=0.3",
    ),
}


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("spoiled", SPOILERS)
def test_what_would_spoil_a_model_is_for_a_person_to_allow(
    command: Command, recipe: Path, write: Writer, spoiled: str
) -> None:
    change, reason, allowed = SPOILERS[spoiled]
    rows = [change(i, row.split(",")) for i, row in enumerate(rows_of(2).splitlines())]
    check = (
        "check",
        recipe,
        "--data",
        write("new.csv", "\n".join(map(",".join, rows)) + "\n"),
        "--set=checks.psi=99.0",
    )
    ran = command(*check)
    assert (ran.code, ran.err.count("  - ")) == (2, 1)
    assert f"  - {reason}" in ran.err
    assert "BROKEN" in ran.out
    assert command(*check, f"--set=checks.{allowed}").code == 0


def test_dates_that_are_still_to_come(command: Command, recipe: Path, tmp_path: Path) -> None:
    table = tmp_path / "new.csv"
    head, *rows = rows_of(2).splitlines()
    dated = [f"{row.rpartition(',')[0]},{2000 + i % 20}-0{1 + i % 9}-11,{row[-4:]}" for i, row in enumerate(rows)]
    table.write_text("\n".join([head.replace("kind", "seen,kind"), *dated]) + "\n")
    assert command("check", recipe, "--data", table).code == 0
    table.write_text(table.read_text().replace("2003-", "2903-"))
    ran = command("check", recipe, "--data", table)
    assert ran.code == 2
    assert "  - 'seen': 5.0% of the dates are in the future, allowed 0.0%" in ran.err


def test_a_recipe_without_data_asks_for_some(command: Command, recipe: Path) -> None:
    ran = command("check", recipe)
    assert ran.code == 2
    assert "brings no data of its own: name some with --data" in ran.err


def test_few_rows_are_no_shift_by_themselves(command: Command, recipe: Path, tmp_path: Path) -> None:
    """Among thirty columns of sixty rows each, some stability index is always above the limit."""
    rng = np.random.default_rng(0)

    def table(rows: int, shift: float = 0.0) -> Path:
        path = tmp_path / f"few-{rows}-{shift}.csv"
        X = np.round(rng.normal(size=(rows, 30)) + shift * (np.arange(30) == 3), 3)
        lines = [",".join(map(str, row)) + f",{'ab'[int(row[0] > 0)]}" for row in X.tolist()]
        path.write_text("\n".join([",".join([*(f"x{i}" for i in range(30)), "kind"]), *lines]) + "\n")
        return path

    quick = ("--set=fit.epochs=2", "--name=few")
    assert command("fit", table(300), "--recipe", recipe, *quick).code == 0
    check = ("--set=checks.fewer_rows=0.9", "--set=checks.outside=0.9", "--name=few")
    for _ in range(3):
        ran = command("check", recipe, "--data", table(60), *check)
        assert ran.code == 0, ran.err
    ran = command("check", recipe, "--data", table(60, 2.0), *check)
    assert (ran.code, ran.err.count("  - ")) == (2, 1)
    assert "  - 'x3': the stability index is" in ran.err


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ((10, 2), ""),
        ((100, 2), "'price': the mean went from 9."),
        ((-80, 2), "'price': the mean went from 9."),
        ((10, 6), "'price': the deviation went from 1."),
        ((10, 0.1), "'price': the deviation went from 1."),
    ],
)
def test_a_number_to_predict_that_is_another(
    command: Command, recipe: Path, write: Writer, now: tuple[float, float], reason: str
) -> None:
    rng = np.random.default_rng(0)
    prices = rng.normal(0, 1, 300)
    asked = ("--name=beds", "--set=data.target=price", "--set=fit.epochs=2")

    def table(name: str, values: NDArray[np.float64]) -> Path:
        return write(name, "\n".join(["x,price", *(f"{rng.normal():.3f},{value:.2f}" for value in values)]))

    assert command("fit", table("old.csv", 10 + 2 * prices), "--recipe", recipe, *asked).code == 0
    ran = command("check", recipe, "--data", table("new.csv", now[0] + now[1] * prices), *asked)
    assert ran.code == (2 if reason else 0)
    assert reason in ran.err


def test_the_very_table_of_the_champion_breaks_nothing_however_rare_its_texts_are(
    command: Command, write: Writer, models: Path
) -> None:
    rng = np.random.default_rng(0)
    cells = [(f"{rng.normal():.3f}", f"C{rng.integers(10**6)}" if i % 4 == 0 else "", "ab"[i % 2]) for i in range(300)]
    table = write("cabins.csv", "\n".join(map(",".join, [("deck", "cabin", "kind"), *cells])) + "\n")
    assert command("fit", table, "--target=kind", "--name=cabins", "--set=fit.epochs=1").code == 0
    recipe = write("cabins.toml", command("recipes", "cabins").out)
    ran = command("check", recipe, "--data", table)
    assert (ran.code, ran.err) == (0, "")
    assert [float(cell.rstrip("%")) for cell in line(ran.out, "cabin: outside")] == pytest.approx([25, 25], abs=4)
