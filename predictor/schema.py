"""The schema of a model's inputs: how rows of raw values become the matrix that the network takes."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from predictor.cells import (
    NOTHING,
    Cells,
    columns_of_named,
    columns_of_records,
    columns_of_rows,
    left_out_of_named,
    left_out_of_records,
)
from predictor.errors import Fault, Findings, InputError
from predictor.features import DateFeature, Feature, NumericFeature, checked_name
from predictor.issues import Issues, Layout, ranged
from predictor.numeric import Numeric
from predictor.reading import Given, Pause, Read, Reader, column_blocks, is_many, row_blocks

__all__ = ["WIDTH_LIMIT", "Encoded", "Schema"]

WIDTH_LIMIT = 2**17
MANY, WIDE = 64, 256
"""Rows and columns from which on it takes half the time to find the extremes of columns than to compare every value."""
FEW = 16
"""Cells of a row up to which it takes a third of the time to compare them one by one."""

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """X, float32 (rows, width), with warnings about values that were answered all the same.

    `cells` are the cells as they were given, a sequence (rows,) for each feature; many rows that were read with pauses
    are numbers in an array, a matrix (rows, features) where all are numbers, NaN where missing. `left_out` says how
    many of the warnings are about cells that are no feature's.
    """

    X: Matrix
    warnings: Findings
    cells: Given = ()
    left_out: int = 0


@dataclass(frozen=True)
class Schema:
    """The features of a model, in order; immutable, and safe to share between threads.

    Every way to encode takes the same arithmetic, so a value gives the same bits of X whichever way it arrives.
    `left_out` names other columns of the training table, the target among them: rows by name may hold them, and they
    are passed over with a warning.
    """

    features: tuple[Feature, ...]
    left_out: tuple[str, ...] = ()
    _numeric: Numeric = field(init=False, repr=False, compare=False)
    _reader: Reader = field(init=False, repr=False, compare=False)
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _range: "_Range" = field(init=False, repr=False, compare=False)

    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    others: frozenset[str] = field(init=False, repr=False, compare=False)
    most_cells: int = field(init=False, repr=False, compare=False)
    width: int = field(init=False, repr=False, compare=False)
    is_numeric: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        features = tuple(self.features)
        names = tuple(feature.name for feature in features)
        if not features:
            raise ValueError("features: expected at least one")
        if len(set(names)) != len(names):
            raise ValueError("features: two have the same name")
        left_out = _checked_left_out(self.left_out, names)
        starts = tuple(np.cumsum([0, *(feature.width for feature in features)]).tolist())
        if starts[-1] > WIDTH_LIMIT:
            raise ValueError(f"features: {starts[-1]} encoded columns, at most {WIDTH_LIMIT} are allowed")
        chosen = [(i, feature) for i, feature in enumerate(features) if isinstance(feature, NumericFeature)]
        numeric = Numeric.of(chosen, starts)
        derived = {"features": features, "names": names, "width": starts[-1], "_starts": starts}
        derived |= {
            "_numeric": numeric,
            "_reader": Reader(features, numeric),
            "is_numeric": len(numeric.indices) == len(features),
        }
        derived |= {"_range": _Range.of(numeric, features, starts)}
        derived |= {"left_out": left_out, "others": frozenset(left_out), "most_cells": len(names) + len(left_out)}
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def encode_numbers(self, values: NDArray[Any], layout: Layout = "rows") -> Matrix:
        """Encode (rows, features) numbers, NaN for missing, for a schema of numeric features: the fast way.

        The array's type must already be known to come from numbers: NumPy turns true into 1.0 before this sees it.
        Raises InputError, pointing in the given layout, for another shape or type, for a missing value without a
        rule and for a number outside float32 after scaling.
        """
        if values.ndim != 2 or values.shape[1] != len(self.features) or not len(values):  # noqa: PLR2004 - a matrix
            raise InputError([_shape_fault(values, len(self.features))])
        if values.dtype.kind not in "fiu" or not self.is_numeric:
            raise InputError([Fault("", "type", "expected numbers only")])
        S = self._numeric.scaled(values)
        if _is_finite(S):
            return self._numeric.placed(S, self.width)
        issues = Issues()
        X = self._numeric.encode(values.astype(np.float64), issues, self.width)
        self._refuse(issues, layout)
        return X

    def encode_rows(self, rows: object, pause: Pause | None = None) -> Encoded:
        """Encode a decoded JSON list of rows, each a list of cells in schema order, checking every cell.

        InputError points at ``/row/column``, or at ``/row`` when a row's shape is wrong. `pause` is called now and then
        while many rows are read, here and in the two other layouts.
        """
        if pause is not None and is_many(rows):
            blocks = row_blocks(rows, len(self.names), pause, partial(columns_of_rows, names=self.names))
            return self._encode_blocks(blocks, "rows")
        return self._encode(columns_of_rows(rows, self.names), "rows")

    def encode_records(self, records: object, pause: Pause | None = None) -> Encoded:
        """Encode a decoded JSON list of objects by feature name; InputError points at ``/row/name``."""
        if pause is not None and is_many(records):
            columns_of = partial(columns_of_records, names=self.names, left_out=self.others)
            found = self._encode_blocks(row_blocks(records, len(self.names), pause, columns_of), "records")
        else:
            found = self._encode(columns_of_records(records, self.names, self.others), "records")
        return _with(found, left_out_of_records(cast("list[Any]", records), self.names)) if self.others else found

    def encode_named_columns(self, columns: object, pause: Pause | None = None) -> Encoded:
        """Encode a decoded JSON object of one list for each feature; InputError points at ``/name/row``."""
        cells = columns_of_named(columns, self.names, self.others)
        if pause is not None and is_many(cells[0]):
            found = self._encode_blocks(column_blocks(cells, pause), "columns")
        else:
            found = self._encode(cells, "columns")
        return _with(found, left_out_of_named(cast("dict[str, Any]", columns), self.names)) if self.others else found

    def encode_columns(self, columns: Sequence[NDArray[Any]]) -> Matrix:
        """Encode one array (rows,) for each feature, in order: training and bulk prediction.

        Numeric columns are float64 with NaN for missing, categorical ones and dates object or str arrays with None for
        missing. Raises InputError as `encode_named_columns` does, and ValueError for the wrong number of columns.
        """
        if len(columns) != len(self.features):
            raise ValueError(f"expected {len(self.features)} columns, found {len(columns)}")
        if len(lengths := {len(column) for column in columns}) != 1:
            raise ValueError(f"expected columns of one length, found {min(lengths)} to {max(lengths)} rows")
        issues = Issues()
        return self._matrix(
            self._reader.read([_cells(column) for column in columns], issues, Issues()), issues, "columns"
        )

    def out_of_range(self, X: Matrix, layout: Layout = "rows") -> Findings:
        """Warn of encoded values outside the training range, code "out_of_range", pointing in the given layout."""
        known = self._range
        values = X if X.shape[1] == len(known.columns) else X[:, known.columns]
        if values.shape[0] >= MANY and values.shape[1] >= WIDE and known.holds(values):
            return NOTHING
        if len(values) == 1 and values.size <= FEW and known.holds_row(values[0].tolist()):
            return NOTHING
        below, above = known.low > values, known.high < values
        if not np.count_nonzero(below) and not np.count_nonzero(above):
            return NOTHING
        return ranged(below | above, known.owners, self.features, layout)

    def _encode(self, columns: Sequence[Cells], layout: Layout) -> Encoded:
        issues, warnings = Issues(), Issues()
        return self._encoded(self._reader.read(columns, issues, warnings), issues, warnings, layout)

    def _encode_blocks(self, blocks: Iterable[Sequence[Cells]], layout: Layout) -> Encoded:
        issues, warnings = Issues(), Issues()
        return self._encoded(self._reader.read_blocks(blocks, issues, warnings), issues, warnings, layout)

    def _encoded(self, read: Read, issues: Issues, warnings: Issues, layout: Layout) -> Encoded:
        X = self._matrix(read, issues, layout)
        return Encoded(X, warnings.findings(self.features, layout), read.cells)

    def _matrix(self, read: Read, issues: Issues, layout: Layout) -> Matrix:
        X = self._numeric.encode(read.values, issues, self.width)
        if not self.is_numeric:
            self._fill(X, read)
        self._refuse(issues, layout)
        return X

    def _fill(self, X: Matrix, read: Read) -> None:
        """Write categories and dates into their columns of X."""
        for index, codes in read.codes.items():
            rows = np.flatnonzero(codes >= 0)
            X[rows, self._starts[index] + codes[rows]] = 1
        for index, moments in read.moments.items():
            feature = cast("DateFeature", self.features[index])
            start = self._starts[index]
            X[:, start : start + feature.width] = feature.encode(moments)

    def _refuse(self, issues: Issues, layout: Layout) -> None:
        if issues.total:
            raise InputError(issues.findings(self.features, layout))


@dataclass(frozen=True)
class _Range:
    """The training range, (ranged columns,) each, of the columns of X that have one, in order, and whose they are."""

    owners: list[int]
    columns: list[int]
    low: Matrix
    high: Matrix
    bounds: list[tuple[float, float]]

    @classmethod
    def of(cls, numeric: Numeric, features: Sequence[Feature], starts: Sequence[int]) -> "_Range":
        """Collect the numbers, and the trends of the dates, which begin at `starts` in X."""
        low, high = numeric.bounds(starts[-1])
        known = list(zip(numeric.columns, numeric.indices, low.tolist(), high.tolist(), strict=True))
        for index, feature in enumerate(features):
            if isinstance(feature, DateFeature) and (bounds := feature.bounds()):
                known.append((starts[index], index, *bounds))
        known.sort()
        lows, highs = (np.array([entry[place] for entry in known], dtype=np.float32) for place in (2, 3))
        pairs = list(zip(lows.tolist(), highs.tolist(), strict=True))
        return cls([index for _, index, _, _ in known], [column for column, _, _, _ in known], lows, highs, pairs)

    def holds_row(self, row: list[float]) -> bool:
        """Tell one by one whether no value of a row is outside."""
        for value, (low, high) in zip(row, self.bounds, strict=True):  # noqa: SIM110 - `all` takes twice as long
            if value < low or value > high:
                return False
        return True

    def holds(self, values: Matrix) -> bool:
        """Tell by the extremes of each column whether no value, (rows, ranged columns), is outside."""
        least, most = np.minimum.reduce(values, axis=0), np.maximum.reduce(values, axis=0)
        return bool((self.low <= least).all() and (most <= self.high).all())


def _with(found: Encoded, ignored: Findings) -> Encoded:
    """Add warnings of cells that are no feature's."""
    if not ignored:
        return found
    warnings = Findings((*found.warnings, *ignored), found.warnings.total + ignored.total)
    return replace(found, warnings=warnings, left_out=ignored.total)


def _checked_left_out(left_out: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    checked = tuple(checked_name(name, "left_out") for name in left_out)
    if len({*checked, *names}) != len(checked) + len(names):
        raise ValueError("left_out: a name stands twice, or is a feature's")
    return checked


def _is_finite(S: Matrix) -> bool:
    """Tell whether all values are finite: the sum of their squares shows it in one pass, unless it is too large."""
    return math.isfinite(np.vdot(S, S)) or np.count_nonzero(np.isfinite(S)) == S.size


def _cells(column: NDArray[Any]) -> Cells:
    """Return the cells as Python values, or the numeric array itself, which `numbers` takes as it is."""
    return column if column.dtype.kind in "fiu" else column.tolist()


def _shape_fault(values: NDArray[Any], width: int) -> Fault:
    found = " x ".join(map(str, values.shape)) or "one number"
    code = "empty" if values.ndim == 2 and not len(values) else "width"  # noqa: PLR2004 - a matrix
    return Fault("", code, f"expected rows x {width} numbers, found {found}")
