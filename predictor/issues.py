"""Collects what is wrong with single cells and says it in the layout that the client used."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from predictor.errors import FAULTS_KEPT, Fault, Findings
from predictor.features import CategoricalFeature, DateFeature, Feature
from predictor.wording import hint, kind_of, pointer, shown

__all__ = ["Issues", "Layout", "ranged"]

Layout = Literal["rows", "records", "columns"]
"""Rows are lists of cells, records are objects by feature name, columns are one list for each feature name."""


@dataclass(frozen=True, slots=True)
class _Issue:
    row: int
    feature: int
    code: str
    cell: object


class Issues:
    """Cells at fault, found in any order and told in document order; memory is bounded whatever the input."""

    def __init__(self) -> None:
        self.total = 0
        self._kept: list[_Issue] = []
        self._seen: Counter[int] = Counter()

    def add(self, row: int, feature: int, code: str, cell: object = None) -> None:
        """Note one cell; of each feature the first ten are kept, the rest are counted."""
        self.total += 1
        if self._seen[feature] < FAULTS_KEPT:
            self._seen[feature] += 1
            self._kept.append(_Issue(row, feature, code, cell))

    def add_mask(self, mask: NDArray[np.bool_], features: Sequence[int], code: str) -> None:
        """Note every true cell of `mask`, (rows, columns), whose columns are the given features.

        Ten are kept in the order of rows, and ten in that of columns: either may be the order of the document.
        """
        self.total += int(np.count_nonzero(mask))
        by_row = {divmod(place, mask.shape[1]) for place in _first(mask.ravel())}
        by_column = {divmod(place, mask.shape[0])[::-1] for place in _first(mask.T.ravel())}
        self._kept += [_Issue(row, features[column], code, None) for row, column in by_row | by_column]

    def findings(self, features: Sequence[Feature], layout: Layout) -> Findings:
        """Say the first ten in document order."""
        by_column = layout == "columns"
        order = sorted(self._kept, key=lambda i: (i.feature, i.row) if by_column else (i.row, i.feature))
        return Findings((_fault(issue, features, layout) for issue in order[:FAULTS_KEPT]), self.total)


def _first(flags: NDArray[np.bool_]) -> list[int]:
    """Return the places of the first ten true flags, in memory that does not grow with their number."""
    places: list[int] = []
    start = 0
    while len(places) < FAULTS_KEPT and start < len(flags):
        place = start + int(flags[start:].argmax())
        if not flags[place]:
            break
        places.append(place)
        start = place + 1
    return places


def ranged(found: NDArray[np.bool_], owners: Sequence[int], features: Sequence[Feature], layout: Layout) -> Findings:
    """Say which cells, true in `found`, lie outside the training range; `owners` maps its columns to features."""
    issues = Issues()
    issues.add_mask(found, owners, "out_of_range")
    return issues.findings(features, layout)


def _fault(issue: _Issue, features: Sequence[Feature], layout: Layout) -> Fault:
    feature = features[issue.feature]
    if layout == "rows" and isinstance(issue.cell, (list, tuple)):
        detail = f"the row is nested too deep: {shown(feature.name)} holds a list"
        return Fault(pointer(issue.row), "depth", detail)
    where: dict[str, tuple[int | str, int | str]] = {
        "rows": (issue.row, issue.feature),
        "records": (issue.row, feature.name),
        "columns": (feature.name, issue.row),
    }
    return Fault(pointer(*where[layout]), issue.code, _detail(issue, feature))


def _detail(issue: _Issue, feature: Feature) -> str:
    name = shown(feature.name)
    if issue.code == "missing":
        return f"{name} has no value, and the model has no rule for a missing one"
    if issue.code == "range":
        return f"{name} is outside what a 32-bit float can hold after scaling"
    if issue.code == "type":
        return f"{name}: expected {_expected(feature)}, found {kind_of(issue.cell)}"
    if isinstance(feature, CategoricalFeature):
        # Where rare categories are not told apart, such a cell is usual and no slip: it costs no search.
        near = "; it is taken as one of the rare ones" if feature.others else hint(str(issue.cell), feature.categories)
        return f"{name}: {shown(str(issue.cell))} is not a known category{near}"
    if isinstance(feature, DateFeature) and issue.code == "date":
        return f"{name}: expected {feature.expected}, found {shown(str(issue.cell))}"
    low, high = (bound if isinstance(bound, str) else f"{bound:.6g}" for bound in (feature.low, feature.high))
    return f"{name} is outside the training range, {low} to {high}"


def _expected(feature: Feature) -> str:
    if isinstance(feature, DateFeature):
        return f"a string with {feature.expected}"
    if isinstance(feature, CategoricalFeature):
        also = " or a number" * feature.takes_numbers + " or a boolean" * feature.takes_booleans
        return f"a string{also}"
    return "a number"
