"""What a cell of text means: a number, a category, or nothing."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from predictor.wording import shown
from training.errors import DataError
from training.table import Column

__all__ = ["MISSING", "number", "typed_column"]

MISSING = frozenset(
    ["", "?", "-", ".", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "missing", "#na", "#null!"]
)
NEARLY_ALL = 0.9  # from here on, text among numbers is taken for a mistake and not for a category
FEW_NUMBERS = 20


def number(text: str) -> float | None:
    """Return the finite number that `text` spells, or None; underscores and words such as "inf" spell none."""
    if "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def typed_column(
    name: str, distinct: Sequence[str], codes: NDArray[np.integer], *, missing: frozenset[str], source: str
) -> Column:
    """Return a numeric column when every cell that is not missing spells a number, else a column of text.

    The cells are ``distinct[codes]``. `missing` holds words for a missing cell, in lower case, beside the usual ones.
    Raises DataError when nearly all cells are numbers: the others are then more likely mistakes than categories.
    """
    words = [cell.strip() for cell in distinct]
    present = [word.lower() not in MISSING and word.lower() not in missing for word in words]
    numbers = [number(word) if is_present else math.nan for word, is_present in zip(words, present, strict=True)]
    bad = [i for i, value in enumerate(numbers) if value is None]
    if not bad:
        return Column(name, np.array(numbers, dtype=np.float64)[codes])
    good = sum(present) - len(bad)
    if good >= FEW_NUMBERS and good >= NEARLY_ALL * sum(present):
        _refuse_mixture(name, words, codes, bad, source)
    cells = np.array([word if is_present else None for word, is_present in zip(words, present, strict=True)], object)
    return Column(name, cells[codes])


def _refuse_mixture(
    name: str, words: Sequence[str], codes: NDArray[np.integer], bad: Sequence[int], source: str
) -> None:
    rows = np.flatnonzero(np.isin(codes, bad))
    first = words[codes[rows[0]]]
    raise DataError(
        f"{source}: column {shown(name)}: expected numbers, found {shown(first)} in data row {rows[0] + 1}"
        f" ({len(rows)} such cells of {len(codes)}); correct them, or call them missing with"
        f" --set data.missing='[\"{first[:64]}\"]'"
    )
