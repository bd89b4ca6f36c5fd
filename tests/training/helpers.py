"""The types of the training tests' fixtures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Writer = Callable[[str, str | bytes], Path]


@dataclass(frozen=True)
class Ran:
    """What a command did: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


def flower_rows() -> str:
    """Return a CSV file of 120 rows that is easy to learn: numbers, a category, gaps, and a text target."""
    rng = np.random.default_rng(0)
    lines = ["length,width,colour,kind"]
    for i in range(120):
        kind = ("rose", "lily")[i % 2]
        length = "" if i % 17 == 0 else f"{(1.0, 3.0)[i % 2] + rng.normal(0, 0.3):.3f}"
        colour = "NA" if i % 19 == 0 else ("red", "white")[int(rng.random() < (0.2, 0.8)[i % 2])]
        lines.append(f"{length},{rng.normal(0, 1):.3f},{colour},{kind}")
    return "\n".join(lines) + "\n"
