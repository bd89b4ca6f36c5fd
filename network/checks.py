"""Checks of the options that the small frozen values of this package carry."""

import math

__all__ = ["at_least", "between", "positive"]


def positive(**options: float) -> None:
    """Raise ValueError for the first option that is not a finite number above zero."""
    for name, value in options.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: expected a number above 0, found {value!r}")


def at_least(lowest: float, **options: float) -> None:
    """Raise ValueError for the first option that is not a finite number of at least ``lowest``."""
    for name, value in options.items():
        if not (math.isfinite(value) and value >= lowest):
            raise ValueError(f"{name}: expected a number of at least {lowest}, found {value!r}")


def between(low: float, high: float, **options: float) -> None:
    """Raise ValueError for the first option outside low <= value < high."""
    for name, value in options.items():
        if not low <= value < high:
            raise ValueError(f"{name}: expected a number of at least {low} and under {high}, found {value!r}")
