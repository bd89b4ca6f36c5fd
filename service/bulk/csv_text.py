"""Comma-separated values by RFC 4180, with or without a line of names."""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from io import StringIO
from itertools import chain, islice
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from predictor import CategoricalFeature, Feature, NumericFeature, Schema
from predictor.spellings import MISSING
from service.bodies.answers import Outputs
from service.bodies.instances import Instances, encoded, plain_instances
from service.bodies.pieces import lines_of, released, spans
from service.computing.courtesy import make_way
from service.problems import Problem, one_fault
from service.versions.catalog import Served

__all__ = ["column_names", "numbers_as_text", "read", "read_table", "write", "write_predictions"]

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
OF_NUMBERS = b"0123456789.,eE+-\r\n"
OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
MARK = "\ufeff"
LINE_END = "\r\n"
PIECE_LINES = 64


def read(body: bytes, schema: Schema, max_rows: int, parameters: Mapping[str, str]) -> Instances:
    """Read rows; the first line is one of names unless `header=absent` or its cells are values.

    Faults point at /column/row below a line of names, else at /row/column. Rows count from 0.
    """
    return read_table(body, schema, max_rows, parameters.get("header"))


def read_table(
    body: bytes, schema: Schema, max_rows: int, header: str | None = None, *, ignores_others: bool = False
) -> Instances:
    """Read rows; `header` is "present", "absent" or None to find out, `ignores_others` passes over unknown columns."""
    if header != "present" and not any(piece.translate(None, OF_NUMBERS) for piece in lines_of(body)):
        plain = _plain(body, schema, max_rows)
        if plain is not None:
            return plain
    lines = _lines(body, max_rows)
    _check_delimiter(lines[0], schema)
    if header == "present" or (header is None and _is_header(lines[0], schema)):
        return _named(lines, schema, max_rows, ignores_others=ignores_others)
    if len(lines) > max_rows:
        raise _too_many(max_rows)
    cells = list(map(_cell_of, schema.features))
    rows: list[list[Any]] = []
    for some in spans(len(lines)):
        rows += [
            [cell(text) for cell, text in zip(cells, line, strict=True)] if len(line) == len(cells) else list(line)
            for line in lines[some]
        ]
    released(lines)
    return encoded("rows", rows, schema, place="", max_rows=max_rows)


def write(served: Served, outputs: Outputs) -> bytes:
    """Write a line of names, then the prediction of each row and the probabilities of the classes, if there are any."""
    names = _line(column_names(served, outputs))
    return b"".join([names, b"\n", *_written(outputs, outputs.probabilities)])


def write_predictions(outputs: Outputs) -> bytes:
    """Write the predictions alone, one row a line, without a line of names."""
    return b"".join(list(_written(outputs, None)))


def column_names(served: Served, outputs: Outputs) -> list[str]:
    """Return the names of the columns of an answer."""
    if outputs.classes is None:
        targets = getattr(served.predictor.outputs, "targets", ())
        return ["prediction"] if len(targets) == 1 else [f"prediction of {target}" for target in targets]
    names = ["prediction"]
    if outputs.probabilities is not None:
        names += [f"probability of {label}" for label in outputs.classes]
    return names


def _written(outputs: Outputs, probabilities: NDArray[Any] | None) -> Iterator[bytes]:
    predictions = outputs.predictions
    quoted = {label: _line([str(label)]) for label in outputs.classes or ()}
    for some in spans(len(outputs.values)):
        if outputs.classes is None:
            lines = numbers_as_text(outputs.values[some])
        else:
            lines = [quoted[label] for label in predictions[some]]
        if probabilities is not None:
            numbers = numbers_as_text(probabilities[some])
            lines = [label + b"," + row for label, row in zip(lines, numbers, strict=True)]
        yield b"\n".join((*lines, b""))


