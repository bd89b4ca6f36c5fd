"""What the training rows looked like as a whole, beyond the histograms of the features: what drift is measured by."""

from collections.abc import Sequence
from dataclasses import dataclass

from predictor.features import COUNT_LIMIT, Histogram, counted, whole

__all__ = ["Reference"]


@dataclass(frozen=True)
class Reference:
    """How many training rows there were, how many cells of each feature were missing, and what was predicted of them.

    `missing` has one count for each feature. Of a model that tells classes `labels` says how many rows were
    predicted to be of each; of one that gives numbers `values` has a histogram of the predictions of each target,
    None where they were too near to each other for bins.
    """

    rows: int
    missing: Sequence[int]
    labels: Sequence[int] = ()
    values: Sequence[Histogram | None] = ()

    def __post_init__(self) -> None:
        rows = whole(self.rows, "rows", low=1, high=COUNT_LIMIT)
        missing = counted(self.missing, "missing")
        if any(count > rows for count in missing):
            raise ValueError(f"missing: expected at most {rows}, the number of rows")
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "missing", missing)
        object.__setattr__(self, "labels", counted(self.labels, "labels"))
        object.__setattr__(self, "values", tuple(self.values))

    def check(self, features: int, labels: int, targets: int) -> None:
        """Raise ValueError unless there is one number for each feature, label and target."""
        for name, expected in (("missing", features), ("labels", labels), ("values", targets)):
            if len(found := getattr(self, name)) != expected:
                raise ValueError(f"{name}: expected {expected} of them, found {len(found)}")
