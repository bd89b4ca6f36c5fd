"""The versions that are compared, with all that is known of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from predictor import ArtifactError, FolderRepository, Predictor, RepositoryError, load_bytes
from predictor.artifact import read_bounded
from predictor.strict_json import read_json
from predictor.targets import chosen_version
from training.errors import DataError

__all__ = ["Version", "open_version"]

REPORT = "report.json"
REPORT_LIMIT = 16 * 2**20


@dataclass(frozen=True, eq=False)
class Version:
    """One version: its name as "iris@3", its file's size and SHA-256, and the facts of its report, if it has one."""

    label: str
    predictor: Predictor
    size: int
    digest: str
    aliases: tuple[str, ...]
    report: Mapping[str, Any]

    @property
    def number(self) -> int:
        """The version's number in its repository."""
        return int(self.label.rpartition("@")[2])

    @property
    def target(self) -> str:
        """The column that is predicted; of several, all of them."""
        outputs = self.predictor.outputs
        return outputs.target if hasattr(outputs, "target") else ", ".join(outputs.targets)

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Return the bounds of a metric such as "test.accuracy", where the report has them."""
        part, _, name = metric.partition(".")
        known = self.report.get("intervals")
        ends = known.get(name) if isinstance(known, dict) and part == self.report.get("judged") else None
        is_pair = isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, int | float) for end in ends)  # noqa: PLR2004
        return (float(ends[0]), float(ends[1])) if is_pair and ends is not None else None


def open_version(models: Path, target: str) -> Version:
    """Load what ``iris``, ``iris@3`` or ``iris@champion`` means. Raises DataError, with the nearest known name."""
    repository = FolderRepository(models)
    try:
        name, number = chosen_version(repository, target)
        data = repository.read(name, number)
        label = f"{name}@{number}"
        aliases = tuple(sorted(alias for alias, one in repository.aliases(name).items() if one == number))
        report = _report(models / name / str(number) / REPORT)
        return Version(label, load_bytes(data, label), len(data), sha256(data).hexdigest(), aliases, report)
    except (RepositoryError, ArtifactError) as error:
        raise DataError(str(error)) from error


def _report(path: Path) -> Mapping[str, Any]:
    """Read a report's facts; a version without one, or with one that is torn, is compared without them."""
    try:
        found = read_json(read_bounded(path, REPORT_LIMIT))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
