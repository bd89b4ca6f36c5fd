"""The types of the training tests' fixtures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Writer = Callable[[str, str | bytes], Path]


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]
