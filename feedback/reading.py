"""Rows with what turned out to be true of them, for training."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from feedback.records import Shape, Told
from feedback.store import Store

__all__ = ["Example", "examples", "logged_rows", "merged", "newest_shape"]

PAGE = 500
ROWS_AT_ONCE = 10_000
"""Requests are read in pages, their cells in parts of about so many rows: one request may have very many."""

ASKED = """SELECT p.seq, p.version, p.request_id, p.asked, p.shape, p.size FROM ganglion_log_predictions p
    WHERE p.model = ? AND p.seq > ?
    AND EXISTS (SELECT 1 FROM ganglion_log_feedback f
        WHERE f.model = p.model AND f.request_id = p.request_id AND f.told >= ?)
    AND NOT EXISTS (SELECT 1 FROM ganglion_log_predictions q
        WHERE q.model = p.model AND q.request_id = p.request_id AND q.seq > p.seq)
    ORDER BY p.seq LIMIT ?"""
BROUGHT = """SELECT seq, version, told, shape, size, client FROM ganglion_log_feedback
    WHERE model = ? AND seq > ? AND request_id IS NULL AND told >= ? ORDER BY seq LIMIT ?"""


@dataclass(frozen=True)
class Example:
    """One row: its cells in the order of the shape's features, and the truth, a value or a list of one per target.

    `at` is when it was asked for, or told of where it was not asked for, in seconds since 1970; `was_asked` says which.
    """

    shape: str
    version: int | None
    at: float
    cells: list[Any]
    truth: Any
    was_asked: bool


def logged_rows(store: Store, model: str) -> int:
    """Count the rows that a store holds of a model."""
    found = store.read("SELECT COALESCE(SUM(size), 0) FROM ganglion_log_predictions WHERE model = ?", (model,))
    return int(found[0][0])


def newest_shape(store: Store, model: str) -> Shape | None:
    """Return the shape of the rows of a model that were last asked for, or told of; None when there are none."""
    newest: tuple[float, str] | None = None
    for table, time in (("ganglion_log_predictions", "asked"), ("ganglion_log_feedback", "told")):
        known = f"SELECT {time}, shape FROM {table} WHERE model = ? AND shape IS NOT NULL ORDER BY seq DESC LIMIT 1"
        for at, digest in store.read(known, (model,)):
            newest = max(newest or (at, digest), (at, digest))
    return None if newest is None else store.shape(newest[1])


def examples(
    store: Store, model: str, *, since: float = 0.0, clients: frozenset[str] | None = None
) -> Iterator[Example]:
    """Yield every row of a model that something was told of at or after `since`, seconds since 1970.

    First the rows that were asked for, in that order, then those that were told without being asked for. What was told
    last of a row stands; what was told of another number of rows than the request had is left out. Where `clients` is
    given, only what keys of these names told counts.
    """
    yield from _asked(store, model, since, clients)
    yield from _brought(store, model, since, clients)


def _asked(store: Store, model: str, since: float, clients: frozenset[str] | None) -> Iterator[Example]:
    last = 0
    while page := store.read(ASKED, (model, last, since, PAGE)):
        last = page[-1][0]
        for part in _parts(page, size=5):
            told = store.feedback(model, [row[2] for row in part])
            texts = _texts(store, "cells", "ganglion_log_predictions", [row[0] for row in part])
            for seq, version, request_id, asked, shape, size in part:
                if seq not in texts:
                    continue  # it has just been deleted for its age
                truths = merged(_by(told.get(request_id, ()), clients), size)
                for row, truth in zip(json.loads(texts[seq][0]), truths, strict=True):
                    if truth is not None:
                        yield Example(shape, version, asked, row, truth, was_asked=True)


def _brought(store: Store, model: str, since: float, clients: frozenset[str] | None) -> Iterator[Example]:
    last = 0
    while page := store.read(BROUGHT, (model, last, since, PAGE)):
        last = page[-1][0]
        wanted = [row for row in page if clients is None or row[5] in clients]
        for part in _parts(wanted, size=4):
            texts = _texts(store, "cells, truths", "ganglion_log_feedback", [row[0] for row in part])
            for seq, version, told, shape, _, _ in part:
                cells, truths = map(json.loads, texts.get(seq, ("[]", "[]")))
                for row, truth in zip(cells, truths, strict=True):
                    if truth is not None:
                        yield Example(shape, version, told, row, truth, was_asked=False)


def _parts(page: Iterable[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Divide records, whose numbers of rows stand at `size`, into parts of a bounded number of rows, or of one each."""
    part: list[tuple[Any, ...]] = []
    rows = 0
    for record in page:
        if part and rows + record[size] > ROWS_AT_ONCE:
            yield part
            part, rows = [], 0
        part.append(record)
        rows += record[size]
    if part:
        yield part


def _texts(store: Store, columns: str, table: str, numbers: list[int]) -> dict[int, tuple[str, ...]]:
    marks = ", ".join("?" * len(numbers))
    found = store.read(f"SELECT seq, {columns} FROM {table} WHERE seq IN ({marks})", numbers)
    return {row[0]: row[1:] for row in found}


def _by(told: Iterable[Told], clients: frozenset[str] | None) -> list[Told]:
    return [record for record in told if clients is None or record.client in clients]


def merged(told: Iterable[Told], size: int) -> list[Any]:
    """Return what stands of each row, (size,), None where nothing is known: the last that was told."""
    found: list[Any] = [None] * size
    for record in told:
        truths = json.loads(record.truths)
        if len(truths) == size:
            found = [old if new is None else new for old, new in zip(found, truths, strict=True)]
    return found
