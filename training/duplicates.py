"""Columns that say what another column says already."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.table import Column

__all__ = ["duplicates"]

MOST_LEVELS = 1000


def duplicates(columns: Sequence[Column]) -> dict[str, str]:
    """Return by name the columns that repeat an earlier one, whose name is the value.

    Equal cells make a double, and so do categories that stand for each other one to one, as the codes of names do.
    """
    first: dict[bytes, Column] = {}
    found: dict[str, str] = {}
    has_text = any(not column.is_numeric for column in columns)
    for column in columns:
        # Numbers alone are never renamed, and by the hundred they would be sorted for nothing.
        known = (_equal(column), _renamed(column) if has_text else None)
        signatures = [signature for signature in known if signature]
        others = [first[signature] for signature in signatures if signature in first]
        alike = [other for other in others if _may_stand(column, other)]
        if alike:
            found[column.name] = alike[0].name
            continue
        for signature in signatures:
            first.setdefault(signature, column)
    return found


def _may_stand(column: Column, other: Column) -> bool:
    """Whether one to one is enough: two columns of numbers must be equal, as their sizes mean something."""
    if column.is_numeric and other.is_numeric:
        return _equal(column) == _equal(other)
    return True


def _equal(column: Column) -> bytes | None:
    if not column.is_numeric:
        return None
    values = column.values.astype(np.float64) + 0.0
    return hashlib.blake2b(values.tobytes(), digest_size=16).digest()


def _renamed(column: Column) -> bytes | None:
    """Hash the cells as numbers in the order of their first appearance; None for too many different ones."""
    cells = column.values
    codes = _coded(cells) if not column.is_numeric else np.unique(cells.astype(np.float64), return_inverse=True)[1]
    levels = int(codes.max()) + 1
    if not 1 < levels <= MOST_LEVELS or levels > len(codes) / 2:
        return None
    _, first = np.unique(codes, return_index=True)
    order = np.empty(levels, dtype=np.int64)
    order[np.argsort(first)] = np.arange(levels)
    return b"levels" + hashlib.blake2b(order[codes].tobytes(), digest_size=16).digest()


def _coded(cells: NDArray[np.object_]) -> NDArray[np.int64]:
    places: dict[str | None, int] = {}
    return np.array([places.setdefault(cell, len(places)) for cell in cells.tolist()], dtype=np.int64)
