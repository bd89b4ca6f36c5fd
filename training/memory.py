"""How much memory a job may take."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from training.errors import RecipeError

__all__ = ["LIBRARIES", "Budget", "bytes_of"]

UNITS = {"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
SIZE = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(UNITS)})", re.ASCII)
LIBRARIES = 320_000_000
"""What the process takes before it has read a row, with room for what reading leaves behind."""
FEWEST = 512_000_000
PART_UNASKED = 0.5
CGROUP = Path("/sys/fs/cgroup/memory.max")


def bytes_of(size: str) -> int:
    """Return the bytes that a size such as "800MB" or "1.5 GiB" means. Raises ValueError."""
    found = SIZE.fullmatch(size.strip())
    if found is None:
        raise ValueError(f"expected a size such as 800MB or 1.5GiB, found {size[:64]!r}")
    return int(float(found[1]) * UNITS[found[2]])


@dataclass(frozen=True)
class Budget:
    """The bytes that the whole process may take, and what of them each use of rows gets."""

    total: int

    @classmethod
    def of(cls, size: str | None) -> "Budget":
        """Return what the user allows, or half of what the machine or the container has. Raises RecipeError."""
        if size is None:
            return cls(int(PART_UNASKED * _available()))
        total = bytes_of(size)
        if total < FEWEST:
            raise RecipeError(f"data.memory: expected at least {FEWEST / 1e6:.0f}MB, found {size}")
        return cls(total)

    def part(self, share: float) -> int:
        """Return a share of what the libraries leave, in bytes."""
        return int(share * max(self.total - LIBRARIES, FEWEST - LIBRARIES))


def _available() -> int:
    """Return the memory of the machine, or of the container where that is less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        allowed = CGROUP.read_text(encoding="ascii").strip()
    except OSError:
        return physical
    return min(physical, int(allowed)) if allowed.isdecimal() else physical
