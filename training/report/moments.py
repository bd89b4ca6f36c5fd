"""Columns of dates as numbers, and numbers as dates again."""

import numpy as np
from numpy.typing import NDArray

from predictor.dates import DAY_S, iso, moment
from training.table import Column

__all__ = ["moments", "spelled_moment"]


def moments(column: Column) -> NDArray[np.float64] | None:
    """Return a column of dates as seconds from 1970-01-01, (rows,), NaN where there is none; None for no dates."""
    meaning = column.meaning
    if meaning is None or meaning.kind != "date":
        return None
    read = {cell: moment(cell, meaning.form) for cell in set(column.values.tolist()) if cell is not None}
    return np.array([read.get(cell) for cell in column.values.tolist()], dtype=np.float64)


def spelled_moment(column: Column, seconds: float) -> str:
    """Spell seconds as one of a column's dates, by the day, or by the second where it has times alone."""
    form = "ymd" if column.meaning is None else column.meaning.form
    return iso(float(np.floor(seconds)) if form == "clock" else seconds - seconds % DAY_S, form)
