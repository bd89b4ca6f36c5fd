"""Columns on their way through scikit-learn's transformers, as what a model file can say of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler

from predictor.wording import shown

__all__ = ["HOLE", "Tracked", "raw_cells", "transformed", "unscaled"]

HOLE = ""  # the category of missing cells, where a pipeline has one
Affine = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Tracked:
    """One raw column: a number that is taken as (value - offset) / scale, or one of the categories."""

    name: str
    source: int  # its place among the raw columns
    offset: float = 0.0
    scale: float = 1.0
    missing: Any = None
    categories: tuple[str, ...] | None = None
    refuses_unknown: bool = False


def raw_cells(X: Any) -> tuple[NDArray[Any], list[str]]:
    """Return the raw cells, (rows, features), and the names of the columns."""
    names = [str(name) for name in X.columns] if hasattr(X, "columns") else None
    raw = np.asarray(X, dtype=object if names is not None else None)
    if raw.ndim != 2 or not len(raw):  # noqa: PLR2004 - a matrix
        raise ValueError(f"X: expected at least one row of (rows, features), found the shape {raw.shape}")
    return raw, names or [f"x{place}" for place in range(raw.shape[1])]


def transformed(step: Any, columns: Sequence[Tracked]) -> list[Tracked]:
    """Return the columns behind a fitted transformer; ValueError names one that a model file has no words for."""
    if step is None or step == "passthrough":
        return list(columns)
    if isinstance(step, Pipeline):
        for _, part in step.steps:
            columns = transformed(part, columns)
        return list(columns)
    if isinstance(step, ColumnTransformer):
        return _side_by_side(step, columns)
    if isinstance(step, SimpleImputer):
        return _imputed(step, columns)
    if isinstance(step, OneHotEncoder):
        return _one_hot(step, columns)
    offset, scale = unscaled(step, len(columns))
    if any(column.categories is not None for column in columns):
        raise ValueError(f"{type(step).__name__} after an encoder of categories cannot be converted")
    return [
        replace(column, offset=column.offset + column.scale * float(o), scale=column.scale * float(s))
        for column, o, s in zip(columns, offset, scale, strict=True)
    ]


def unscaled(step: Any, width: int) -> Affine:
    """Return offset and scale of a fitted scaler, so that its output is (value - offset) / scale."""
    zeros, ones = np.zeros(width), np.ones(width)
    if isinstance(step, StandardScaler):
        return _or(step.mean_ if step.with_mean else None, zeros), _or(step.scale_, ones)
    if isinstance(step, RobustScaler):
        return _or(step.center_, zeros), _or(step.scale_, ones)
    if isinstance(step, MaxAbsScaler):
        return zeros, step.scale_
    if isinstance(step, MinMaxScaler) and not step.clip:
        return -step.min_ / step.scale_, 1 / step.scale_
    known = "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, SimpleImputer, OneHotEncoder, ColumnTransformer"
    raise ValueError(f"{type(step).__name__} cannot be converted; known: {known}, Pipeline")


def _side_by_side(step: ColumnTransformer, columns: Sequence[Tracked]) -> list[Tracked]:
    by_name = {column.name: column for column in columns}
    found: list[Tracked] = []
    for _, part, chosen in step.transformers_:
        if isinstance(part, str) and part == "drop":
            continue
        names = np.atleast_1d(np.arange(len(columns))[chosen] if isinstance(chosen, slice) else chosen)
        if names.dtype == bool:
            names = np.flatnonzero(names)
        taken = [by_name[str(name)] if isinstance(name, str) else columns[int(name)] for name in names.tolist()]
        found += transformed(part, taken)
    sources = [column.source for column in found]
    if len(set(sources)) != len(sources):
        raise ValueError("a column that goes through two transformers side by side cannot be converted")
    return found


def _imputed(step: SimpleImputer, columns: Sequence[Tracked]) -> list[Tracked]:
    if step.add_indicator:
        raise ValueError("SimpleImputer(add_indicator=True) cannot be converted")
    return [
        replace(column, missing=value if isinstance(value, str) else column.offset + column.scale * float(value))
        for column, value in zip(columns, step.statistics_.tolist(), strict=True)
    ]


def _one_hot(step: OneHotEncoder, columns: Sequence[Tracked]) -> list[Tracked]:
    if step.drop is not None or step.handle_unknown not in {"error", "ignore"}:
        raise ValueError("OneHotEncoder with drop, or with other rules for unknown categories, cannot be converted")
    found = []
    for column, known in zip(columns, step.categories_, strict=True):
        categories = tuple(HOLE if _is_missing(value) else value for value in known.tolist())
        odd = [value for value in categories if not isinstance(value, str)]
        if odd:
            what = f"the categories of {shown(column.name)} are not all text"
            raise ValueError(f"{what}: found {odd[0]!r}; convert the column first")
        if len(set(categories)) != len(categories):
            raise ValueError(
                f"the categories of {shown(column.name)} tell empty text, None and NaN apart: use one of them"
            )
        missing = HOLE if any(map(_is_missing, known.tolist())) else column.missing
        refuses = step.handle_unknown == "error"
        found.append(replace(column, categories=categories, missing=missing, refuses_unknown=refuses))
    return found


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _or(value: NDArray[np.float64] | None, default: NDArray[np.float64]) -> NDArray[np.float64]:
    return default if value is None else value
