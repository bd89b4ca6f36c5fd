"""CSV files, read by Arrow as text so that this project alone decides what a cell means."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from predictor.wording import shown
from training.errors import DataError
from training.sources.cells import typed_column
from training.sources.csv_layout import decoded, delimiter_of, has_header, header_of, line_of, rows_of
from training.table import Table, checked_names

__all__ = ["read_csv", "table_of"]

NAMES_SHOWN = 6
BLOCK_BYTES = 2**24


def read_csv(
    path: Path,
    data: bytes,
    *,
    missing: frozenset[str] = frozenset(),
    encoding: str | None = None,
    header: bool | None = None,
) -> Table:
    """Read CSV text separated by commas, semicolons, tabs or bars.

    Encoding and header are inferred where None; columns without a name are called by their place. Raises DataError,
    with the line where there is one, for what is no such table.
    """
    source = path.name
    text, note = decoded(data, source, encoding)
    delimiter = delimiter_of(text)
    first = header_of(text, delimiter, source)
    headed = has_header(text, delimiter) if header is None else header
    names = checked_names(first if headed else [""] * len(first), source)
    cells = _parsed(text, first, delimiter, source, headed=headed).rename_columns(list(names))
    place = line_of(text, delimiter, headed=headed)
    digest = hashlib.sha256(data).hexdigest()
    table = table_of(source, cells, digest, missing=missing, prefers_comma=delimiter == ";", place=place)
    return replace(table, notes=tuple(filter(None, (note, _about_names(first, names, headed=headed)))))


def table_of(
    source: str,
    cells: pa.Table,
    digest: str,
    *,
    missing: frozenset[str] = frozenset(),
    prefers_comma: bool = False,
    place: Callable[[int], str] = "data row {}".format,
) -> Table:
    """Return columns of text as the columns that they spell; see `typed_column`. Raises DataError without rows."""
    if not cells.num_rows:
        raise DataError(f"{source}: expected rows below the header, found none")
    columns = []
    for name, words in zip(cells.column_names, cells.columns, strict=True):
        encoded = words.combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        known = encoded.dictionary.to_pylist()
        columns.append(typed_column(name, known, codes, missing=missing, prefers_comma=prefers_comma, place=place))
    return Table(source, tuple(columns), digest, place=place)


def _about_names(first: Sequence[str], names: Sequence[str], *, headed: bool) -> str:
    """Say which names were made up, or nothing."""
    if not headed:
        return (
            f"no header: the first line looks like data, so the columns are called {shown(names[0])} to"
            f" {shown(names[-1])}; otherwise --set data.header=true"
        )
    made = [shown(name) for cell, name in zip(first, names, strict=True) if not cell.strip()]
    more = f" and {len(made) - NAMES_SHOWN} more" if len(made) > NAMES_SHOWN else ""
    return f"columns without a name are called {', '.join(made[:NAMES_SHOWN])}{more}" if made else ""


def _parsed(text: str, first: Sequence[str], delimiter: str, source: str, *, headed: bool) -> pa.Table:
    data = text.encode()
    # Arrow takes the names by their place, so that two columns without a name do not meet.
    places = [str(place) for place in range(len(first))]
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(
                # One thread: Arrow's order of work, and so its messages, stay the same from run to run.
                use_threads=False,
                block_size=max(BLOCK_BYTES, len(data) // 64),
                column_names=places,
                skip_rows_after_names=int(headed),
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(
            _ragged_row(text, delimiter, source, headed=headed) or f"{source}: cannot be read: {error}"
        ) from error


def _ragged_row(text: str, delimiter: str, source: str, *, headed: bool) -> str | None:
    """Name the first row whose number of cells differs from the first's; Arrow counts rows, people count lines."""
    expected = 0
    for row, cells in enumerate(rows_of(text, delimiter)):
        expected = expected or len(cells)
        if len(cells) != expected:
            where = line_of(text, delimiter, headed=True)(row)
            first = "header" if headed else "first line"
            return f"{source}, {where}: expected {expected} cells as in the {first}, found {len(cells)}"
    return None
