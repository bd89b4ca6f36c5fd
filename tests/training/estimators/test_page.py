"""The example of docs/estimators.md, run as it stands."""

import re
import subprocess
import sys
from pathlib import Path

from predictor import FolderRepository

ROOT = Path(__file__).parents[3]


def test_the_example_of_the_page_publishes_a_version(tmp_path: Path) -> None:
    example = re.search(
        r"```python\n(.*?)```", (ROOT / "docs" / "estimators.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert example is not None
    (tmp_path / "example.py").write_text(example[1], encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "example.py"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout == "1\n"
    assert FolderRepository(tmp_path / "models").aliases("flowers") == {"champion": 1}
