"""Rows between the table and the network: small enough to lie on disk by the million, encoded when they are needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import CategoricalFeature, NumericFeature, Schema
from training.encoding import encode
from training.errors import DataError
from training.table import Column

__all__ = ["Coder"]

Matrix = NDArray[np.float32]
NO_CATEGORY = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class _Lookup:
    """A categorical feature: where it stands among the features, its columns of X, and what each code encodes as.

    The codes are those of the categories, then one for all others, then one for a missing cell.
    """

    place: int
    feature: CategoricalFeature
    span: slice
    table: Matrix  # (categories + 2, width), not a number where the feature refuses
    codes: Mapping[Any, int]


class Coder:
    """Packs rows of a schema's columns into float64, and encodes packed rows with the bits of the schema itself.

    A number is packed as itself, a category as its code, and what is neither as its columns of X. So a packed row
    takes a few bytes a column, however wide X is. ``width`` is that of a packed row.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        starts = np.cumsum([0, *(feature.width for feature in schema.features)]).tolist()
        spans = [slice(start, end) for start, end in pairwise(starts)]
        numbers = [(i, f) for i, f in enumerate(schema.features) if isinstance(f, NumericFeature)]
        self._numbers = [i for i, _ in numbers]
        self._lookups = [
            _lookup(i, f, spans[i]) for i, f in enumerate(schema.features) if isinstance(f, CategoricalFeature)
        ]
        known = {*self._numbers, *(lookup.place for lookup in self._lookups)}
        self._others = [(i, spans[i]) for i in range(len(spans)) if i not in known]
        self._numeric = Schema(tuple(f for _, f in numbers)) if numbers else None
        self._plain = Schema(tuple(map(_plain, (f for _, f in numbers)))) if numbers else None
        self._runs = _runs([spans[i] for i in self._numbers])
        self.width = len(known) + sum(span.stop - span.start for _, span in self._others)

    def pack(self, columns: Sequence[Column]) -> NDArray[np.float64]:
        """Return packed rows, (rows, self.width). Raises DataError where a value does not fit the schema."""
        rows = np.arange(len(columns[0].values))
        numbers = [columns[place] for place in self._numbers]
        if self._plain is not None:
            encode(self._plain, numbers, rows)  # refuses what the features refuse
        parts = [column.values.astype(np.float64)[:, None] for column in numbers]
        parts += [_codes(columns[lookup.place], lookup)[:, None] for lookup in self._lookups]
        for place, _ in self._others:
            parts.append(encode(Schema((self._schema.features[place],)), [columns[place]], rows).astype(np.float64))
        return np.concatenate(parts, axis=1)

    def encode(self, packed: NDArray[np.float64]) -> Matrix:
        """Return X, (rows, schema.width)."""
        count = len(self._numbers)
        numbers = None if self._numeric is None else self._numeric.encode_numbers(packed[:, :count])
        if numbers is not None and numbers.shape[1] == self._schema.width:
            return numbers
        X = np.empty((len(packed), self._schema.width), np.float32)
        for there, here in self._runs:
            X[:, there] = numbers[:, here]  # type: ignore[index]  # there are runs where there are numbers
        for place, lookup in enumerate(self._lookups, count):
            X[:, lookup.span] = lookup.table[packed[:, place].astype(np.intp)]
        start = count + len(self._lookups)
        for _, span in self._others:
            end = start + span.stop - span.start
            X[:, span] = packed[:, start:end]
            start = end
        return X


def _runs(spans: Sequence[slice]) -> list[tuple[slice, slice]]:
    """Pair columns of X with those of the numbers alone, which follow upon one another; neighbours are one run."""
    runs: list[tuple[slice, slice]] = []
    start = 0
    for span in spans:
        end = start + span.stop - span.start
        if runs and runs[-1][0].stop == span.start:
            there, here = runs.pop()
            runs.append((slice(there.start, span.stop), slice(here.start, end)))
        else:
            runs.append((span, slice(start, end)))
        start = end
    return runs


def _plain(feature: NumericFeature) -> NumericFeature:
    return replace(feature, clip=None, knots=(), flags_missing=False)


def _lookup(place: int, feature: CategoricalFeature, span: slice) -> _Lookup:
    """Encode each category, another text and a missing cell, each by the schema itself."""
    cells = [*feature.categories, NO_CATEGORY, None]
    table = np.full((len(cells), feature.width), np.nan, np.float32)
    for code, cell in enumerate(cells):
        is_refused = (cell is NO_CATEGORY and feature.unknown == "refuse") or (cell is None and feature.missing is None)
        if not is_refused:
            column = Column(feature.name, np.array([cell], object))
            table[code] = encode(Schema((feature,)), [column], np.arange(1))[0]
    codes = {cell: code for code, cell in enumerate(cells) if cell is not NO_CATEGORY}
    return _Lookup(place, feature, span, table, codes)


def _codes(column: Column, lookup: _Lookup) -> NDArray[np.float64]:
    """Return the code of each cell, (rows,). Raises DataError for a cell that the feature refuses."""
    codes, other = lookup.codes, len(lookup.feature.categories)
    found = np.array([codes.get(cell, other) for cell in column.values.tolist()], np.intp)
    refused = np.flatnonzero(np.isnan(lookup.table[found, 0]))
    if len(refused):
        encode(Schema((lookup.feature,)), [column], refused[:1])
        raise DataError(f"column {lookup.feature.name}: a cell cannot be encoded")
    return found.astype(np.float64)
