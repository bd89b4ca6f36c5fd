"""NumPy's `.npz` files: X (rows, features), y (rows,), and, if there, names and rows kept for testing."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError
from training.table import Column, Table, checked_names, matrix_columns

__all__ = ["read_npz"]

MATRIX = 2
UNREADABLE = (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError)


def read_npz(path: Path, data: bytes) -> Table:
    """Read `X` and `y`, with `feature_names` and a pair `X_test`, `y_test` when the file has them.

    Object arrays are refused, not unpickled. Raises DataError for anything that is no such file.
    """
    source = path.name
    arrays = _arrays(data, source)
    X, y = _pair(arrays, "X", "y", source)
    is_test = None
    if "X_test" in arrays:
        X_test, y_test = _pair(arrays, "X_test", "y_test", source)
        if X_test.shape[1] != X.shape[1]:
            raise DataError(f"{source}: X_test: expected {X.shape[1]} columns as in X, found {X_test.shape[1]}")
        is_test = np.arange(len(X) + len(X_test)) >= len(X)
        X, y = np.concatenate([X, X_test]), np.concatenate([y, y_test])
    columns = (*matrix_columns(X, _names(arrays, X.shape[1], source)), Column("y", y))
    return Table(source, columns, hashlib.sha256(data).hexdigest(), target="y", is_test=is_test)


def _arrays(data: bytes, source: str) -> Mapping[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except UNREADABLE as error:
        raise DataError(f"{source}: expected an .npz file of plain arrays, and it cannot be read: {error}") from error


def _pair(
    arrays: Mapping[str, NDArray[Any]], inputs: str, target: str, source: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    for name in (inputs, target):
        if name not in arrays:
            raise DataError(f"{source}: expected the arrays X and y, found {', '.join(sorted(arrays)) or 'none'}")
    X, y = arrays[inputs], arrays[target]
    if X.ndim != MATRIX or X.dtype.kind not in "fiu" or not X.size:
        raise DataError(f"{source}: {inputs}: expected (rows, features) numbers, found {X.dtype} {X.shape}")
    if y.ndim == MATRIX and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != (len(X),) or y.dtype.kind not in "fiuUb":
        raise DataError(f"{source}: {target}: expected ({len(X)},) numbers or text, found {y.dtype} {y.shape}")
    for name, values in ((inputs, X), (target, y)):
        if values.dtype.kind == "f" and np.isinf(values).any():
            raise DataError(f"{source}: {name}: expected finite numbers or NaN for missing, found an infinity")
    if y.dtype.kind in "Ub":
        y = y.astype(np.str_).astype(object)
    return X, y


def _names(arrays: Mapping[str, NDArray[Any]], width: int, source: str) -> tuple[str, ...]:
    if "feature_names" not in arrays:
        return tuple(f"x{i}" for i in range(width))
    names = arrays["feature_names"]
    if names.shape != (width,) or names.dtype.kind != "U":
        raise DataError(f"{source}: feature_names: expected ({width},) text, found {names.dtype} {names.shape}")
    return checked_names(names.tolist(), source)
