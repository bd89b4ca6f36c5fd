"""A fit that is kept on its way: what it goes on from, and what is said when it ends before its end."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from network import DivergenceError
from training.artifacts import ancestry
from training.checkpoints import Checkpoints, Found, Keeper
from training.errors import Interrupted, TrainingError
from training.fitting import Fitted, fit_recipe
from training.prepared import Prepared
from training.progress import progress
from training.recipe import Recipe
from training.signals import held_back
from training.table import Table

__all__ = ["fit_kept", "identity", "keeping"]

FINISHING = "Interrupted: finishing this epoch, to keep it; once more ends at once."


def identity(prepared: Prepared, recipe: Recipe, table: Table) -> Mapping[str, Any]:
    """Return what a fit must have in common with another to go on from its checkpoint: all but the gate."""
    decided = {key: value for key, value in recipe.record().items() if key not in {"about", "gate"}}
    return {"lineage": ancestry(prepared, recipe, table), "recipe": decided}


@contextmanager
def keeping(checkpoints: Checkpoints) -> Iterator[None]:
    """Let whatever ends the block early say which epoch is kept, if any; at its end nothing is kept any more."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(checkpoints.epoch) from None
    except TrainingError as error:
        if checkpoints.epoch is not None:
            error.add_note(f"Epoch {checkpoints.epoch} is kept: --resume goes on from it.")
        raise
    checkpoints.discard()


def fit_kept(
    prepared: Prepared, recipe: Recipe, checkpoints: Checkpoints, err: TextIO, *, found: Found | None
) -> Fitted:
    """Fit as `fit_recipe`, from what was `found` on, and keep the state as often as the recipe wants.

    Raises TrainingError, and Interrupted after the epoch in which a signal came.
    """
    state = None if found is None else found.state
    try:
        with held_back(err, FINISHING) as held, progress(recipe.fit.epochs, err) as on_epoch:
            keep = Keeper(checkpoints, recipe.checkpoint, held, err)
            fitted = fit_recipe(prepared, recipe, on_epoch, keep=keep, resume=state)
            if held.is_interrupted:
                raise Interrupted
    except DivergenceError as error:
        checkpoints.discard()
        raise TrainingError(str(error)) from error
    return fitted
