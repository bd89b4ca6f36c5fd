"""The command ``fetch-feedback``: rows that the service was asked about, with what turned out to be true."""

import argparse
import csv
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feedback import Example, PlaceError, Shape, Store, StoreError, examples, logged_rows, newest_shape, place_of
from predictor.features import spelled
from predictor.wording import hint, shown
from training.errors import DataError

__all__ = ["Fetched", "add_fetch_feedback", "fetch"]

GOOD = 0
BLOCK_ROWS = 10_000
SUFFIXES = (".csv", ".parquet")
Row = list[Any]


@dataclass(frozen=True)
class Fetched:
    """What was written, in rows: `asked` of requests, `brought` of those that came along with their truths.

    `silent` rows were asked for and nothing is known of them; `foreign` ones predict something else than the newest
    do, and are left out; `partial` ones lack a column of the newest, which is missing there.
    """

    asked: int = 0
    brought: int = 0
    silent: int = 0
    foreign: int = 0
    partial: int = 0

    @property
    def rows(self) -> int:
        """All rows that were written."""
        return self.asked + self.brought


def add_fetch_feedback(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command ``fetch-feedback``."""
    parser = commands.add_parser(
        "fetch-feedback",
        help="write a service's rows with what was true of them as a table",
        description=_fetch.__doc__,
    )
    parser.add_argument("store", metavar="STORE", help="the log store: a URL, or the file of SQLite")
    parser.add_argument("out", type=Path, metavar="OUT", help="OUT.csv or OUT.parquet; a file that exists is replaced")
    parser.add_argument("--model", required=True, metavar="NAME", help="the model that was asked")
    parser.add_argument(
        "--since", type=_moment, default=0.0, metavar="DATE",
        help="take what was told at or after this date or time (ISO 8601; UTC unless it says otherwise)",
    )  # fmt: skip
    parser.add_argument(
        "--client", action="append", metavar="KEY", help="take only what keys of this name told; may be repeated"
    )
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="the password of a store in PostgreSQL")
    parser.set_defaults(command=_fetch, interrupted="Interrupted: nothing was written.")


def _fetch(options: argparse.Namespace) -> int:
    """Write rows that a service was asked about, as they were given, with what turned out to be true of them.

    What was told last of a row stands; rows of which nothing is known are left out. The columns are the features of the
    model that was asked last, then its target.
    """
    try:
        place = place_of(options.store, options.password_file)
        with closing(Store(place, patience_s=None, is_read_only=True)) as store:
            clients = None if options.client is None else frozenset(options.client)
            found = fetch(store, options.model, options.out, since=options.since, clients=clients)
    except (PlaceError, StoreError) as error:
        raise DataError(f"the log store: {error}") from error
    sys.stdout.write(_said(found, options.out))
    return GOOD


def fetch(store: Store, model: str, out: Path, *, since: float = 0.0, clients: frozenset[str] | None = None) -> Fetched:
    """Write the rows of a model that something was told of at or after `since`, seconds since 1970.

    Raises DataError when there are none or the file cannot be written, StoreError when the store cannot be read.
    """
    if out.suffix not in SUFFIXES:
        raise DataError(f"{out}: expected a name that ends in {' or '.join(SUFFIXES)}")
    shape = newest_shape(store, model)
    if shape is None:
        raise DataError(_unknown(store, model))
    counts: Counter[str] = Counter()
    rows = _rows(store, shape, examples(store, model, since=since, clients=clients), counts)
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        write = _write_csv if out.suffix == ".csv" else _write_parquet
        write(draft, shape, rows)
        if not counts["asked"] + counts["brought"]:
            when = "" if not since else " since then"
            raise DataError(f"the log store: nothing was told of rows of model {shown(model)}{when}")
        draft.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    is_all = not since and clients is None  # else nobody knows what else is known
    silent = logged_rows(store, model) - counts["known"] if is_all else 0
    return Fetched(counts["asked"], counts["brought"], silent, counts["foreign"], counts["partial"])


def _rows(store: Store, shape: Shape, found: Iterable[Example], counts: Counter[str]) -> Iterator[Row]:
    """Yield cells and targets in the order of a shape's columns, counting what is met."""
    shapes = {shape.id: shape}
    for example in found:
        own = shapes.get(example.shape)
        if own is None:
            own = shapes[example.shape] = store.shape(example.shape)
        counts["known"] += example.was_asked
        if own.targets != shape.targets or (own.labels is None) != (shape.labels is None):
            counts["foreign"] += 1
            continue
        counts["asked" if example.was_asked else "brought"] += 1
        cells = example.cells
        if own.features != shape.features:
            known = dict(zip((name for name, _ in own.features), cells, strict=True))
            counts["partial"] += any(name not in known for name, _ in shape.features)
            cells = [known.get(name) for name, _ in shape.features]
        truths = example.truth if isinstance(example.truth, list) else [example.truth]
        yield [_cell(cell, kind) for cell, (_, kind) in zip(cells, shape.features, strict=True)] + truths


def _cell(cell: Any, kind: str) -> Any:
    """Return a number as it is, anything else as the text that a table has for it."""
    if cell is None or kind == "number":
        return cell
    return spelled(cell) if isinstance(cell, (int, float)) else str(cell)


def _names(shape: Shape) -> list[str]:
    return [*(name for name, _ in shape.features), *shape.targets]


def _write_csv(path: Path, shape: Shape, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_names(shape))
        writer.writerows(rows)


def _write_parquet(path: Path, shape: Shape, rows: Iterable[Row]) -> None:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and CSV needs none of it
    from pyarrow import parquet  # noqa: PLC0415 - as above

    kinds = [pa.float64() if kind == "number" else pa.string() for _, kind in shape.features]
    labels = shape.labels
    is_whole = labels is not None and all(isinstance(label, int) for label in labels)
    target = pa.float64() if labels is None else pa.int64() if is_whole else pa.string()
    kinds += [target] * len(shape.targets)
    schema = pa.schema(list(zip(_names(shape), kinds, strict=True)))
    with parquet.ParquetWriter(path, schema) as writer:
        for block in _blocks(rows):
            columns = zip(*block, strict=True)
            arrays = [pa.array(_typed(column, kind), kind) for column, kind in zip(columns, kinds, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _typed(column: Sequence[Any], kind: Any) -> list[Any]:
    """Return labels of both kinds as texts, and everything else as it is."""
    if str(kind) != "string":
        return list(column)
    return [cell if cell is None else str(cell) for cell in column]


def _blocks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    block: list[Row] = []
    for row in rows:
        block.append(row)
        if len(block) == BLOCK_ROWS:
            yield block
            block = []
    if block:
        yield block


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a date as 2026-11-30, found {shown(text)}") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _unknown(store: Store, model: str) -> str:
    names = [row[0] for row in store.read("SELECT DISTINCT model FROM ganglion_log_predictions ORDER BY model")]
    known = f"; it knows {', '.join(map(shown, names))}" if names else " and of no other"
    return f"the log store has no rows of model {shown(model)}{known}{hint(model, names)}"


def _said(found: Fetched, out: Path) -> str:
    lines = [f"Wrote {_counted(found.rows)} to {out}: {found.asked} asked for, {found.brought} that came along."]
    if found.silent:
        lines.append(f"Nothing is known yet of {_counted(found.silent)} that were asked for.")
    if found.foreign:
        lines.append(f"Left out: {_counted(found.foreign)} of a model that predicted something else.")
    if found.partial:
        lines.append(f"{_counted(found.partial)} of a model with other columns: what it did not have is missing.")
    return "\n".join(lines) + "\n"


def _counted(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"
