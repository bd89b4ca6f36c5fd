"""`python -m service predict`: a CSV file of rows in, a CSV file of answers out."""

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from service.client import Client, ClientError, Prediction

__all__ = ["predict_file"]

MISSING = frozenset({"", "na", "nan", "null", "none"})


def predict_file(options: argparse.Namespace) -> int:
    """Predict the rows of a file; return 0, 1 when the service gave no answer, 2 when the file cannot be used."""
    try:
        header, rows = read_rows(options.file)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sys.stderr.write(f"{options.file} cannot be read: {reason}\n")
        return 2
    with ExitStack() as stack:
        client = stack.enter_context(Client(options.url, timeout_s=options.timeout, batch_rows=options.batch))
        try:
            chosen = wanted_columns(client, options.model, header)
            named = [{name: typed(row[i], kind) for name, i, kind in chosen} for row in rows]
            output = open_output(options.output, stack)
            write(client.predict_batches(named, model=options.model), len(rows), output)
        except ClientError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    return 0


def read_rows(name: str) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a CSV file; ValueError when it holds none or a row is of another width."""
    with ExitStack() as stack:
        file = sys.stdin if name == "-" else stack.enter_context(Path(name).open(encoding="utf-8-sig", newline=""))
        lines = [line for line in csv.reader(file, strict=True) if line]
    if len(lines) < 2:  # noqa: PLR2004 - a header and a row
        raise ValueError("it needs a line with the names of its columns and at least one row")
    header, rows = lines[0], lines[1:]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} values, the first line names {len(header)} columns")
    return header, rows


def wanted_columns(client: Client, model: str | None, header: Sequence[str]) -> list[tuple[str, int, str]]:
    """Return the name, the place and the kind of every column that is a feature; other columns are passed over.

    ValueError names the features that the file has no column for.
    """
    features = client.features(model)
    absent = [feature["name"] for feature in features if feature["name"] not in header]
    if absent:
        raise ValueError(f"The model needs columns that the file does not have: {', '.join(map(repr, absent))}.")
    return [(feature["name"], header.index(feature["name"]), feature["type"]) for feature in features]


def typed(text: str, kind: str) -> Any:
    """Return a cell as the service wants it: a number, a category, None for a missing value."""
    if text.strip().lower() in MISSING:
        return None
    if kind != "number":
        return text
    try:
        return float(text)
    except ValueError:
        return text  # the service says which row and which column hold it


def open_output(name: str | None, stack: ExitStack) -> TextIO:
    """Return where the answers go."""
    return sys.stdout if name is None else stack.enter_context(Path(name).open("w", encoding="utf-8", newline=""))


def write(batches: Iterator[Prediction], rows: int, output: TextIO) -> None:
    """Write answers as they come, with a progress bar on a terminal."""
    writer = csv.writer(output, lineterminator="\n")
    is_first = True
    with tqdm(total=rows, unit=" rows", disable=None, file=sys.stderr) as bar:
        for batch in batches:
            if is_first:
                writer.writerow(["prediction", *(f"probability of {label}" for label in batch.classes)])
                is_first = False
            probabilities = batch.probabilities or [[]] * len(batch.predictions)
            for value, row in zip(batch.predictions, probabilities, strict=True):
                writer.writerow([*(value if isinstance(value, list) else [value]), *row])
            bar.update(len(batch.predictions))
