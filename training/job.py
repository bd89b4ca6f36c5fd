"""The job itself: read, split, encode, fit, evaluate, gate, publish."""

import os
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from predictor import FolderRepository, RepositoryError
from predictor.repository import NAME
from training.artifacts import evaluate_parts, make_files, make_predictor
from training.checkpoints import Checkpoints, Found
from training.cookbook import DEFAULT, load_recipe, recipe_names
from training.decisions import lines
from training.errors import RecipeError, TrainingError
from training.fitting import Fitted
from training.gate import check_gate
from training.memory import Budget
from training.prepared import Prepared, inline_table, prepare
from training.progress import reading
from training.recipe import Recipe
from training.report import weak_lines
from training.resuming import fit_kept, identity, keeping
from training.signals import sigterm_interrupts
from training.sources import SourceOptions, chunked_source, read_source
from training.sources.chunked import ChunkedTable
from training.sources.datasets import DATASETS
from training.streaming import needed, prepare_chunked
from training.table import Table
from training.wording import count, metrics_table

__all__ = [
    "Order",
    "Published",
    "check_place",
    "ordered_name",
    "ordered_recipe",
    "oversized",
    "prepared_table",
    "read_table",
    "run",
]

MODEL = "model.npz"


@dataclass(frozen=True)
class Order:
    """What the user asked for; see ``python -m training fit --help``."""

    source: str
    models: Path
    recipe: str | None = None
    overrides: tuple[str, ...] = ()
    name: str | None = None
    data_home: Path | None = None
    labels: Path | None = None
    promote: bool = True
    resume: bool = False


@dataclass(frozen=True)
class Published:
    """Where the model went, and how good it is."""

    name: str
    version: int
    folder: Path
    metrics: Mapping[str, float]


def run(order: Order, *, out: TextIO, err: TextIO) -> Published:
    """Do the whole job; results go to `out`, progress to `err`.

    Raises TrainingError (bad data, bad recipe, a gate that refuses); then, as after KeyboardInterrupt, nothing is
    published.
    """
    recipe = ordered_recipe(order)
    name = ordered_name(order)
    check_place(order.models)
    with sigterm_interrupts() as on_publish, ExitStack() as stack:
        table, prepared = prepared_table(order, recipe, stack, err)
        _introduce(name, prepared, out)
        checkpoints = Checkpoints(order.models, name, identity(prepared, recipe, table))
        with keeping(checkpoints):
            files, metrics = _fitted_files(order, checkpoints, recipe, table, prepared, out=out, err=err)
            on_publish()  # what follows takes a moment, and must not be called interrupted
            version = _publish(order, name, files)
    return Published(name, version, order.models / name / str(version), metrics)


def check_place(models: Path) -> None:
    """Raise TrainingError where nothing can be published, before hours are spent on it."""
    place = models
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise TrainingError(f"{place}: expected a folder for the models, found something else; name one with --models")
    if not os.access(place, os.W_OK | os.X_OK):
        raise TrainingError(
            f"{place}: models cannot be published here: the folder is read-only or somebody else's; name another with"
            " --models"
        )


def prepared_table(order: Order, recipe: Recipe, stack: ExitStack, err: TextIO | None = None) -> tuple[Table, Prepared]:
    """Read the table as a whole, or in blocks where it would not fit; what those need is removed with the stack."""
    chunked = oversized(order, recipe)
    if chunked is not None:
        return prepare_chunked(chunked, recipe, order.models, stack, reading(err))
    table = read_table(order, recipe)
    return table, prepare(table, recipe)


def oversized(order: Order, recipe: Recipe) -> ChunkedTable | None:
    """Return the table that the order means where it would not fit into the memory that the recipe allows, unread."""
    chunked = None if order.source in recipe_names() else chunked_source(order.source, _options(order, recipe))
    is_large = chunked is not None and needed(chunked.size(), recipe) > Budget.of(recipe.data.memory).total
    return chunked if is_large else None


