"""Tables as they come, with categories, dates and holes: encoded as the job encodes them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from predictor import Feature, InputError, NumericFeature, Schema
from predictor.features import DateFeature
from predictor.wording import hint, shown
from training.cookbook import DEFAULT, load_recipe, typed_recipe
from training.decisions import lines
from training.encoding import encode, raw_cells
from training.errors import DataError, RecipeError
from training.estimators.assembling import SeenCells, spacing
from training.inference import describe
from training.kinds import as_asked
from training.recipe import Data, Encoding
from training.sources.cells import typed_column
from training.sources.parquet_files import column_of
from training.table import Column, told_apart

__all__ = ["Encoder", "columns_in", "is_frame", "wants_encoding"]

Matrix = NDArray[Any]
AUTO = "auto"
DATA_KEYS = ("keep", "drop", "kinds", "prune", "rare", "levels")
MATRIX, FEWEST = 2, 2
PLACE = "row {}".format
ON_THE_COMMAND_LINE = re.compile(r"; otherwise --set ('[^']*'|\S+)")
SCALARS = (str, bool, int, float, np.integer, np.floating, np.bool_)


@dataclass(frozen=True, eq=False)
class Encoder:
    """What a table's columns became: the schema of a model file, and a line for each decision."""

    schema: Schema
    decisions: tuple[str, ...]

    @classmethod
    def fitted(cls, columns: Sequence[Column], options: object) -> "Encoder":
        """Decide by all rows of the columns; ``options`` are keys of a recipe's encoding. ValueError for no use."""
        rows = np.arange(len(columns[0].values))
        if len(rows) < FEWEST:
            raise ValueError(f"expected at least {FEWEST} rows to tell what the columns are, found 1 sample")
        data, encoding = _options(options)
        try:
            described = describe(_asked(columns, data), rows, data, encoding)
        except DataError as error:
            raise ValueError(ON_THE_COMMAND_LINE.sub("", str(error))) from error
        said = lines(replace(decision, instead="") for decision in described.decisions)
        pairs = zip(described.schema.features, described.columns, strict=True)
        features = tuple(_tolerant(feature, column) for feature, column in pairs)
        others = (column.name for column in columns if column.name not in described.schema.names)
        schema = Schema(features, tuple(dict.fromkeys(others)))
        return cls(schema, tuple(said))

    def encode(self, columns: Sequence[Column]) -> NDArray[np.float32]:
        """Return X, (rows, width). ValueError for a missing column and a cell that the schema refuses."""
        chosen = self.chosen(columns)
        try:
            return encode(self.schema, chosen, np.arange(len(chosen[0].values)))
        except (DataError, InputError) as error:
            raise ValueError(str(error)) from error

    def chosen(self, columns: Sequence[Column]) -> tuple[Column, ...]:
        """Return the columns of the schema, in its order, with cells of the kind that it takes."""
        by_name = {column.name: column for column in columns}
        found = []
        for feature in self.schema.features:
            if feature.name not in by_name:
                raise ValueError(f"X: expected a column {shown(feature.name)}, found none")
            column = by_name[feature.name]
            try:
                if isinstance(feature, NumericFeature):
                    found.append(as_asked(_read(column), "number", PLACE))
                else:
                    found.append(as_asked(column, "category", PLACE))
            except DataError as error:
                raise ValueError(f"X: {error}") from error
        return tuple(found)

    def seen(self, columns: Sequence[Column]) -> SeenCells:
        """Return evenly spaced rows as a client would send them."""
        chosen = self.chosen(columns)
        rows = len(chosen[0].values)
        return SeenCells([raw_cells(chosen, row) for row in range(0, rows, spacing(rows, len(chosen)))], rows)


def _tolerant(feature: Feature, column: Column) -> Feature:
    """Let a column miss cells that had none in these rows: those of another fold, or of tomorrow, may."""
    if feature.missing is not None:
        return feature
    if isinstance(feature, NumericFeature):
        return replace(feature, missing=float(np.median(column.values)))
    if isinstance(feature, DateFeature):
        return replace(feature, missing="zeros")
    counts = dict(zip(feature.categories, feature.counts, strict=True))
    return replace(feature, missing=max(counts, key=lambda name: counts[name]))


def _options(options: object) -> tuple[Data, Encoding]:
    """Return the keys of a recipe's data and encoding, those of the default recipe where the caller names none."""
    given = dict(options) if isinstance(options, Mapping) else {}
    known = (*DATA_KEYS, *Encoding.model_fields)
    for key in given:
        if key not in known:
            raise ValueError(
                f"encode: expected keys among {', '.join(known)}, found {shown(str(key))}{hint(str(key), known)}"
            )
    usual = load_recipe(DEFAULT)
    data = {key: given.pop(key) for key in DATA_KEYS if key in given}
    values = usual.model_dump(mode="json") | {"data": data, "encoding": usual.encoding.model_dump() | given}
    try:
        recipe = typed_recipe(values, "encode")
    except RecipeError as error:
        raise ValueError(str(error)) from error
    return recipe.data, recipe.encoding


def _asked(columns: Sequence[Column], data: Data) -> list[Column]:
    """Leave out what is to be dropped, and take columns as what the caller says they are."""
    names = [column.name for column in columns]
    for name in (*data.keep, *data.drop, *data.kinds):
        if name not in names:
            raise ValueError(f"encode: there is no column {shown(name)}{hint(name, names)}")
    return [
        as_asked(column, data.kinds[column.name], PLACE) if column.name in data.kinds else _read(column)
        for column in columns
        if column.name not in data.drop
    ]


