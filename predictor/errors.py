"""What can be wrong with a model file, a repository or a request's values, and how each is said."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

__all__ = [
    "FAULTS_KEPT",
    "ArtifactError",
    "Draft",
    "Fault",
    "Findings",
    "InputError",
    "RefusedError",
    "RepositoryError",
]

FAULTS_KEPT = 10


class ArtifactError(Exception):
    """A model file that is not exactly what it should be.

    Attributes: ``path`` (the file, or where its bytes came from), ``member`` (the part of the archive at fault, or
    None when it is the file as a whole) and ``reason`` (a sentence).
    """

    def __init__(self, path: str, member: str | None, reason: str) -> None:
        self.path = path
        self.member = member
        self.reason = reason
        super().__init__(f"{path}: {member}: {reason}" if member else f"{path}: {reason}")


class RefusedError(Exception):
    """A part of an archive was refused by code that does not know which file it reads; see `ArtifactError`."""

    def __init__(self, member: str | None, reason: str) -> None:
        self.member = member
        self.reason = reason
        super().__init__(f"{member}: {reason}")


class RepositoryError(Exception):
    """A model, version or alias that the repository does not have, or a folder it cannot read or write."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with, or worth a warning about, a request's values.

    `pointer` is an RFC 6901 JSON pointer relative to the value that was encoded, `code` a stable word for programs,
    `detail` a sentence for people that repeats at most 64 characters of anything the client sent.
    """

    pointer: str
    code: str
    detail: str


Draft = Callable[[], Fault]
"""Words a fault when it is called: to look for what was meant costs far more than to find that something is wrong."""


class Findings(tuple[Fault, ...]):  # noqa: SLOT001 - it carries its total
    """The first ten faults or warnings in document order; `total` counts all of them."""

    total: int

    def __new__(cls, faults: Iterable[Fault] = (), total: int | None = None) -> Self:
        """Keep the first ten of `faults`; `total` defaults to how many were given."""
        given = tuple(faults)
        findings = super().__new__(cls, given[:FAULTS_KEPT])
        findings.total = len(given) if total is None else total
        return findings

    @classmethod
    def of_drafts(cls, drafts: Iterable[Draft]) -> Self:
        """Word the first ten and count them all."""
        kept: list[Fault] = []
        total = 0
        for draft in drafts:
            total += 1
            if total <= FAULTS_KEPT:
                kept.append(draft())
        return cls(kept, total)

    def below(self, place: str) -> "Findings":
        """Return the same with every pointer put below `place`, itself a JSON pointer."""
        return Findings((Fault(place + fault.pointer, fault.code, fault.detail) for fault in self), self.total)


class InputError(ValueError):
    """Values that do not fit the schema: `faults` holds the first ten, `count` says how many there are."""

    def __init__(self, faults: Iterable[Fault], count: int | None = None) -> None:
        self.faults = faults if isinstance(faults, Findings) and count is None else Findings(faults, count)
        self.count = self.faults.total
        first = self.faults[0]
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        super().__init__(f"{first.pointer or 'the whole value'}: {first.detail}{more}")
