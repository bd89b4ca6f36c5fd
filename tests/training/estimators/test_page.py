"""The examples of the pages about estimators and exchange, run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

from predictor import FolderRepository

ROOT = Path(__file__).parents[3]


def run_examples(page: str, folder: Path) -> list[str]:
    """Run the examples of a page one after another in one program; return the lines that it prints."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (folder / "example.py").write_text("\n".join(examples), encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "example.py"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_the_examples_of_the_estimators_page_run(tmp_path: Path) -> None:
    version, *decisions, has_stopped, shape = run_examples("estimators.md", tmp_path)
    assert (version, has_stopped, shape) == ("1", "True", "(3, 2)")
    assert [line.partition("'")[2].partition("'")[0] for line in decisions] == ["area", "district", "built"]
    assert FolderRepository(tmp_path / "models").aliases("flowers") == {"champion": 1}
    assert FolderRepository(tmp_path / "models").aliases("flats") == {"champion": 1}


def test_the_examples_of_the_exchange_page_run(tmp_path: Path) -> None:
    assert run_examples("exchange.md", tmp_path) == ["True", "1"]
