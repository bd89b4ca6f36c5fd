"""The first pass over a large table: a sample to decide by, and what must be known of all rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from predictor.spellings import number
from training.errors import DataError
from training.progress import Reading
from training.sources.cells import NEARLY_ALL
from training.sources.chunked import ChunkedTable
from training.streaming.chance import uniform
from training.table import Column, Mistake, Table

__all__ = ["Survey", "survey"]

SAMPLE_ROWS = 100_000
RAW_BYTES = 24  # of a cell: as it was read, and as a column
TEXT_COPIES = 3  # a text: as it was read, as Python's own, and while columns are judged
WITNESSES = 1_000
"""Different texts of a column, or values of the target, that are sure to be in the sample."""
SURELY_TEXT = 1_000


@dataclass(frozen=True, eq=False)
class Survey:
    """What the first pass found.

    `table` is the sample, `cells` the same rows as they were read, `positions` (rows,) where they stand in the whole,
    which has `rows` rows. `ranges` are the smallest and largest number of each column that holds numbers, `counted`
    the columns that number the rows.
    """

    table: Table
    cells: pa.Table
    positions: NDArray[np.int64]
    rows: int
    ranges: Mapping[str, tuple[float, float]]
    counted: frozenset[str]


def survey(chunked: ChunkedTable, *, target: str | None, seed: int, most_bytes: int, on_rows: Reading) -> Survey:
    """Read a table once, and draw a sample of at most about so many bytes.

    Raises DataError for what is no table, in words that name the place.

    The sample is drawn by position, each row being as likely as any other, and holds beside that a witness of every
    text (of the first thousand of a column), of every value of the target, and of missing cells in every column that
    has some: so that what is decided by the sample is decided as by the whole.
    """
    columns = [_Column(name, is_target=name == target) for name in chunked.names]
    drawn = _Drawn(seed, most_bytes // (RAW_BYTES * len(chunked.names)), most_bytes // TEXT_COPIES)
    for chunk in chunked.chunks():
        witnesses: set[int] = set()
        for column in columns:
            witnesses.update(column.see(chunked, chunk[column.name], drawn.seen))
        drawn.see(chunk, witnesses)
        on_rows(drawn.seen, "looking at the table")
    if not drawn.seen:
        raise DataError(f"{chunked.source}: expected rows, found none")
    cells, positions = drawn.sample()
    table = chunked.table(cells, chunked.digest())
    by_name = {column.name: column for column in columns}
    seen = [by_name[column.name] for column in table.columns]
    return Survey(
        table=replace(table, columns=tuple(map(_with_doubt, table.columns, seen, repeat(chunked)))),
        cells=cells,
        positions=positions,
        rows=drawn.seen,
        ranges=dict(_ranges(table, seen)),
        counted=frozenset(column.name for column in columns if column.counts and column.numbers == drawn.seen),
    )


def _ranges(table: Table, seen: Sequence["_Column"]) -> Iterator[tuple[str, tuple[float, float]]]:
    for column, known in zip(table.columns, seen, strict=True):
        # Numbers that are spelled in another way were not seen as what they are.
        if column.is_numeric and not column.reading and known.low <= known.high:
            yield column.name, (known.low, known.high)


def _with_doubt(column: Column, seen: "_Column", chunked: ChunkedTable) -> Column:
    """Return a column whose doubt, if it has one, names the first such cell of the whole and counts all."""
    if column.doubt is None or not seen.texts:
        return column
    row, cell = seen.first_text
    where = chunked.place(row + 1)
    return replace(column, doubt=Mistake(column.doubt.expected, cell, where, seen.texts, seen.numbers + seen.texts))


class _Drawn:
    """Rows drawn by position: those of the smallest chance, and witnesses."""

    def __init__(self, seed: int, rows: int, most_bytes: int) -> None:
        self.seen = 0
        self._size = min(rows, SAMPLE_ROWS)
        self._most_bytes = most_bytes
        self._seed = seed
        self._limit = 1.0
        self._parts: list[pa.Table] = []
        self._positions = np.empty(0, np.int64)
        self._chances = np.empty(0)
        self._is_witness = np.empty(0, np.bool_)

    def see(self, chunk: pa.Table, witnesses: set[int]) -> None:
        """Draw from the next rows."""
        positions = np.arange(self.seen, self.seen + chunk.num_rows)
        self.seen += chunk.num_rows
        chances = uniform(positions, seed=self._seed, purpose="sample")
        is_witness = np.zeros(chunk.num_rows, np.bool_)
        is_witness[sorted(witnesses)] = True
        rows = np.flatnonzero((chances < self._limit) | is_witness)
        self._parts.append(chunk.take(rows))
        self._positions = np.concatenate([self._positions, positions[rows]])
        self._chances = np.concatenate([self._chances, chances[rows]])
        self._is_witness = np.concatenate([self._is_witness, is_witness[rows]])
        held = sum(part.nbytes for part in self._parts)
        if held > 2 * self._most_bytes:  # long texts
            self._size = min(self._size, len(self._positions) * self._most_bytes // held)
        if np.count_nonzero(self._chances < self._limit) > 2 * self._size:
            self._thin()

    def sample(self) -> tuple[pa.Table, NDArray[np.int64]]:
        """Return the rows and their positions, in the order of the table."""
        self._thin()
        return self._parts[0], self._positions

    def _thin(self) -> None:
        """Keep the rows of the smallest chance, and the witnesses."""
        among = self._chances[self._chances < self._limit]
        if len(among) > self._size:
            self._limit = float(np.partition(among, self._size)[self._size])
        kept = np.flatnonzero((self._chances < self._limit) | self._is_witness)
        whole = pa.concat_tables(self._parts, promote_options="permissive")
        self._parts = [whole.take(kept).combine_chunks()]
        self._positions, self._chances = self._positions[kept], self._chances[kept]
        self._is_witness = self._is_witness[kept]


class _Column:
    """What was seen of one column so far."""

    def __init__(self, name: str, *, is_target: bool) -> None:
        self.name = name
        self.low, self.high = np.inf, -np.inf
        self.counts = True
        self.numbers = self.texts = 0
        self.first_text = (0, "")
        self._is_target = is_target
        self._last: float | None = None
        self._has_missing = False
        self._known: set[str | float] = set()

    def see(self, chunked: ChunkedTable, cells: pa.ChunkedArray, first: int) -> Iterator[int]:
        """Look at the next cells; yield the rows of the chunk that the sample must hold."""
        values = chunked.numbers(cells)
        if values is not None:
            yield from self._see_numbers(values)
            return
        self.counts = False
        words = chunked.texts(cells)
        if words is not None:
            yield from self._see_texts(words.combine_chunks().dictionary_encode(), first)

    def _see_numbers(self, values: NDArray[np.float64]) -> Iterator[int]:
        is_missing = np.isnan(values)
        present = values[~is_missing]
        self.numbers += len(present)
        if len(present) < len(values):
            self.counts = False
            yield from self._see_missing(is_missing)
        if not len(present):
            return
        self.low, self.high = min(self.low, float(present.min())), max(self.high, float(present.max()))
        if self.counts:
            begins = values[0] in (0, 1) if self._last is None else values[0] == self._last + 1
            self.counts = bool(begins) and bool((np.diff(values) == 1).all())
            self._last = float(values[-1])
        if self._is_target:
            yield from self._see_new(*np.unique(values, return_index=True))

    def _see_texts(self, encoded: pa.DictionaryArray, first: int) -> Iterator[int]:
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        is_missing = np.isnan(codes) if codes.dtype.kind == "f" else np.zeros(len(codes), np.bool_)
        if is_missing.any():
            yield from self._see_missing(is_missing)
        present = np.flatnonzero(~is_missing)
        found, places, counts = np.unique(codes[present].astype(np.int64), return_index=True, return_counts=True)
        words = encoded.dictionary.take(pa.array(found)).to_pylist()
        order = self._count(words, counts, first + present[places])
        yield from self._see_new([words[i] for i in order], present[places][order])

    def _count(self, words: list[str], counts: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.intp]:
        """Count the words that spell numbers and the others, until it is clear that the column holds text.

        Return the places of the words, texts first: among numbers it is they that the sample must hold.
        """
        if self.texts > SURELY_TEXT and self.numbers < NEARLY_ALL * (self.numbers + self.texts):
            return np.arange(len(words))
        is_text = np.array([number(word) is None for word in words], np.bool_)
        if is_text.any() and not self.texts:
            place = int(rows[is_text].argmin())
            self.first_text = (
                int(rows[is_text][place]),
                [w for w, text in zip(words, is_text, strict=True) if text][place],
            )
        self.texts += int(counts[is_text].sum())
        self.numbers += int(counts[~is_text].sum())
        return np.argsort(~is_text, kind="stable")

    def _see_missing(self, is_missing: NDArray[np.bool_]) -> Iterator[int]:
        if not self._has_missing:
            self._has_missing = True
            yield int(is_missing.argmax())

    def _see_new(self, found: "list[str] | NDArray[np.float64]", places: NDArray[np.int64]) -> Iterator[int]:
        """Yield the places of what was not seen before, up to a limit."""
        for value, place in zip(found if isinstance(found, list) else found.tolist(), places.tolist(), strict=True):
            if len(self._known) > WITNESSES:
                return
            if value not in self._known and value == value:  # noqa: PLR0124 - not a number is no value
                self._known.add(value)
                yield place
