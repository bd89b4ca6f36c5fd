"""Which rows train and which test: by a seed, or by what is written in the row."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.spellings import number
from training.errors import DataError
from training.table import Column
from training.wording import count

__all__ = ["Parts", "can_stratify", "class_split", "hash_split", "random_split", "row_hashes"]

Rows = NDArray[np.int64]
CELL_BYTES = 9  # one tag and eight bytes of content
NUMBER, TEXT, MISSING = b"n", b"s", b"m"


@dataclass(frozen=True, eq=False)
class Parts:
    """Positions of the rows that train and of those that test."""

    train: Rows
    test: Rows


def random_split(rows: int, *, fraction: float, seed: int, strata: NDArray[Any] | None = None) -> Parts:
    """Split as ``sklearn.model_selection.train_test_split(test_size=fraction, random_state=seed, stratify=strata)``.

    Raises DataError when a part would be empty.
    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - slow to import; a hash split needs none

    if rows < 2 or rows - math.ceil(rows * fraction) < 1:  # noqa: PLR2004 - one for each part
        remedy = "hold out none: --split none --set split.validation=0"
        raise DataError(f"{count(rows, 'row')}: too few to hold out {fraction:g} of them; bring more rows, or {remedy}")
    try:
        train, test = train_test_split(np.arange(rows), test_size=fraction, random_state=seed, stratify=strata)
    except ValueError as error:
        raise DataError(f"{rows} rows cannot be split with {fraction:g} of them held out: {error}") from error
    return Parts(train, test)


def class_split(
    rows: int, *, fraction: float, seed: int, codes: NDArray[np.int64] | None, stratify: bool | None
) -> Parts:
    """Split at random, classes in proportion unless `stratify` is False, or None and some are too small for that.

    `codes` are the classes, (rows,), None for numbers. A class of one row stays with the rows that train: no other
    row could teach it. Raises DataError when a part would be empty.
    """
    if codes is None or stratify is False:
        return random_split(rows, fraction=fraction, seed=seed)
    is_alone = np.bincount(codes)[codes] == 1
    others = np.flatnonzero(~is_alone)
    strata = codes[others] if len(others) and (stratify or can_stratify(codes[others], fraction)) else None
    if not len(others):
        return random_split(rows, fraction=fraction, seed=seed)
    parts = random_split(len(others), fraction=fraction, seed=seed, strata=strata)
    return Parts(np.concatenate([others[parts.train], np.flatnonzero(is_alone)]), others[parts.test])


def can_stratify(strata: NDArray[np.int64], fraction: float) -> bool:
    """Whether every class has two rows at least and both parts have room for every class."""
    counts = np.unique_counts(strata).counts
    smaller = math.floor(len(strata) * min(fraction, 1 - fraction))
    return bool(counts.min() > 1 and smaller >= len(counts))


def hash_split(columns: Sequence[Column], *, fraction: float, seed: int) -> Parts:
    """Split by the content of each row: it stays on its side whatever rows come, go or change places around it.

    Equal rows land on the same side. Raises DataError when a part would be empty.
    """
    is_test = row_hashes(columns, seed=seed) < fraction * 2.0**64
    if is_test.all() or not is_test.any():
        raise DataError(f"{len(is_test)} rows: the hash puts all of them on one side; use --split random")
    return Parts(np.flatnonzero(~is_test), np.flatnonzero(is_test))


def row_hashes(columns: Sequence[Column], *, seed: int) -> NDArray[np.uint64]:
    """Hash every row, (rows,): BLAKE2b of its cells in the order of the columns' names, keyed by the seed.

    A cell is the number that it spells as a little-endian double, a hash of its text, or nothing: the same value
    counts as the same whether its file says 1, 1.0 or "1", and whatever the other cells of its column are.
    """
    ordered = sorted(columns, key=lambda column: column.name)
    cells = np.concatenate([_cells(column) for column in ordered], axis=1)
    key = str(seed).encode()
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8, key=key).digest() for row in cells)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _cells(column: Column) -> NDArray[np.uint8]:
    """Return the canonical bytes of every cell, (rows, CELL_BYTES)."""
    if not column.is_numeric:
        canonical = {cell: _text_cell(cell) for cell in set(column.values.tolist())}
        joined = b"".join(canonical[cell] for cell in column.values.tolist())
        return np.frombuffer(joined, dtype=np.uint8).reshape(-1, CELL_BYTES)
    values = column.values.astype("<f8") + 0.0  # minus zero becomes zero
    is_missing = np.isnan(values)
    cells = np.empty((len(values), CELL_BYTES), dtype=np.uint8)
    cells[:, 0] = np.where(is_missing, ord(MISSING), ord(NUMBER))
    cells[:, 1:] = np.where(is_missing, 0.0, values).astype("<f8").view(np.uint8).reshape(-1, CELL_BYTES - 1)
    return cells


def _text_cell(text: str | None) -> bytes:
    if text is None:
        return MISSING + bytes(CELL_BYTES - 1)
    value = number(text)
    if value is not None:
        return NUMBER + np.array([value + 0.0], dtype="<f8").tobytes()
    return TEXT + hashlib.blake2b(text.encode(), digest_size=CELL_BYTES - 1).digest()
