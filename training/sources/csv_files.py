"""CSV files, read by Arrow as text so that this project alone decides what a cell means."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from predictor.wording import shown
from training.errors import DataError
from training.sources.cells import typed_column
from training.sources.csv_layout import Layout, check_last, header_of, laid_out, line_of, ragged_row
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
    layout = laid_out(data, source, encoding=encoding, header=header)
    first = header_of(layout.text, layout.delimiter, source)
    names = checked_names(first if layout.headed else [""] * len(first), source)
    cells = _parsed(layout, len(first), source).rename_columns(list(names))
    check_last(layout, cells.num_rows, [column[-1].as_py() for column in cells.columns if len(column)], source)
    digest = hashlib.sha256(data).hexdigest()
    comma, place = layout.delimiter == ";", partial(line_of, layout)
    table = table_of(source, cells, digest, missing=missing, prefers_comma=comma, place=place)
    return replace(table, notes=(*layout.notes, *_about(layout, first, names)))


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


def _about(layout: Layout, first: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """Say which names were made up."""
    if not layout.headed:
        called = f"the columns are called {shown(names[0])} to {shown(names[-1])}"
        yield f"no header: the first line looks like data, so {called}; otherwise --set data.header=true"
        return
    made = [shown(name) for cell, name in zip(first, names, strict=True) if not cell.strip()]
    more = f" and {len(made) - NAMES_SHOWN} more" if len(made) > NAMES_SHOWN else ""
    if made:
        yield f"columns without a name are called {', '.join(made[:NAMES_SHOWN])}{more}"


def _parsed(layout: Layout, width: int, source: str) -> pa.Table:
    data = layout.text.encode()
    # Arrow takes the names by their place, so that two columns without a name do not meet.
    places = [str(place) for place in range(width)]
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(
                # One thread: Arrow's order of work, and so its messages, stay the same from run to run.
                use_threads=False,
                block_size=max(BLOCK_BYTES, len(data) // 64),
                column_names=places,
                skip_rows_after_names=int(layout.headed),
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        ragged = ragged_row(layout)
        raise DataError(f"{source}, {ragged}" if ragged else f"{source}: cannot be read: {error}") from error
