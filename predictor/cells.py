"""From JSON-decoded values to one sequence of cells for each feature, checking the shape on the way."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.dates import moment
from predictor.errors import FAULTS_KEPT, Draft, Fault, Findings, InputError
from predictor.features import CategoricalFeature, DateFeature, spelled
from predictor.issues import Issues
from predictor.wording import SHOWN_LIMIT, hint, kind_of, pointer, shown

__all__ = [
    "NOTHING",
    "Cells",
    "category_codes",
    "columns_of_named",
    "columns_of_records",
    "columns_of_rows",
    "left_out_of_named",
    "left_out_of_records",
    "moments",
    "numbers",
]

NO_NAMES: frozenset[str] = frozenset()
NOTHING = Findings()

Cells = Sequence[Any] | NDArray[Any]
_NUMBERS = frozenset({int, float, type(None)})


def columns_of_rows(rows: object, names: Sequence[str]) -> list[Cells]:
    """Turn a list of rows, each a list of cells in schema order, into columns; InputError on any other shape."""
    checked = _filled_list(rows, "a list of rows")
    width = len(names)
    if any(not isinstance(row, (list, tuple)) or len(row) != width for row in checked):
        raise InputError(Findings.of_drafts(_row_faults(checked, width)))
    return list(zip(*checked, strict=True))


def columns_of_records(records: object, names: Sequence[str], left_out: frozenset[str] = NO_NAMES) -> list[Cells]:
    """Turn a list of objects by feature name, keys in any order, into columns; InputError on any other shape.

    Keys of `left_out` may stand beside the features.
    """
    checked = _filled_list(records, "a list of objects")
    wanted = frozenset(names)
    if any(not isinstance(record, dict) or not _has_names(record, wanted, left_out) for record in checked):
        raise InputError(_record_faults(checked, names, left_out))
    return [[record[name] for record in checked] for name in names]


def columns_of_named(columns: object, names: Sequence[str], left_out: frozenset[str] = NO_NAMES) -> list[Cells]:
    """Turn an object with one list for each feature name into columns; InputError on any other shape.

    Keys of `left_out` may stand beside the features, whatever they hold.
    """
    if not isinstance(columns, dict):
        raise InputError([Fault("", "type", f"expected an object of lists, found {kind_of(columns)}")])
    if not _has_names(columns, frozenset(names), left_out):
        raise InputError(Findings.of_drafts(_name_faults(columns, names, (), left_out)))
    if any(not isinstance(columns[name], (list, tuple)) for name in names):
        raise InputError(Findings.of_drafts(_list_faults(columns, names)))
    if len({len(columns[name]) for name in names}) != 1:
        raise InputError(Findings.of_drafts(_length_faults(columns, names)))
    _filled_list(columns[names[0]], "a list of values")
    return [columns[name] for name in names]


def left_out_of_records(records: Sequence[Mapping[str, object]], names: Sequence[str]) -> Findings:
    """Warn of the keys of well-formed records that are no features, code "left_out"."""
    total = sum([len(record) for record in records]) - len(records) * len(names)
    if not total:
        return NOTHING
    wanted = frozenset(names)
    found = ((row, key) for row, record in enumerate(records) for key in record if key not in wanted)
    return Findings((_passed_over(key, pointer(row, key)) for row, key in islice(found, FAULTS_KEPT)), total)


def left_out_of_named(columns: Mapping[str, Any], names: Sequence[str]) -> Findings:
    """Warn of the keys of well-formed columns that are no features, once for each row, code "left_out"."""
    wanted = frozenset(names)
    others = [key for key in columns if key not in wanted]
    if not others:
        return NOTHING
    rows = range(len(columns[names[0]]))
    faults = (_passed_over(key, pointer(key, row)) for key, row in islice(product(others, rows), FAULTS_KEPT))
    return Findings(faults, len(others) * len(rows))


def numbers(cells: Cells, feature: int, issues: Issues, *, first: int = 0) -> NDArray[np.float64]:
    """Read a numeric column, (rows,): None becomes NaN, an integer beyond float64 an infinity, other types issues.

    `first` is the number of its first row, as for the other kinds of columns.
    """
    if isinstance(cells, np.ndarray):
        return cells.astype(np.float64)
    if set(map(type, cells)) <= _NUMBERS:
        try:
            return np.array(cells, dtype=np.float64)
        except OverflowError:  # an integer of more than 308 digits; found cell by cell below
            pass
    column = np.zeros(len(cells))
    for row, cell in enumerate(cells):
        if type(cell) in _NUMBERS:
            column[row] = _number(cell)
        else:
            issues.add(first + row, feature, "type", cell)
    return column


def category_codes(
    cells: Cells, feature: CategoricalFeature, index: int, issues: Issues, warnings: Issues, *, first: int = 0
) -> NDArray[np.intp]:
    """Read a categorical column, (rows,), as positions in its categories; -1 is the bucket of unknown ones."""
    known = feature.codes
    codes = np.full(len(cells), -1, dtype=np.intp)
    for row, given in enumerate(cells.tolist() if isinstance(cells, np.ndarray) else cells):
        cell: Any = feature.missing if _is_missing(given) else given
        if feature.takes_numbers and type(cell) in (int, float):
            cell = _spelled(cell)
        if cell is None:
            issues.add(first + row, index, "missing")
        elif isinstance(cell, (str, bool)) and cell in known:
            codes[row] = known[cell]
        elif not isinstance(cell, str):
            issues.add(first + row, index, "type", cell)
        elif feature.unknown == "bucket":
            warnings.add(first + row, index, "unknown_category", cell)
        else:
            issues.add(first + row, index, "category", cell)
    return codes


def moments(cells: Cells, feature: DateFeature, index: int, issues: Issues, *, first: int = 0) -> NDArray[np.float64]:
    """Read a column of dates, (rows,), as seconds from 1970-01-01, NaN where missing."""
    column = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells.tolist() if isinstance(cells, np.ndarray) else cells):
        if _is_missing(cell):
            if feature.missing is None:
                issues.add(first + row, index, "missing")
        elif not isinstance(cell, str):
            issues.add(first + row, index, "type", cell)
        elif (seconds := moment(cell, feature.form)) is None:
            issues.add(first + row, index, "date", cell)
        else:
            column[row] = seconds
    return column


def _has_names(found: Mapping[str, object], wanted: frozenset[str], left_out: frozenset[str]) -> bool:
    """Tell whether the keys are the wanted ones, perhaps with some that may be left out."""
    keys = found.keys()
    return keys == wanted or (bool(left_out) and keys >= wanted and keys - wanted <= left_out)


def _passed_over(key: str, where: str) -> Fault:
    return Fault(where, "left_out", f"{shown(key)} is passed over: it is no feature of the model")


def _is_missing(cell: object) -> bool:
    return cell is None or (isinstance(cell, float) and cell != cell)  # noqa: PLR0124 - NaN alone


def _spelled(cell: float) -> str | float:
    """Spell a number as a category does; what is no finite number stays what it is."""
    value = _number(cell)
    return spelled(value) if np.isfinite(value) else cell


def _number(cell: float | None) -> float:
    if cell is None:
        return np.nan
    try:
        return float(cell)
    except OverflowError:
        return np.inf


def _filled_list(value: object, expected: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise InputError([Fault("", "type", f"expected {expected}, found {kind_of(value)}")])
    if not value:
        raise InputError([Fault("", "empty", "expected at least one row, found none")])
    return value


def _row_faults(rows: Cells, width: int) -> Iterator[Draft]:
    for i, row in enumerate(rows):
        if not isinstance(row, (list, tuple)):
            yield partial(_row_fault, i, "type", width, kind_of(row))
        elif len(row) != width:
            yield partial(_row_fault, i, "width", width, str(len(row)))


def _row_fault(row: int, code: str, width: int, found: str) -> Fault:
    return Fault(pointer(row), code, f"expected a row of {_values(width)}, found {found}")


def _record_faults(records: Cells, names: Sequence[str], left_out: frozenset[str]) -> Findings:
    """Find the first ten faults and count them all: each of thousands of records may lack hundreds of names."""
    wanted, known = frozenset(names), left_out.union(names)
    kept: list[Fault] = []
    total = 0
    for i, record in enumerate(records):
        if total >= FAULTS_KEPT:
            total += _fault_count(record, wanted, known)
        elif isinstance(record, dict):
            found = Findings.of_drafts(_name_faults(record, names, (i,), left_out))
            kept += found
            total += found.total
        else:
            kept.append(Fault(pointer(i), "type", f"expected an object by feature name, found {kind_of(record)}"))
            total += 1
    return Findings(kept, total)


def _fault_count(record: object, wanted: frozenset[str], known: frozenset[str]) -> int:
    """Count the unknown keys of a record and the features that it lacks, in a time that goes by its own length."""
    if not isinstance(record, dict):
        return 1
    return len(record) - len(known.intersection(record)) + len(wanted) - len(wanted.intersection(record))


def _name_faults(
    found: Mapping[str, object], names: Sequence[str], place: tuple[int, ...], left_out: frozenset[str]
) -> Iterator[Draft]:
    """Name each unknown key with the missing feature it may have meant, then each missing feature."""
    known = left_out.union(names)
    missing = [name for name in names if name not in found]
    for key in found:
        if key not in known:
            yield partial(_unknown_feature, key, missing or names, place)
    for name in missing:
        yield partial(Fault, pointer(*place), "missing_feature", f"{shown(name)} is missing")


def _unknown_feature(key: str, names: Sequence[str], place: tuple[int, ...]) -> Fault:
    is_repeatable = len(key) <= SHOWN_LIMIT and key.isprintable()
    where = pointer(*place, key) if is_repeatable else pointer(*place)
    return Fault(where, "unknown_feature", f"{shown(key)} is not a feature of the model{hint(key, names)}")


def _list_faults(columns: Mapping[str, object], names: Sequence[str]) -> Iterator[Draft]:
    for name in names:
        if not isinstance(columns[name], (list, tuple)):
            detail = f"expected a list of values, found {kind_of(columns[name])}"
            yield partial(Fault, pointer(name), "type", detail)


def _length_faults(columns: Mapping[str, Cells], names: Sequence[str]) -> Iterator[Draft]:
    first = names[0]
    expected = len(columns[first])
    for name in names:
        if (length := len(columns[name])) != expected:
            detail = f"expected {_values(expected)}, as in {shown(first)}, found {length}"
            yield partial(Fault, pointer(name), "ragged", detail)


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"
