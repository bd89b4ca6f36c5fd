"""The record of who became champion when: a file of its own beside a model's aliases, newest entry last."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from predictor.artifact import read_bounded
from predictor.errors import RepositoryError
from predictor.strict_json import read_json, write_json

__all__ = ["PROMOTIONS", "Promotion", "appended", "read_promotions", "render_promotions"]

PROMOTIONS = "promotions.json"
PROMOTIONS_LIMIT = 2**20
MOST_KEPT = 200
NOTE_CHARACTERS = 500
TYPES: dict[str, tuple[type, ...]] = {
    "number": (int,), "at": (str,), "version": (int,), "before": (int, type(None)),
    "note": (str,), "is_watched": (bool,),
}  # fmt: skip


@dataclass(frozen=True)
class Promotion:
    """One change of the champion: a running count, when (UTC, ISO 8601), to which version and from which.

    `note` is for people; `is_watched` says whether a service that watches new champions is to watch this one.
    """

    number: int
    at: str
    version: int
    before: int | None
    note: str = ""
    is_watched: bool = True

    @property
    def seconds(self) -> float:
        """When it was, in seconds of `time.time`."""
        return datetime.fromisoformat(self.at).timestamp()


def read_promotions(folder: Path) -> list[Promotion]:
    """Read the record in a model's folder, empty where there is none; RepositoryError when it is not one."""
    path = folder / PROMOTIONS
    try:
        return [_promotion(entry) for entry in read_json(read_bounded(path, PROMOTIONS_LIMIT))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise RepositoryError(f"{folder.name}/{PROMOTIONS} cannot be read: {error}") from error


def appended(
    record: Sequence[Promotion], version: int, before: int | None, note: str, *, is_watched: bool
) -> list[Promotion]:
    """Return a record with one more change of the champion, made now; the oldest of more than 200 go."""
    number = record[-1].number + 1 if record else 1
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    one = Promotion(number, at, version, before, note[:NOTE_CHARACTERS], is_watched)
    return [*record[1 - MOST_KEPT :], one]


def render_promotions(record: Sequence[Promotion]) -> bytes:
    """Return the file of a record."""
    return write_json([asdict(one) for one in record]) + b"\n"


def _promotion(entry: Any) -> Promotion:
    if not isinstance(entry, dict) or entry.keys() != TYPES.keys():
        raise ValueError(f"an entry is not an object of {', '.join(TYPES)}")
    for name, types in TYPES.items():
        if type(entry[name]) not in types:
            raise ValueError(f"{name} is {entry[name]!r:.64}")
    found = Promotion(**entry)
    if datetime.fromisoformat(found.at).tzinfo is None:
        raise ValueError(f"at has no time zone: {found.at:.64}")
    return found
