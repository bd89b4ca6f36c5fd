"""Retraining on tables that would not fit into the memory that is allowed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictor import FolderRepository, load_bytes
from tests.training.helpers import Command
from tests.training.retrain.conftest import rows_of
from training.retrain.whole import KEPT, Counter
from training.table import Column

ROWS = 12_000
# So many columns for each number would take more than the memory allowed.
RECIPE = """\
[data]
target = "kind"

[encoding]
bins = 1024

[fit]
epochs = 1
batch_size = 128

[promotion]
tolerance = 0.2
recent_tolerance = 0.3
legacy_tolerance = 0.3
slice_loss = 0.9
calibration_loss = 0.5

[[network.hidden]]
units = 8
"""


@pytest.fixture
def retrain(command: Command, tmp_path: Path) -> tuple[str | Path, ...]:
    """Return the words of a retraining on a table that is read in blocks, which `flowers.csv` is to hold."""
    (tmp_path / "flowers.toml").write_text(RECIPE)
    return tmp_path / "flowers.toml", "--data", tmp_path / "flowers.csv", "--memory", "512MB"


def facts(models: Path, version: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((models / "flowers" / str(version) / "retrain.json").read_text())
    return found


def test_a_table_larger_than_the_memory_allowed_is_retrained_on(
    command: Command, retrain: tuple[str | Path, ...], tmp_path: Path, models: Path
) -> None:
    table = tmp_path / "flowers.csv"
    table.write_text(rows_of(0, ROWS))
    ran = command("retrain", *retrain, "--promote=always")
    assert ran.code == 0, ran.err
    table.write_text(table.read_text() + rows_of(1, 1_000).partition("\n")[2])
    ran = command("retrain", *retrain, "--promote=if-better", "--resume")
    assert ran.code == 0, ran.err
    found = facts(models, 2)
    assert [duel["holdout"] for duel in found["evidence"]["duels"]] == ["all", "recent", "legacy"]
    assert {check["what"]: (check["before"], check["now"]) for check in found["checks"]}["rows"] == ("12,000", "13,000")
    lineage = load_bytes(FolderRepository(models).read("flowers", 2), "2").lineage
    assert lineage["rows"] == 13_000
    assert lineage["train_rows"] == pytest.approx(10_400, rel=0.05)
    assert lineage["parent"] == "flowers@1"
    assert command("retrain", *retrain, "--promote=if-better", "--resume").code == 0
    assert FolderRepository(models).versions("flowers") == [1, 2]
    assert not (models / ".scratch").exists()


def test_all_rows_of_a_large_table_are_looked_at_before_it_is_packed(
    command: Command, retrain: tuple[str | Path, ...], tmp_path: Path, models: Path
) -> None:
    head, *rows = rows_of(0, ROWS).splitlines()
    dates = [f"20{10 + i % 15}-03-0{1 + i % 9}" for i in range(ROWS)]
    dates[7_000] = "2903-01-01"
    lines = [f"{day},{row}" for day, row in zip(dates, rows, strict=True)]
    lines += lines[:1] * 30_000
    lines += [f"{line.rpartition(',')[0]}," for line in lines[:ROWS]]
    (tmp_path / "flowers.csv").write_text("\n".join([f"seen,{head}", *lines]) + "\n")
    ran = command("check", *retrain)
    assert ran.code == 2
    assert [line.partition(":")[2].partition(";")[0] for line in ran.err.splitlines()[1:]] == [
        " 22.2% of the rows have no target, allowed 20.0%",
        " 55.6% of the rows repeat another, allowed 50.0%",
        " under 0.1% of the dates are in the future, allowed 0.0%",
    ]
    assert not models.exists()


def test_different_rows_are_counted_exactly_while_they_are_few_and_nearly_when_they_are_many() -> None:
    counter = Counter(datetime.now(UTC))
    numbers = np.arange(2 * KEPT, dtype=np.float64)
    for block in np.array_split(numbers[: KEPT // 2], 3):
        counter.hash([Column("x", block)])
    assert counter.repeated == 0
    counter.hash([Column("x", numbers[: KEPT // 2])])
    assert counter.repeated == 0.5
    for block in (numbers[KEPT // 2 :], np.zeros(KEPT)):
        counter.hash([Column("x", block)])
    assert counter.repeated == pytest.approx(1 - 2 * KEPT / counter.rows, abs=0.01)
