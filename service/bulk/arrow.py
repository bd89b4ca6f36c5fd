"""The stream form of Apache Arrow, where pyarrow is installed.

Compressed streams are refused: nothing bounds what they grow to.
"""

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from predictor import InputError, Schema
from predictor.wording import shown
from service.bodies.answers import Outputs
from service.bodies.instances import Instances, encoded
from service.bodies.pieces import spans
from service.bulk.csv_text import column_names
from service.problems import Problem, not_fitting, one_fault
from service.versions.catalog import Served

__all__ = ["read", "write"]

RECORD_BATCH, DICTIONARY_BATCH = 3, 2
HEADER_TYPE, HEADER, BATCH_OF_DICTIONARY = 1, 2, 1  # fields of the messages' tables
LENGTH, COMPRESSION = 0, 3


def read(body: bytes, schema: Schema, max_rows: int, _parameters: Mapping[str, str]) -> Instances:
    """Read columns by feature name; faults point at /column/row, nulls are missing values."""
    pa = _pyarrow(415)
    table = _table(pa, body, max_rows)
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in columns:
            raise one_fault(422, "", "duplicate_feature", f"{shown(name)} stands more than once")
        columns[name] = column
    if not table.num_rows:
        raise one_fault(422, "", "empty", "expected at least one row, found none")
    if schema.is_numeric and columns.keys() == frozenset(schema.names):
        numbers = _numbers(pa, columns, schema, table.num_rows)
        if numbers is not None:
            try:
                return Instances(schema.encode_numbers(numbers, "columns"), "columns", cells=numbers)
            except InputError as error:
                raise not_fitting(error, "") from error
    lists = {name: [] if name in schema.others else _cells(pa, column) for name, column in columns.items()}
    return encoded("columns", lists, schema, place="", max_rows=max_rows)


def write(served: Served, outputs: Outputs) -> bytes:
    """Write the prediction of each row and the probabilities of the classes, one column each."""
    pa = _pyarrow(406)
    probabilities = outputs.probabilities
    if outputs.labels is None:
        columns = list(np.asarray(outputs.values).reshape(len(outputs.values), -1).T)
    else:
        labels = outputs.labels.labels
        is_whole = all(isinstance(label, int) for label in labels)
        known = pa.array(labels if is_whole else list(map(str, labels)))
        columns = [known.take(pa.array(outputs.labels.codes(outputs.values)))]
        columns += [] if probabilities is None else list(probabilities.T)
    arrays = [pa.array(np.ascontiguousarray(c)) if isinstance(c, np.ndarray) else c for c in columns]
    batch = pa.record_batch(arrays, names=column_names(served, outputs))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _pyarrow(status: int) -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional, and imported when the first such request comes
    except ImportError as error:
        detail = "Arrow streams need pyarrow, which is not installed here: choose another form."
        raise Problem(status, detail) from error
    return pa


def _table(pa: Any, body: bytes, max_rows: int) -> Any:
    try:
        _check_messages(pa, body, max_rows)
        with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
            _check_types(pa, reader.schema)
            table = reader.read_all()
        table.validate(full=True)
        return _with_dates_as_text(pa, table)
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        raise Problem(400, "The body is not a valid Arrow stream.") from error


def _with_dates_as_text(pa: Any, table: Any) -> Any:
    if not any(pa.types.is_temporal(field.type) for field in table.schema):
        return table
    kinds = [pa.string() if pa.types.is_temporal(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(list(zip(table.column_names, kinds, strict=True))))


def _check_messages(pa: Any, body: bytes, max_rows: int) -> None:
    """Look at every message before anything is built from it: no compression, no more rows than allowed."""
    rows = 0
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(body)):
        metadata = bytes(message.metadata)
        kind, table = _header(metadata)
        if kind == DICTIONARY_BATCH:
            table = _follow(metadata, _field(metadata, table, BATCH_OF_DICTIONARY))
        elif kind == RECORD_BATCH:
            rows += _length(metadata, table)
        else:
            continue
        if _field(metadata, table, COMPRESSION):
            raise one_fault(422, "", "compression", "expected a stream without compression of its buffers")
        if max(rows, _length(metadata, table)) > max_rows:
            raise one_fault(422, "", "rows", f"expected at most {max_rows} rows, found more")


def _header(metadata: bytes) -> tuple[int, int]:
    """Return the kind of a message and where the table of its header stands."""
    root = _follow(metadata, 0)
    kind = _field(metadata, root, HEADER_TYPE)
    return metadata[kind] if kind else 0, _follow(metadata, _field(metadata, root, HEADER))


def _length(metadata: bytes, table: int) -> int:
    place = _field(metadata, table, LENGTH)
    return int(struct.unpack_from("<q", metadata, place)[0]) if place else 0


def _field(metadata: bytes, table: int, index: int) -> int:
    """Return where a field of a flatbuffer's table stands, 0 when it is absent."""
    vtable = table - int(struct.unpack_from("<i", metadata, table)[0])
    if vtable < 0 or 4 + 2 * index >= struct.unpack_from("<H", metadata, vtable)[0]:
        return 0
    offset = int(struct.unpack_from("<H", metadata, vtable + 4 + 2 * index)[0])
    return table + offset if offset else 0


def _follow(metadata: bytes, place: int) -> int:
    return place + int(struct.unpack_from("<I", metadata, place)[0])


def _check_types(pa: Any, schema: Any) -> None:
    for field in schema:
        kind = field.type
        value = kind.value_type if pa.types.is_dictionary(kind) else kind
        is_text = pa.types.is_string(value) or pa.types.is_large_string(value)
        is_number = pa.types.is_integer(value) or pa.types.is_floating(value)
        is_date = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
        if not (is_text or is_number or is_date or pa.types.is_null(value) or pa.types.is_boolean(value)):
            found = str(kind)[:32]
            detail = f"expected columns of numbers, text or dates, {shown(field.name)} is {found}"
            raise one_fault(422, "", "type", detail)


def _cells(pa: Any, column: Any) -> list[Any]:
    """Return a column as a list; equal entries of a dictionary are one text, not a copy for each row."""
    if not pa.types.is_dictionary(column.type):
        return [cell for some in spans(len(column)) for cell in column[some].to_pylist()]
    cells: list[Any] = []
    for chunk in column.chunks:
        texts = chunk.dictionary.to_pylist()
        cells += [None if code is None else texts[code] for code in chunk.indices.to_pylist()]
    return cells


def _numbers(pa: Any, columns: Mapping[str, Any], schema: Schema, rows: int) -> "np.ndarray[Any, Any] | None":
    """Return the columns as one matrix in schema order with NaN for nulls; None unless all are plain numbers."""
    kinds = [columns[name].type for name in schema.names]
    if not all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds):
        return None
    values = np.empty((rows, len(kinds)))
    for index, name in enumerate(schema.names):
        values[:, index] = columns[name].to_numpy(zero_copy_only=False)
    return values