def numbers_as_text(values: Any) -> list[bytes]:
    """Return each row of numbers as text with commas between: what JSON writes between two brackets."""
    matrix = np.ascontiguousarray(values).reshape(len(values), -1)
    return orjson.dumps(matrix, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")


def _line(cells: Sequence[str]) -> bytes:
    """Return cells as a line without its end; what would end a line is quoted."""
    file = StringIO()
    csv.writer(file, lineterminator=LINE_END).writerow(cells)
    return file.getvalue().removesuffix(LINE_END).encode()


def _plain(body: bytes, schema: Schema, max_rows: int) -> Instances | None:
    """Read lines of numbers and nothing else by way of JSON; None for what JSON writes in another way."""
    rows = [piece.replace(b"\r\n", b"\n").replace(b"\n", b"],[") for piece in lines_of(body.strip(b"\r\n"))]
    return plain_instances(b"".join((b'{"instances":[[', *rows, b"]]}")), schema, max_rows)


def _lines(body: bytes, max_rows: int) -> list[list[str]]:
    """Return at most one line more than a line of names and `max_rows`."""
    try:
        texts = [piece.decode() for piece in lines_of(body)]
        texts[0] = texts[0].removeprefix(MARK)
        reader = csv.reader(chain.from_iterable(StringIO(text, newline="") for text in texts), strict=True)
        lines: list[list[str]] = []
        while some := list(islice(filter(None, reader), min(PIECE_LINES, max_rows + 2 - len(lines)))):
            lines += some
            make_way()
    except UnicodeDecodeError as error:
        raise Problem(400, "The body is not valid UTF-8.") from error
    except csv.Error as error:
        raise Problem(
            400, "The body is not valid CSV: a quote or a line is malformed, or a cell is too long."
        ) from error
    if not lines:
        raise one_fault(422, "", "empty", "expected at least one row, found none")
    return lines


def _check_delimiter(line: Sequence[str], schema: Schema) -> None:
    """Name what separates the cells where it is plainly no comma; "a;b;c" would be one cell of text."""
    found = next((mark for mark in OTHER_DELIMITERS if len(line) == 1 and line[0].count(mark)), None)
    if found is not None and line[0].count(found) == len(schema.names) - 1:
        raise one_fault(422, "", "delimiter", f"expected commas between the cells, found {OTHER_DELIMITERS[found]}")


def _is_header(line: Sequence[str], schema: Schema) -> bool:
    """Tell whether a line names columns: it holds a feature's name, or text where each feature is a number."""
    names = frozenset(schema.names)
    if any(text in names for text in line):
        return True
    return schema.is_numeric and not any(NUMBER.fullmatch(t.strip()) or t.strip().lower() in MISSING for t in line)


def _named(lines: list[list[str]], schema: Schema, max_rows: int, *, ignores_others: bool) -> Instances:
    names, rows = lines.pop(0), lines
    if len(rows) > max_rows:
        raise _too_many(max_rows)
    if len(set(names)) != len(names):
        raise one_fault(422, "", "duplicate_feature", "a name stands more than once in the first line")
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise one_fault(422, f"/{number}", "width", f"expected {len(names)} cells, found {len(row)}")
    features = {feature.name: feature for feature in schema.features}
    columns: dict[str, list[Any]] = {}
    for index, name in enumerate(names):
        if name in features:
            columns[name] = _column(rows, index, _cell_of(features[name]))
        elif not ignores_others:
            columns[name] = []
    released(rows)
    return encoded("columns", columns, schema, place="", max_rows=max_rows)


def _column(rows: Sequence[Sequence[str]], index: int, cell: Callable[[str], Any]) -> list[Any]:
    values: list[Any] = []
    for some in spans(len(rows)):
        values += [cell(row[index]) for row in rows[some]]
    return values


def _cell_of(feature: Feature) -> Callable[[str], float | str | None]:
    """Return what turns the text of a cell into a number, a text, or None where it is missing."""
    if isinstance(feature, NumericFeature):
        return _number
    return partial(_category, feature) if isinstance(feature, CategoricalFeature) else _text


def _category(feature: CategoricalFeature, text: str) -> float | str | None:
    """Return a known category, or what the schema may know it by: without spaces around, or as a number."""
    stripped = text if text in feature.codes else text.strip()
    if feature.takes_numbers and stripped not in feature.codes and NUMBER.fullmatch(stripped):
        return float(stripped)
    return None if stripped not in feature.codes and stripped.lower() in MISSING else stripped


def _text(text: str) -> str | None:
    return None if text.strip().lower() in MISSING else text


def _number(text: str) -> float | str | None:
    stripped = text.strip()
    if NUMBER.fullmatch(stripped):
        return float(stripped)
    return None if stripped.lower() in MISSING else text


def _too_many(max_rows: int) -> Problem:
    return one_fault(422, "", "rows", f"expected at most {max_rows} rows, found more")