def _fitted_files(
    order: Order,
    checkpoints: Checkpoints,
    recipe: Recipe,
    table: Table,
    prepared: Prepared,
    *,
    out: TextIO,
    err: TextIO,
) -> tuple[Mapping[str, bytes], Mapping[str, float]]:
    """Fit, evaluate and judge; return the files of a version and its metrics."""
    found = _found(checkpoints, err, resume=order.resume)
    fitted = fit_kept(prepared, recipe, checkpoints, err, found=found)
    metrics = evaluate_parts(prepared, fitted)
    out.write(_outcome(fitted, metrics))
    check_gate(recipe.gate, metrics)
    predictor = make_predictor(prepared, fitted, recipe, table, metrics)
    files = make_files(predictor, prepared, fitted, recipe)
    out.writelines(weak_lines(files))
    return files, metrics


def ordered_recipe(order: Order) -> Recipe:
    """Return the recipe that is asked for: by name or file, the source's own, or the default."""
    own = order.source if order.source in recipe_names() else None
    return load_recipe(order.recipe or own or DEFAULT, order.overrides)


def ordered_name(order: Order) -> str:
    """Return the name to publish under: the one asked for, or one made from the source's."""
    if order.name is not None:
        if not NAME.fullmatch(order.name):
            raise RecipeError("--name: expected 1 to 64 letters, digits, '_' or '-', a letter or digit first")
        return order.name
    stem = Path(order.source).name.split(".")[0] or Path(order.source).resolve().name
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:64]
    return slug or "model"


def read_table(order: Order, recipe: Recipe) -> Table:
    """Read the table that the order means: the recipe's own, a data set, or a file. Raises TrainingError."""
    options = _options(order, recipe)
    named = order.source in recipe_names()
    if named and recipe.table is not None:
        return inline_table(recipe.table, order.source)
    if named and order.source not in DATASETS:
        origin = load_recipe(order.source)
        if origin.table is not None:
            return inline_table(origin.table, order.source)
        if origin.source is None:
            raise RecipeError(f"the recipe {order.source} brings no data of its own: fit FILE --recipe {order.source}")
        return read_source(origin.source, options)
    return read_source(order.source, options, known=recipe_names())


def _options(order: Order, recipe: Recipe) -> SourceOptions:
    data = recipe.data
    return SourceOptions(order.data_home, order.labels, data.missing, data.encoding, data.header)


def _introduce(name: str, prepared: Prepared, out: TextIO) -> None:
    target = prepared.problem.target
    what = f"{len(target.labels)} classes" if target.labels else "a number"
    held_out, fitted = prepared.count("test"), prepared.count("train") + prepared.count("validation")
    out.write(
        f"{name}: {target.name} ({what}) from {count(len(prepared.columns), 'column')};"
        f" {count(fitted, 'row')} to learn from, {held_out} held out\n"
    )
    out.writelines(f"  note: {note}\n" for note in prepared.notes)
    out.writelines(f"  {line}\n" for line in lines(prepared.decisions))
    out.flush()


def _found(checkpoints: Checkpoints, err: TextIO, *, resume: bool) -> Found | None:
    """Return the checkpoint to go on from, if that is asked for, and say so."""
    if not resume:
        if checkpoints.exists():
            err.write("note: a checkpoint of this very fit is there; --resume would go on from it\n")
        return None
    found, sentence = checkpoints.load()
    err.write(f"{sentence}\n")
    return found


def _outcome(fitted: Fitted, metrics: Mapping[str, float]) -> str:
    result = fitted.result
    seconds = result.history[-1].seconds
    epochs = len(result.history)
    kept = "" if result.best_epoch == epochs else f"; the weights are those of epoch {result.best_epoch}, the best"
    lines = [f"{result.stopped} ({count(epochs, 'epoch')} in {seconds:.1f} s){kept}"]
    lines += [f"  warning: {warning}" for warning in result.warnings]
    return "\n".join([*lines, "", metrics_table(metrics), ""])


def _publish(order: Order, name: str, files: Mapping[str, bytes]) -> int:
    repository = FolderRepository(order.models)
    try:
        version = _published(repository, name, files) if order.resume else None
        version = version or repository.publish(name, files)
        if order.promote:
            repository.promote(name, version)
    except (RepositoryError, OSError) as error:
        raise TrainingError(f"the model cannot be published: {error}") from error
    return version


def _published(repository: FolderRepository, name: str, files: Mapping[str, bytes]) -> int | None:
    """Return the last version when it is this very model: whoever published it did not live to say so."""
    versions = repository.versions(name) if name in repository.names() else []
    is_there = versions and repository.read(name, versions[-1]) == files[MODEL]
    return versions[-1] if is_there else None
