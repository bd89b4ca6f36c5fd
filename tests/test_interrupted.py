"""Ctrl-C before a command has begun its work, while modules are loaded, ends it without Python's traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("words", "loaded"),
    [
        (["training", "fit", "iris"], "pydantic"),
        (["service", "serve"], "gunicorn"),
        (["service", "predict", "rows.csv"], "requests"),
    ],
    ids=" ".join,
)
def test_ctrl_c_while_modules_are_loaded_says_nothing(words: list[str], loaded: str, tmp_path: Path) -> None:
    (tmp_path / f"{loaded}.py").write_text("raise KeyboardInterrupt\n")
    command = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = {words!r}; "
    command += f"runpy.run_module({words[0]!r}, run_name='__main__', alter_sys=True)"
    ran = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")
