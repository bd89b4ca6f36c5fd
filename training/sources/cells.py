"""What a cell of text means: a number, a category, or nothing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from predictor.spellings import ABSENT, MISSING, are_codes, number, spelled_numbers
from predictor.wording import shown
from training.table import Column, Mistake

__all__ = ["NEARLY_ALL", "typed_column"]

NEARLY_ALL = 0.9  # from here on, text among numbers is taken for a mistake and not for a category
FEW_NUMBERS = 20
CODES = "digits with leading zeros: codes, and no numbers"


def typed_column(
    name: str,
    distinct: Sequence[str],
    codes: NDArray[np.integer],
    *,
    missing: frozenset[str],
    prefers_comma: bool = False,
    place: Callable[[int], str] = "data row {}".format,
) -> Column:
    """Return a numeric column when every cell that is not missing spells a number, else a column of text.

    The cells are ``distinct[codes]``. `missing` holds words for a missing cell, in lower case, beside the usual ones;
    `prefers_comma` is that of `spelled_numbers`. Where nearly all cells are numbers, the others are more likely
    mistakes than categories: the column then has a doubt, which names the first by its `place`.
    """
    words = [cell.strip() for cell in distinct]
    present = [place for place, word in enumerate(words) if word.lower() not in MISSING and word.lower() not in missing]
    counts = np.bincount(codes, minlength=len(words))
    values, reading = _values([words[place] for place in present], prefers_comma=prefers_comma)
    bad = [place for place, value in zip(present, values, strict=True) if value is None]
    if bad and {words[place].lower() for place in bad} <= ABSENT and len(bad) < len(present):
        reading = f"{int(counts[bad].sum())} cells such as {shown(words[bad[0]])} taken as missing"
        values, bad = [math.nan if value is None else value for value in values], []
    if not bad and reading != CODES:
        numbers = np.full(len(words), np.nan)
        numbers[present] = np.array(values, dtype=np.float64)
        return Column(name, numbers[codes], reading)
    cells = np.array([None] * len(words), dtype=object)
    cells[present] = [words[place] for place in present]
    column = Column(name, cells[codes], reading)
    good = len(present) - len(bad)
    if bad and good >= FEW_NUMBERS and good >= NEARLY_ALL * len(present):
        column = replace(column, doubt=_mistake(words, codes, bad, place))
    return column


def _mistake(
    words: Sequence[str], codes: NDArray[np.integer], bad: Sequence[int], place: Callable[[int], str]
) -> Mistake:
    """Return what is told of the cells that are no numbers, by the first of them."""
    rows = np.flatnonzero(np.isin(codes, bad))
    return Mistake("a number", words[codes[rows[0]]], place(int(rows[0]) + 1), len(rows), len(codes))


def _values(words: Sequence[str], *, prefers_comma: bool) -> tuple[list[float | None], str]:
    """Return the number that each word spells, or None, and how they are read where that is not plain."""
    plain = [number(word) for word in words]
    if all(value is not None for value in plain):
        return plain, CODES if are_codes(words) else ""
    spelled = spelled_numbers(words, prefers_comma=prefers_comma)
    return (plain, "") if spelled is None else (list(spelled[0]), spelled[1])
