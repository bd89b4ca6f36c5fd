"""`python -m service predict`: a CSV file of rows in, a CSV file of answers out."""

import argparse
import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from service.client import Client, ClientError, Fault, Prediction, RefusedRequestError
from service.table_file import TableFile, TableFileError, cells_for, read_table_file

__all__ = ["predict_file"]

ROW = 2  # its place in a pointer: "", "instances", the row, the name of the column


def predict_file(options: argparse.Namespace) -> int:
    """Predict the rows of a file; return 0, 1 when the service gave no answer, 2 when a file cannot be used."""
    table: TableFile | None = None
    try:
        table = read_table_file(options.file)
        _predict(options, table)
    except RefusedRequestError as error:
        sys.stderr.write("".join(f"{line}\n" for line in _told(error, table)))
        return 1
    except ClientError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BrokenPipeError:  # whoever reads standard output has had enough, which the command as a whole knows
        raise
    except OSError as error:
        is_input = table is None or error.filename == options.api_key_file
        name, verb = (error.filename or options.file, "read") if is_input else (options.output, "written")
        sys.stderr.write(f"{name} cannot be {verb}: {error.strerror or error}\n")
        return 2
    except TableFileError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _predict(options: argparse.Namespace, table: TableFile) -> None:
    key = Path(options.api_key_file).read_text("utf-8").strip() if options.api_key_file else None
    with Client(options.url, timeout_s=options.timeout, batch_rows=options.batch, api_key=key) as client:
        kept = {name: table.column(name) for name in options.keep}
        records = _records(table, client.features(options.model), options.missing)
        with _output(options.output) as file:
            _write(client.predict_batches(records, model=options.model), kept, file, len(records))


def _records(table: TableFile, features: Sequence[Mapping[str, Any]], missing: Sequence[str]) -> list[dict[str, Any]]:
    """Return each row by feature name; other columns are passed over. How a column is read goes to standard error."""
    absent = [feature["name"] for feature in features if feature["name"] not in table.names]
    if absent:
        listed = ", ".join(map(repr, absent))
        found = ", ".join(map(repr, table.names))
        raise TableFileError(
            f"{table.source}: the model needs columns that the file does not have: {listed}; it has {found}"
        )
    words = frozenset(word.lower() for word in missing)
    columns = {}
    for feature in features:
        name = feature["name"]
        columns[name], how = cells_for(feature, table.column(name), prefers_comma=table.prefers_comma, missing=words)
        if how:
            sys.stderr.write(f"{name}: {how}\n")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _told(error: RefusedRequestError, table: TableFile | None) -> Iterator[str]:
    """Say each fault by the line and the column of the file, or what the service said where it names none."""
    if table is None or not error.faults:
        yield str(error)
        return
    for fault in error.faults:
        yield f"{_place(fault, table)}: {fault.detail}"
    if error.count > len(error.faults):
        yield f"and {error.count - len(error.faults)} more cells like these among the rows asked for at once"


def _place(fault: Fault, table: TableFile) -> str:
    parts = fault.pointer.split("/")
    if len(parts) > ROW and parts[1] == "instances" and parts[ROW].isdigit() and int(parts[ROW]) < len(table.lines):
        return f"{table.source}, line {table.lines[int(parts[ROW])]}"
    return f"{table.source} {fault.pointer}".rstrip()


@contextmanager
def _output(name: str | None) -> Iterator[TextIO]:
    """Open where the answers go; a file appears when all is written, and one that was there stays until then."""
    if name is None:
        yield sys.stdout
        return
    path = Path(name)
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with ExitStack() as stack:
        stack.callback(part.unlink, missing_ok=True)
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)


def _write(batches: Iterator[Prediction], kept: Mapping[str, Sequence[str]], output: TextIO, rows: int) -> None:
    """Write answers as they come, behind the kept cells of their rows, with a progress bar on a terminal."""
    writer = csv.writer(output, lineterminator="\n")
    done = 0
    with tqdm(total=rows, unit=" rows", disable=None, file=sys.stderr) as bar:
        for batch in batches:
            if not done:
                writer.writerow([*kept, *_names(batch)])
            for value, row in zip(batch.predictions, batch.probabilities or [[]] * len(batch.predictions), strict=True):
                before = (cells[done] for cells in kept.values())
                writer.writerow([*before, *(value if isinstance(value, list) else [value]), *row])
                done += 1
            bar.update(len(batch.predictions))


def _names(batch: Prediction) -> list[str]:
    """Return the names of the columns of an answer."""
    first = batch.predictions[0]
    if isinstance(first, list):
        return [f"prediction {place}" for place in range(1, len(first) + 1)]
    return ["prediction", *(f"probability of {label}" for label in batch.classes)]
