"""What is known of every row of a new table, however large it is: what a sample of the rows could not tell."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from training.prepared import Prepared
from training.progress import Reading
from training.report.moments import moments
from training.splits import row_hashes
from training.streaming import Draft
from training.table import Column, Table

__all__ = ["Counter", "Whole", "whole_of", "whole_of_draft"]

KEPT = 2**16
"""Different rows that are counted exactly; of more, their number is estimated to half a percent."""


@dataclass(frozen=True)
class Whole:
    """All rows of a table: how many, how many have a target, and the share that repeat an earlier one.

    `future` is the share of the dates of each column that are later than `now`.
    """

    rows: int
    labelled: int
    repeated: float
    future: Mapping[str, float]
    now: datetime


def whole_of(table: Table, prepared: Prepared, now: datetime) -> Whole:
    """Look at all rows of a table that is in memory."""
    distinct = len(np.unique(row_hashes(table.columns, seed=0)))
    counter = Counter(now)
    counter.add(prepared.columns)
    return Whole(table.rows, prepared.rows, 1 - distinct / table.rows, counter.future, now)


def whole_of_draft(draft: Draft, now: datetime, on_rows: Reading) -> Whole:
    """Look at all rows of a table that is read in blocks; how many repeat an earlier one is then an estimate."""
    chunked, counter = draft.chunked, Counter(now)
    labelled = 0
    meanings = {column.name: column.meaning for column in draft.prepared.columns}
    for cells in chunked.chunks():
        first = counter.rows
        counter.hash(
            chunked.column(column.name, cells[column.name], is_numeric=column.is_numeric, first=first)
            for column in draft.table.columns
        )
        chunk = draft.reader.read(cells, first)
        counter.add(replace(column, meaning=meanings.get(column.name)) for column in chunk.features)
        labelled += len(chunk.values)
        on_rows(counter.rows, "checking rows")
    return Whole(counter.rows, labelled, counter.repeated, counter.future, now)


class Counter:
    """Counts rows that come in blocks: those that are different, and those whose dates are later than `now`.

    Different rows are counted by the smallest of their hashes: where the k-th smallest of hashes that are spread evenly
    over 0 to 1 is u, there are about (k - 1) / u of them (Bar-Yossef et al., 2002; Beyer et al., 2007, eq. 2).
    """

    def __init__(self, now: datetime) -> None:
        self.rows = 0
        self._now_s = now.timestamp()
        self._smallest = np.empty(0, np.uint64)
        self._later: dict[str, int] = {}
        self._dated = 0

    @property
    def repeated(self) -> float:
        """The share of the rows whose hashes were seen before."""
        if not self.rows:
            return 0.0
        if len(self._smallest) < KEPT:
            return 1 - len(self._smallest) / self.rows
        return max(0.0, 1 - (KEPT - 1) / (float(self._smallest[-1]) / 2.0**64) / self.rows)

    @property
    def future(self) -> Mapping[str, float]:
        """The share of the cells of each column of dates that are later than now."""
        return {name: later / self._dated for name, later in self._later.items()}

    def hash(self, columns: Iterable[Column]) -> None:
        """Look at whole rows, all columns of a block."""
        hashes = row_hashes(list(columns), seed=0)
        self.rows += len(hashes)
        self._smallest = np.unique(np.concatenate([self._smallest, hashes]))[:KEPT]

    def add(self, columns: Iterable[Column]) -> None:
        """Look at the dates of a block; its columns know what they mean."""
        rows = 0
        for column in columns:
            rows = len(column.values)
            seconds = moments(column)
            if seconds is not None:
                later = int(np.count_nonzero(_later(seconds, self._now_s)))
                self._later[column.name] = self._later.get(column.name, 0) + later
        self._dated += rows


def _later(seconds: NDArray[np.float64], now_s: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray(seconds > now_s)
