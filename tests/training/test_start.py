"""How the command starts: a wrong word on the command line is told before anything slow is loaded."""

import subprocess
import sys

PROBE = """
import sys
from training.cli import main
code = main(["fit", "irsi"])
print(code, sorted({"matplotlib", "pandas", "scipy", "sklearn"} & sys.modules.keys()))
"""


def test_a_wrong_source_is_told_before_slow_libraries_are_loaded() -> None:
    ran = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert ran.stdout == "2 []\n"
    assert "did you mean 'iris'?" in ran.stderr


def test_the_help_of_every_command_names_its_exit_codes_or_options() -> None:
    for words, said in (
        (["--help"], "exit codes"),
        (["fit", "--help"], "--no-promote"),
        (["ask", "--help"], "--value"),
    ):
        ran = subprocess.run(
            [sys.executable, "-m", "training", *words], capture_output=True, text=True, check=True, timeout=300
        )
        assert said in ran.stdout