def _read(column: Column) -> Column:
    """Take text that plainly spells numbers, blanks aside, for numbers, as in a CSV file."""
    if column.is_numeric or column.meaning is not None:
        return column
    words, codes = told_apart(np.where(column.is_missing, "", column.values))
    found = typed_column(column.name, words.tolist(), codes, missing=frozenset())
    return found if found.is_numeric and not found.reading else column


def is_frame(X: Any) -> bool:
    """Tell whether X is a table with named columns of their own types: a DataFrame or an Arrow table."""
    return hasattr(X, "columns") and (hasattr(X, "__arrow_c_stream__") or hasattr(X, "__dataframe__"))


def wants_encoding(option: object, X: Any) -> bool:
    """Decide by the parameter ``encode``: "auto" encodes a table with other columns than numbers, or with holes."""
    if isinstance(option, Mapping) or option is True:
        return True
    if option not in (False, AUTO):
        raise ValueError(f"encode: expected 'auto', True, False or options of the encoding, found {option!r}")
    if option is False or not is_frame(X):
        return False
    return any(_is_mixed(cells) for cells in _arrow(X).columns)


def _is_mixed(cells: pa.ChunkedArray) -> bool:
    kind = cells.type
    is_plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return not is_plain or cells.null_count > 0


def columns_in(X: Any, names: Sequence[str] | None = None) -> tuple[Column, ...]:
    """Return the columns of a table, or of a matrix, (rows, features), of any cells, by these names.

    Raises ValueError for a column of neither numbers, text, categories nor dates.
    """
    if not is_frame(X):
        return tuple(_of_matrix(np.asarray(X), names))
    table = _arrow(X)
    if not table.num_rows:
        raise ValueError(f"Found array with 0 sample(s) (shape={table.shape}) while a minimum of 1 is required.")
    return tuple(_of_arrow(name, cells) for name, cells in zip(table.column_names, table.columns, strict=True))


def _arrow(X: Any) -> pa.Table:
    if not hasattr(X, "iloc"):
        table = X if isinstance(X, pa.Table) else pa.table(X)
        return pa.table([_without_views(cells) for cells in table.columns], table.column_names)
    columns = [X.iloc[:, place] for place in range(X.shape[1])]  # one by one: an error names its column
    names = [str(name) for name in X.columns]
    return pa.table([_array(column, name) for column, name in zip(columns, names, strict=True)], names)


def _without_views(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn views of text, as polars gives it, into text: Arrow has no operators for categories of views."""
    kind = cells.type
    if pa.types.is_string_view(kind):
        return cells.cast(pa.string())
    if not pa.types.is_dictionary(kind) or not pa.types.is_string_view(kind.value_type):
        return cells
    parts = [pa.DictionaryArray.from_arrays(part.indices, part.dictionary.cast(pa.string())) for part in cells.chunks]
    return pa.chunked_array(parts, pa.dictionary(kind.index_type, pa.string()))


def _array(cells: Any, name: str) -> pa.Array:
    if hasattr(cells, "sparse"):  # of a pandas column, where most cells are one value
        cells = cells.sparse.to_dense()
    try:
        return pa.array(cells, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        return _texts(np.asarray(cells, dtype=object), name, error)


def _texts(cells: Matrix, name: str, reason: Exception) -> pa.Array:
    """Take a mixture of numbers and text as text."""
    is_missing = [cell is None or cell != cell for cell in cells.tolist()]  # noqa: PLR0124 - NaN
    if not all(gone or isinstance(cell, SCALARS) for cell, gone in zip(cells.tolist(), is_missing, strict=True)):
        raise ValueError(f"column {shown(name)}: expected numbers, text or dates: {reason}") from reason
    texts = [None if gone else str(cell) for cell, gone in zip(cells.tolist(), is_missing, strict=True)]
    return pa.array(texts, pa.string())


def _of_arrow(name: str, cells: pa.ChunkedArray) -> Column:
    if pa.types.is_null(cells.type):
        return Column(name, np.full(len(cells), None, dtype=object))
    try:
        column = column_of(name, cells, "X")
    except DataError as error:
        raise ValueError(str(error)) from error
    if column is None:
        raise ValueError(f"X: column {shown(name)}: expected numbers, text, categories or dates, found {cells.type}")
    if not pa.types.is_dictionary(cells.type):
        return column
    return as_asked(column, "category", PLACE)


def _of_matrix(X: Matrix, names: Sequence[str] | None) -> list[Column]:
    if X.ndim != MATRIX:
        raise ValueError(f"Expected 2D array, got array with shape {X.shape}: one row is X.reshape(1, -1)")
    names = [f"x{place}" for place in range(X.shape[1])] if names is None else names
    if X.dtype.kind in "fiu":
        if np.isinf(X).any():
            raise ValueError("Input X contains infinity or a value too large for a number.")
        return [Column(name, cells.astype(np.float64)) for name, cells in zip(names, X.T, strict=True)]
    return [_of_arrow(name, pa.chunked_array([_array(cells, name)])) for name, cells in zip(names, X.T, strict=True)]
