"""The job: from a table to a published model. ``python -m training --help`` says how.

This module imports nothing, so that ``__main__`` can choose the number of BLAS threads before NumPy is loaded; the
estimators are looked up when they are asked for.
"""

from typing import Any

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn", "publish"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from training import estimators  # noqa: PLC0415 - at the first use

    return getattr(estimators, name)
