"""What a check and a retraining have in common: the recipe, the new rows, and the champion that answers now."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

from predictor import FolderRepository, RepositoryError
from training.compare.versions import Version, open_version
from training.cookbook import recipe_names
from training.errors import DataError, RecipeError
from training.job import Order, ordered_name, ordered_recipe, oversized, read_table
from training.prepared import Prepared, prepare
from training.progress import reading
from training.recipe import Recipe
from training.retrain.checks import Finding, broken, check_data
from training.retrain.whole import whole_of, whole_of_draft
from training.streaming import Draft, draft_chunked
from training.table import Table

__all__ = ["BrokenChecksError", "Setting", "model_name", "packed", "refusal", "setting_of"]


class BrokenChecksError(DataError):
    """The data break limits of the recipe: the table of what changed, and a reason for each limit that broke."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        listed = "\n".join(f"  - {reason}" for reason in broken(findings))
        super().__init__(f"the data are not trained on, as they break the recipe's checks:\n{listed}")


@dataclass(frozen=True, eq=False)
class Setting:
    """The model's name, its recipe, the table, split and encoded, the champion if there is one, and what changed.

    Of a table that memory does not hold, `table` is a sample, and `draft` how the rest is read; see `packed`.
    """

    name: str
    recipe: Recipe
    table: Table
    prepared: Prepared
    champion: Version | None
    findings: tuple[Finding, ...]
    draft: Draft | None = None


def setting_of(order: Order, *, now: datetime, err: TextIO | None = None) -> Setting:
    """Read what the order names, with the rows split by their hashes, and check them. Raises TrainingError.

    The name is by default that of the recipe. Rows that the source itself keeps for testing stay what they are. How far
    the reading of a large table is goes to `err`.
    """
    recipe = ordered_recipe(order)
    if recipe.split.method != "given":
        recipe = recipe.model_copy(update={"split": recipe.split.model_copy(update={"method": "hash"})})
    name = model_name(order)
    champion = _champion(order, name)
    named = _with_source(order, recipe)
    chunked, show = oversized(named, recipe), reading(err)
    if chunked is None:
        table, draft = read_table(named, recipe), None
        prepared = prepare(table, recipe)
        whole = whole_of(table, prepared, now)
    else:
        draft = draft_chunked(chunked, recipe, show)
        table, prepared = draft.table, draft.prepared
        whole = whole_of_draft(draft, now, show)
    findings = tuple(check_data(table, prepared, recipe.checks, champion, method=recipe.split.method, whole=whole))
    return Setting(name, recipe, table, prepared, champion, findings, draft)


def packed(setting: Setting, models: Path, stack: ExitStack, err: TextIO) -> Setting:
    """Return what a fit can be made of: all rows of a table that memory does not hold, until the stack unwinds."""
    if setting.draft is None:
        return setting
    return replace(setting, prepared=setting.draft.packed(models, stack, reading(err)))


def model_name(order: Order) -> str:
    """Return the name of the model that is retrained: the one asked for, or the recipe's."""
    return ordered_name(order if order.name else replace(order, source=order.recipe or order.source))


def refusal(setting: Setting) -> BrokenChecksError | None:
    """Return the error that stops the job where a limit of the recipe's checks is broken; it names every one."""
    return BrokenChecksError(setting.findings) if broken(setting.findings) else None


def _with_source(order: Order, recipe: Recipe) -> Order:
    """Let a recipe's file name its data where the command line names none."""
    if order.source != order.recipe or order.source in recipe_names():
        return order
    if recipe.source is None:
        raise RecipeError(f"the recipe {order.source} brings no data of its own: name some with --data")
    return replace(order, source=recipe.source)


def _champion(order: Order, name: str) -> Version | None:
    repository = FolderRepository(order.models)
    try:
        if name not in repository.names() or "champion" not in repository.aliases(name):
            return None
    except RepositoryError as error:
        raise DataError(str(error)) from error
    return open_version(order.models, f"{name}@champion")
