"""How people name a version: ``iris`` for the champion, ``iris@3``, ``iris@previous``."""

import re
from collections.abc import Sequence

from predictor.errors import RepositoryError
from predictor.repository import VERSION, Repository
from predictor.wording import hint, shown

__all__ = ["chosen_version", "version_ranges"]

_TARGET = re.compile(r"([^@/]+)(?:@([^@/]+))?")


def chosen_version(repository: Repository, target: str) -> tuple[str, int]:
    """Return the model and the version that ``name``, ``name@version`` or ``name@alias`` means.

    The version may not be there. Raises RepositoryError for an unknown name or alias, with the nearest known one.
    """
    found = _TARGET.fullmatch(target)
    if found is None:
        raise RepositoryError(f"expected MODEL, MODEL@VERSION or MODEL@ALIAS, found {shown(target)}")
    name, chosen = found[1], found[2] or "champion"
    if VERSION.fullmatch(chosen):
        return name, int(chosen)
    aliases = repository.aliases(name)
    if chosen not in aliases:
        near = hint(chosen, aliases) or f"; it has the versions {version_ranges(repository.versions(name))}"
        raise RepositoryError(f"{name} has no alias {shown(chosen)}{near}")
    return name, aliases[chosen]


def version_ranges(versions: Sequence[int]) -> str:
    """Write rising numbers as 1-3, 5."""
    parts: list[list[int]] = []
    for version in versions:
        if parts and version == parts[-1][-1] + 1:
            parts[-1][1:] = [version]
        else:
            parts.append([version])
    return ", ".join("-".join(map(str, part)) for part in parts)
