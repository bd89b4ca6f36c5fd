"""The command `ask`."""

import io
import re
from pathlib import Path

import pytest

from tests.training.helpers import Command


@pytest.fixture
def curve(command: Command) -> None:
    assert command("fit", "curve").code == 0


@pytest.mark.usefixtures("curve")
def test_values_given_by_flag_are_answered_in_order(command: Command) -> None:
    ran = command("ask", "curve", "--value", "2", "--value", "1.1")
    assert ran.code == 0
    two, one = map(float, ran.out.split())
    assert two == pytest.approx(8, abs=0.1)
    assert one == pytest.approx(2.431, abs=0.1)


@pytest.mark.usefixtures("curve")
def test_a_value_typed_at_a_prompt_is_answered(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["2", "two", "1,2", ""])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed) if prompt == "x = " else "")
    ran = command("ask", "curve")
    assert ran.code == 0
    hint, value, text, width = ran.out.splitlines()
    assert hint == "An empty line ends."
    assert float(value) == pytest.approx(8, abs=0.1)
    assert text == "error: 'x': expected a number, found a string"
    assert width == "error: expected 1 value (x), found 2"


@pytest.mark.usefixtures("curve")
def test_lines_of_standard_input_are_answered(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n\n2\n"))
    assert len(command("ask", "curve").out.splitlines()) == 2
    monkeypatch.setattr("sys.stdin", io.StringIO("1\nx\n"))
    ran = command("ask", "curve")
    assert ran.code == 2
    assert ran.err == "error: line 2: 'x': expected a number, found a string\n"


def test_a_class_is_answered_with_its_probability_and_gaps_are_allowed(command: Command, flowers: Path) -> None:
    command("fit", flowers, "--target", "kind")
    ran = command("ask", "flowers", "--value", "3.1, 0, white")
    assert re.fullmatch(r"lily \((0\.\d{4}|1\.0000)\)\n", ran.out)
    assert command("ask", "flowers", "--value", ",0,").code == 0


@pytest.mark.usefixtures("curve")
def test_what_cannot_be_asked_is_said(command: Command) -> None:
    assert "there is no model 'curv'" in command("ask", "curv", "--value", "1").err
    assert command("ask", "curve", "--version", "9", "--value", "1").code == 2
