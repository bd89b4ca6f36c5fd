"""Lets another version compute what the champion has answered, off the request's path, and counts how they differ."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import InputError
from service.given import Given, listed, row_count
from service.observer import Comparison, Observer
from service.versions.catalog import Served
from service.versions.splitting import Rule
from service.versions.yardstick import distances

__all__ = ["Shadow"]

Job = tuple[Served, Served, Given, NDArray[Any]]

MOST_ROWS_WAITING = 4096
UNREADY = (InputError, ValueError, MemoryError, ArithmeticError)


class Shadow:
    """Takes rows with the champion's outputs and compares them in a thread of its own; what is too much is skipped.

    A row agrees when both say the same class, or numbers within a twentieth of the target's scale. The difference of
    a row is the part of the probability that lies elsewhere (total variation), or the distance in the target's units.
    """

    def __init__(self, rules: Sequence[Rule], observer: Observer) -> None:
        self.rules = {rule.model: rule for rule in rules}
        self._observer = observer
        self._jobs: deque[Job] = deque()
        self._rows = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def offer(self, champion: Served, other: Served, cells: Given, A: NDArray[Any]) -> None:
        """Take the rows of one request as they were given, with the champion's outputs for them."""
        rows = row_count(cells)
        with self._lock:
            if self._rows + rows <= MOST_ROWS_WAITING:
                self._rows += rows
                self._jobs.append((champion, other, cells, A[:rows]))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
                    self._thread.start()
                return
        self._observer.compared(other.name, other.version, Comparison(skipped=rows))

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._thread = None
                    return
                champion, other, cells, A = self._jobs.popleft()
            try:
                found = compared(champion, other, cells, A)
            except UNREADY:
                found = Comparison(failed=len(A))
            with self._lock:
                self._rows -= len(A)
            self._observer.compared(other.name, other.version, found)


def compared(champion: Served, other: Served, cells: Given, A: NDArray[Any]) -> Comparison:
    """Compute rows with another version and compare.

    InputError when it cannot read them, IncomparableError when it predicts something else.
    """
    B = other.predictor.network.infer(_encoded(champion, other, cells))
    is_same, distance = distances(champion.predictor, other.predictor, A, B)
    agreeing = int(is_same.sum())
    return Comparison(agree=agreeing, differ=len(A) - agreeing, difference=float(distance.mean(axis=1).sum()))


def _encoded(champion: Served, other: Served, cells: Given) -> NDArray[np.float32]:
    """Encode rows that were given to the champion by the schema of another version, which may order them otherwise."""
    names, schema = champion.predictor.schema.names, other.predictor.schema
    if isinstance(cells, np.ndarray):
        if schema.is_numeric and schema.names == names:
            return schema.encode_numbers(cells)
        cells = [[None if np.isnan(cell) else cell for cell in column] for column in cells.T.tolist()]
    columns = {name: listed(column) for name, column in zip(names, cells, strict=True)}
    return schema.encode_named_columns({name: columns[name] for name in schema.names if name in columns}).X
