"""A table larger than memory, prepared in two passes: one to decide, one to pack every row for the fit."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predictor import NumberOutputs, NumericFeature
from training.decisions import Decision
from training.errors import DataError, RecipeError, TrainingError
from training.memory import LIBRARIES, Budget
from training.prepared import PARTS, Drawn, Part, Prepared, prepare
from training.problem import Problem
from training.progress import Reading
from training.recipe import Recipe
from training.sources.chunked import ChunkedTable, Size
from training.splits import row_hashes
from training.streaming.chance import uniform
from training.streaming.reading import Reader
from training.streaming.scratch import NUMBER_BYTES, RowFile, scratch_folder
from training.streaming.stream import Stream
from training.streaming.survey import Survey, survey
from training.table import Column, Table

__all__ = ["Draft", "draft_chunked", "needed", "prepare_chunked"]

SAMPLE, SIDE, WATCHED = 0.1, 0.08, 0.15
"""Shares of the memory: the raw sample, the encoded sample of a side, the rows that watch."""
COLUMN_BYTES = 24  # of a cell of a table in memory: as it was read, and as a column
TEXT_COPIES = 4  # as read, as words, as what they spell
MOST_WATCHED = 2**17


@dataclass(frozen=True, eq=False)
class Draft:
    """A table of any size after its first pass: what was decided on a sample of it, and how all rows are read.

    `table` is the sample, and `prepared` what a fit would have of it alone; `chunked` are all rows, and `found` what
    the first pass saw of them.
    """

    table: Table
    prepared: Prepared
    chunked: ChunkedTable
    found: Survey
    reader: Reader
    recipe: Recipe

    def packed(self, models: Path, stack: ExitStack, on_rows: Reading) -> Prepared:
        """Pack all rows beside the models, until the stack unwinds, and return what a fit needs of them.

        Raises DataError, and TrainingError where the disk has no room.
        """
        recipe, found, decided, budget = self.recipe, self.found, self.prepared, Budget.of(self.recipe.data.memory)
        files = _files(models, found.rows, self.reader.coder.width + 1, stack)
        most_watched = min(MOST_WATCHED, budget.part(WATCHED) // (4 * decided.schema.width))
        sides = _Sides(recipe, _seed(recipe)).watching_at_most(most_watched, found.rows)
        _write(self.chunked, self.reader, sides, files, on_rows)
        self.chunked.check()
        stream = Stream(files, self.reader.coder, decided, recipe)
        notes = _notes(found, budget, sum(stream.rows.values()))
        watching = stream.side("validation")
        return replace(decided, stream=stream, validation=watching, notes=(*notes, *decided.notes))


def draft_chunked(chunked: ChunkedTable, recipe: Recipe, on_rows: Reading) -> Draft:
    """Read a table of any size once, within `data.memory`, and decide on a sample what it means.

    Raises DataError and RecipeError.
    """
    if recipe.split.train_rows is not None:
        raise RecipeError("split.train_rows: a table that is read in blocks has no first rows; leave it out")
    budget, seed = Budget.of(recipe.data.memory), _seed(recipe)
    most_bytes = budget.part(SAMPLE)
    surveyed = survey(chunked, target=recipe.data.target, seed=seed, most_bytes=most_bytes, on_rows=on_rows)
    found = _with_targets(surveyed, recipe, chunked)
    decided = _decided(found, recipe, _Sides(recipe, seed), budget)
    reader = Reader(chunked, decided, found, _others(decided, found, recipe))
    return Draft(found.table, decided, chunked, found, reader, recipe)


def prepare_chunked(
    chunked: ChunkedTable, recipe: Recipe, models: Path, stack: ExitStack, on_rows: Reading
) -> tuple[Table, Prepared]:
    """Prepare a table of any size within `data.memory`; packed rows lie beside the models until the stack unwinds.

    The table returned is a sample, as is what the parts of `Prepared` hold but the rows that watch; its `stream` has
    all rows. Raises DataError, RecipeError, and TrainingError where the disk has no room.
    """
    draft = draft_chunked(chunked, recipe, on_rows)
    return draft.table, draft.packed(models, stack, on_rows)


def _seed(recipe: Recipe) -> int:
    return recipe.seed if recipe.split.seed is None else recipe.split.seed


def _decided(found: Survey, recipe: Recipe, sides: "_Sides", budget: Budget) -> Prepared:
    """Decide by the sample what columns mean, but for what all rows have shown: ranges, and columns that count them."""
    counted = _counted(found, recipe)

    def draw(problem: Problem) -> Drawn:
        numbered = (column for column in found.table.columns if column.name in counted)
        whole = (*problem.features, *numbered, Column(problem.target.name, problem.target.values))
        is_test = sides.are_test(found.positions, whole)
        return Drawn(np.flatnonzero(~is_test), np.flatnonzero(is_test), most_bytes=budget.part(SIDE))

    prepared = _with_ranges(prepare(found.table, _without(recipe, counted), draw), found)
    left_out = (Decision(name, "left out", "it numbers the rows", "keep") for name in counted)
    return replace(prepared, decisions=(*left_out, *prepared.decisions))


def _others(decided: Prepared, found: Survey, recipe: Recipe) -> list[Column]:
    """Return the columns that are left out but tell, with all others, on which side of the split a row is."""
    if recipe.split.method != "hash":
        return []
    known = {column.name for column in decided.columns}
    counted = [column for column in found.table.columns if column.name in _counted(found, recipe)]
    return [column for column in (*decided.problem.features, *counted) if column.name not in known]


def _files(models: Path, rows: int, width: int, stack: ExitStack) -> dict[Part, RowFile]:
    """Open a file for the packed rows of each part. Raises TrainingError where the disk has no room for all."""
    folder = stack.enter_context(scratch_folder(models, needs=rows * NUMBER_BYTES * width))
    files = {part: RowFile(folder / part, width) for part in PARTS}
    for file in files.values():
        stack.callback(file.close)
    return files


def needed(size: Size, recipe: Recipe) -> int:
    """Return about how many bytes a job takes that holds the whole table in memory."""
    encoded = 4 * (1 + recipe.encoding.bins)
    return LIBRARIES + TEXT_COPIES * size.text + size.rows * size.columns * (COLUMN_BYTES + encoded)


class _Sides:
    """Which side of the split a row is on: by its place or its content, and the seed."""

    def __init__(self, recipe: Recipe, seed: int, watching: float = 0.0) -> None:
        self._recipe = recipe
        self._seed = seed
        self._watching = watching

    def watching_at_most(self, rows: int, of: int) -> "_Sides":
        """Return the same, with a share of the training rows that watch: the recipe's, or so many rows."""
        split = self._recipe.split
        known = of if split.method == "none" else of * (1 - split.test)
        return _Sides(self._recipe, self._seed, min(split.validation, rows / max(known, 1)))

    def are_test(self, positions: NDArray[np.int64], whole: tuple[Column, ...]) -> NDArray[np.bool_]:
        """Return which rows test; `whole` are their columns. Raises DataError for a split that cannot be."""
        split = self._recipe.split
        if split.method == "none":
            return np.zeros(len(positions), np.bool_)
        if split.method == "given":
            raise DataError("split.method 'given': the source itself keeps no rows for testing; use random or hash")
        if split.method == "hash":
            return row_hashes(whole, seed=self._seed) < split.test * 2.0**64
        return uniform(positions, seed=self._seed, purpose="test") < split.test

    def are_watching(self, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows watch, unless they test."""
        return uniform(positions, seed=self._recipe.seed, purpose="watch") < self._watching


def _write(chunked: ChunkedTable, reader: Reader, sides: _Sides, files: dict[Part, RowFile], on_rows: Reading) -> None:
    """Pack every row into the file of its side. Raises TrainingError when the disk is full."""
    first = 0
    try:
        for cells in chunked.chunks():
            chunk = reader.read(cells, first)
            first += cells.num_rows
            on_rows(first, "packing rows")
            if not len(chunk.values):
                continue
            is_test = sides.are_test(chunk.positions, (*chunk.features, Column(reader.target, chunk.values)))
            watches = sides.are_watching(chunk.positions) & ~is_test
            packed = reader.pack(chunk)
            for part, rows in zip(PARTS, (~is_test & ~watches, watches, is_test), strict=True):
                files[part].append(packed[rows])
        for file in files.values():
            file.finish()
    except OSError as error:
        raise TrainingError(f"packed rows cannot be written beside the models: {error.strerror or error}") from error
    if not files["train"].rows:
        raise DataError(f"{chunked.source}: no row is left to learn from")


def _with_targets(found: Survey, recipe: Recipe, chunked: ChunkedTable) -> Survey:
    """Return the sample without the rows that have no target, each of which knows where it stands in the whole.

    A target that is not there is refused later.
    """
    name = recipe.data.target or found.table.target
    rows = np.arange(len(found.positions))
    if name in found.table.names:
        rows = np.flatnonzero(~found.table.columns[found.table.names.index(name)].is_missing)
    positions = found.positions[rows]
    table = replace(
        found.table,
        columns=tuple(column.take(rows) for column in found.table.columns),
        place=lambda row: chunked.place(int(positions[row - 1]) + 1),
    )
    return replace(found, table=table, cells=found.cells.take(rows), positions=positions)


def _counted(found: Survey, recipe: Recipe) -> tuple[str, ...]:
    """Return the columns that number the rows, which a sample cannot show, unless the recipe wants them."""
    data = recipe.data
    wanted = {*data.keep, data.target, found.table.target} if data.prune else found.table.names
    return tuple(name for name in found.table.names if name in found.counted and name not in wanted)


def _without(recipe: Recipe, names: tuple[str, ...]) -> Recipe:
    data = recipe.data
    return recipe.model_copy(update={"data": data.model_copy(update={"drop": (*data.drop, *names)})})


def _with_ranges(prepared: Prepared, found: Survey) -> Prepared:
    """Return what was decided, with the ranges of all rows and not only of the sample."""
    ranges, outputs = found.ranges, prepared.goal.outputs
    features = tuple(
        replace(feature, low=ranges[feature.name][0], high=ranges[feature.name][1])
        if isinstance(feature, NumericFeature) and feature.name in ranges
        else feature
        for feature in prepared.schema.features
    )
    if isinstance(outputs, NumberOutputs) and outputs.low:
        low, high = ranges[prepared.problem.target.name]
        outputs = replace(outputs, low=(low,), high=(high,))
    return replace(
        prepared, schema=replace(prepared.schema, features=features), goal=replace(prepared.goal, outputs=outputs)
    )


def _notes(found: Survey, budget: Budget, written: int) -> Iterator[str]:
    yield (
        f"{found.rows:,} rows are read in blocks, within {budget.total / 1e6:,.0f} MB of memory (data.memory); what"
        f" columns mean was decided on {len(found.positions):,} of them"
    )
    if written < found.rows:
        yield f"{found.rows - written:,} of {found.rows:,} rows left out: their target is missing"
