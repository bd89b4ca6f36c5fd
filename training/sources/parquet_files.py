"""Parquet files and folders of them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from predictor.dates import iso
from predictor.wording import shown
from training.errors import DataError
from training.table import Column, Table, checked_names

__all__ = ["column_of", "is_date", "is_number", "is_text", "read_parquet", "table_of"]


def read_parquet(source: str, paths: Sequence[Path]) -> Table:
    """Read Parquet files of one schema, in the order given, as one table.

    Numbers, booleans, strings, dictionaries, dates and timestamps become columns; other types are left out with a
    note. Raises DataError for files that are unreadable, empty, or differ in their columns.
    """
    digest = hashlib.sha256()
    parts: list[pa.Table] = []
    for path in paths:
        data = path.read_bytes()
        digest.update(data)
        try:
            parts.append(parquet.ParquetFile(pa.BufferReader(data)).read(use_threads=False))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path.name}: expected a Parquet file, and it cannot be read: {error}") from error
        if parts[-1].column_names != parts[0].column_names:
            raise DataError(f"{path.name}: expected the columns of {paths[0].name}, found others")
    try:
        table = pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"{source}: the files differ in the type of a column: {error}") from error
    if not table.num_rows or not table.column_names:
        raise DataError(f"{source}: expected rows, found none")
    return table_of(source, table, digest.hexdigest())


def table_of(source: str, table: pa.Table, digest: str) -> Table:
    """Return an Arrow table as a table: numbers and text, other types left out with a note. Raises DataError."""
    columns, notes = [], []
    for name, cells in zip(checked_names(table.column_names, source), table.columns, strict=True):
        column = column_of(name, cells, source)
        if column is None:
            notes.append(f"column {shown(name)} is left out: the type {cells.type} is not supported")
        else:
            columns.append(column)
    if not columns:
        raise DataError(f"{source}: expected columns of numbers or text, found none")
    return Table(source, tuple(columns), digest, notes=tuple(notes))


def column_of(name: str, cells: pa.ChunkedArray, source: str) -> Column | None:
    """Return cells as a column of numbers or text, None for types that are neither. Raises DataError."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    if is_number(cells.type):
        values = pc.cast(cells, pa.float64(), safe=False).to_numpy()
        if np.isinf(values).any():
            raise DataError(f"{source}: column {shown(name)}: expected finite numbers, found an infinity")
        return Column(name, values.astype(np.float64))
    if is_date(cells.type):
        return Column(name, _moments(cells))
    return Column(name, _texts(cells)) if is_text(cells.type) else None


def is_number(kind: pa.DataType) -> bool:
    """Whether cells of an Arrow type, or of a dictionary of it, are numbers."""
    kind = _plain(kind)
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def is_date(kind: pa.DataType) -> bool:
    """Whether they are dates or moments."""
    return bool(pa.types.is_timestamp(_plain(kind)) or pa.types.is_date(_plain(kind)))


def is_text(kind: pa.DataType) -> bool:
    """Whether they are text, or true and false, which become text."""
    kind = _plain(kind)
    return bool(pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _texts(cells: pa.ChunkedArray) -> np.ndarray:
    words = cells.cast(pa.string()).to_pylist()
    return np.array([word.strip() or None if word is not None else None for word in words], dtype=object)


def _moments(cells: pa.ChunkedArray) -> np.ndarray:
    """Write dates and moments, those with a zone in UTC, as ISO 8601."""
    zone = cells.type.tz if pa.types.is_timestamp(cells.type) else None
    seconds = pc.cast(pc.cast(cells, pa.timestamp("s", tz=zone), safe=False), pa.int64()).to_pylist()
    return np.array([None if moment is None else iso(moment, "ymd") for moment in seconds], dtype=object)
