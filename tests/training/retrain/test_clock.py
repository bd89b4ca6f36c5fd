"""Retraining on a machine whose clock is wrong, or goes back between two runs."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from predictor import FolderRepository
from tests.training.retrain.conftest import Flowers
from tests.training.retrain.test_staged import PASS, QUICK

YEAR_S = 31_556_952
PROGRAM = """
import json, os, sys
from training.cli import main
for years, words in json.load(sys.stdin):
    os.environ["CLOCK_IS_WRONG_BY"] = str(int(years * float(sys.argv[1])))
    sys.stdout.write(f"it ended with {main(words)}\\n")
"""
Runs = Callable[[Sequence[tuple[int, Sequence[Any]]]], tuple[str, str]]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Return a function that runs commands, each with a clock that is wrong by so many years: what they say."""
    clock, compiler = tmp_path / "clock.so", shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler, to give a process another clock")
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(clock), str(source), "-ldl"], check=True)

    def run(timed: Sequence[tuple[int, Sequence[Any]]]) -> tuple[str, str]:
        ran = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(YEAR_S)],
            input=json.dumps([(years, list(map(str, words))) for years, words in timed]),
            env={**os.environ, "LD_PRELOAD": str(clock), "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout, ran.stderr

    return run


def test_time_that_goes_back_between_runs_misorders_nothing(
    runs: Runs, champion: Path, recipe: Path, flowers_of: Flowers, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(champion, other)

    def words(seed: int, models: Path) -> list[Any]:
        return ["retrain", recipe, "--data", flowers_of(seed), "--models", models, *QUICK, *PASS, "--resume"]

    out, err = runs(
        [(60, words(1, champion)), (-36, words(2, champion)), (0, words(2, champion)), (-36, words(1, other))]
    )
    assert out.count("it ended with 0\n") == 4, err
    assert re.findall(r"flowers version (\d) passed: it serves", out) == ["2", "3", "3", "2"], "done once, told again"
    repository = FolderRepository(champion)
    assert repository.versions("flowers") == [1, 2, 3]
    assert repository.aliases("flowers") == {"champion": 3, "challenger": 3, "previous": 2}
    record = repository.promotions("flowers")
    assert [(one.number, one.version, one.before) for one in record] == [(1, 1, None), (2, 2, 1), (3, 3, 2)]
    assert record[2].at < record[0].at < record[1].at
    assert repository.promotion("flowers") == record[2]
    assert repository.rollback("flowers") == 2
    assert FolderRepository(other).read("flowers", 2) == repository.read("flowers", 2), "no clock is in a model file"


def test_dates_that_a_slow_clock_takes_for_the_future_are_told_with_what_it_shows(
    runs: Runs, recipe: Path, flowers_of: Flowers
) -> None:
    table = flowers_of(2)
    head, *rows = table.read_text().splitlines()
    dated = [f"{2000 + i % 20}-0{1 + i % 9}-11,{row}" for i, row in enumerate(rows)]
    table.write_text("\n".join([f"seen,{head}", *dated]) + "\n")
    check = ["check", recipe, "--data", table]
    out, err = runs([(0, check), (-60, check)])
    assert re.findall(r"it ended with (\d)", out) == ["0", "2"]
    assert re.search(r"'seen': 100\.0% of the dates are in the future, allowed 0\.0%; it is 19\d\d-.* UTC here\n", err)
