"""What the store holds: its tables, and the records that are written into them."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

__all__ = ["COLUMNS", "SCHEMA_VERSION", "TABLES", "Answered", "Asked", "Shape", "Told"]

SCHEMA_VERSION = 1

TABLES = (
    "CREATE TABLE IF NOT EXISTS ganglion_log_meta (version INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS ganglion_log_shapes (id TEXT PRIMARY KEY, description TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS ganglion_log_predictions (
        seq {identity}, model TEXT NOT NULL, version INTEGER NOT NULL, request_id TEXT NOT NULL,
        asked DOUBLE PRECISION NOT NULL, client TEXT, shape TEXT NOT NULL, size INTEGER NOT NULL,
        cells TEXT NOT NULL, outputs TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS ganglion_log_feedback (
        seq {identity}, model TEXT NOT NULL, version INTEGER, request_id TEXT, told DOUBLE PRECISION NOT NULL,
        client TEXT, shape TEXT, size INTEGER NOT NULL, cells TEXT, truths TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS ganglion_log_predictions_id ON ganglion_log_predictions (model, request_id)",
    "CREATE INDEX IF NOT EXISTS ganglion_log_feedback_id ON ganglion_log_feedback (model, request_id)",
)
"""How tables are made; {identity} is how a database counts the rows of one."""


class Asked(NamedTuple):
    """One request that was answered: `size` rows of cells as they were given, and the outputs, both as JSON.

    `asked` is in seconds since 1970. `cells` is a list of rows in the order of the shape's features, `outputs` an
    object with "predictions" and, where the model has them, "probabilities", (rows, labels). `client` is the name of
    the key that was used.
    """

    model: str
    version: int
    request_id: str
    asked: float
    client: str | None
    shape: str
    size: int
    cells: str
    outputs: str


class Answered(NamedTuple):
    """The part of an `Asked` that what was true is compared with."""

    request_id: str
    version: int
    shape: str
    size: int
    outputs: str


class Told(NamedTuple):
    """What turned out to be true of the rows of a request, or of rows that come along: a JSON list, null for unknown.

    Rows that come along have `cells` and the `shape` and `version` of the model they were checked by, and no
    `request_id`.
    """

    model: str
    version: int | None
    request_id: str | None
    told: float
    client: str | None
    shape: str | None
    size: int
    cells: str | None
    truths: str


COLUMNS = {
    "ganglion_log_predictions": Asked._fields,
    "ganglion_log_feedback": Told._fields,
}


@dataclass(frozen=True)
class Shape:
    """What rows and outputs mean, which many requests share: it is stored once, under a digest of what it says.

    `features` are pairs of name and kind ("number", "category", "date"); `labels` are those of classes, None for
    numbers. `margin` is the score by which nine in ten outcomes are held, None without calibration: for a number the
    distance from the prediction, for a class one minus its probability.
    """

    features: tuple[tuple[str, str], ...]
    targets: tuple[str, ...]
    labels: tuple[str | int, ...] | None = None
    margin: float | None = None

    @cached_property
    def description(self) -> str:
        """The shape as JSON, equal for equal shapes."""
        return json.dumps(
            {"features": self.features, "targets": self.targets, "labels": self.labels, "margin": self.margin},
            ensure_ascii=True,
            separators=(",", ":"),
        )

    @cached_property
    def id(self) -> str:
        """A digest of the description."""
        return hashlib.sha256(self.description.encode()).hexdigest()[:32]

    @classmethod
    def read(cls, description: str) -> "Shape":
        """Return the shape that a description tells."""
        said: dict[str, Any] = json.loads(description)
        features = tuple((str(name), str(kind)) for name, kind in said["features"])
        labels = said["labels"]
        return cls(features, tuple(said["targets"]), None if labels is None else tuple(labels), said["margin"])
