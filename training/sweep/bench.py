"""How good a recipe is: one fit, judged by the rows that watch. The test rows are not looked at."""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from network import EpochRecord
from predictor.wording import hint, shown
from training.errors import RecipeError
from training.evaluation import CLASS_METRICS, NUMBER_METRICS
from training.fitting import fit_recipe
from training.job import Order, prepared_table
from training.prepared import Prepared, prepare
from training.recipe import Recipe
from training.scoring import HIGHER_IS_BETTER

__all__ = ["Bench", "Score"]

WATCHING = "a sweep needs rows that watch: set split.validation, say 0.2"
DECIDES_ROWS = ("data", "encoding", "split", "seed", "network.output", "fit.loss")


@dataclass(frozen=True)
class Score:
    """The metric of one fit on the rows that watch, and what the fit took."""

    value: float
    epochs: int
    seconds: float


class Bench:
    """Fits recipes to one table and scores them by one metric, `metric` or the task's own.

    What a table that is larger than memory needs on disk is removed when the stack unwinds.
    """

    def __init__(self, order: Order, recipe: Recipe, metric: str | None, stack: ExitStack) -> None:
        self._order = order
        self._stack = stack
        self._table, prepared = prepared_table(order, recipe, stack)
        if prepared.validation is None:
            raise RecipeError(WATCHING)
        self._key, self._prepared = _key(recipe), prepared
        self.digest = self._table.digest
        self.rows = len(prepared.validation.rows)
        self.train_rows = prepared.count("train")
        self.metric = _metric(prepared, metric)
        self.is_higher_better = self.metric in HIGHER_IS_BETTER

    def prepared(self, recipe: Recipe) -> Prepared:
        """Return the table as the recipe has it; the last one is kept, as most choices leave it as it is."""
        key = _key(recipe)
        if key != self._key:
            in_blocks = self._prepared.stream is not None
            again = prepared_table(self._order, recipe, self._stack)[1] if in_blocks else prepare(self._table, recipe)
            self._key, self._prepared = key, again
        return self._prepared

    def score(self, recipe: Recipe, on_epoch: Callable[[EpochRecord], None]) -> Score:
        """Fit a recipe and score it. Raises RecipeError and DivergenceError, and what ``on_epoch`` does."""
        prepared = self.prepared(recipe)
        fitted = fit_recipe(prepared, recipe, on_epoch)
        side, result = prepared.validation, fitted.result
        if side is None:
            raise RecipeError(WATCHING)
        found = fitted.evaluate(result.mlp, side.X, side.values)
        if self.metric not in found:
            raise RecipeError(f"the fit gives no {self.metric} on {self.rows} rows; it gives {', '.join(found)}")
        return Score(found[self.metric], len(result.history), result.history[-1].seconds)


def _key(recipe: Recipe) -> str:
    values = recipe.record()
    return json.dumps([_at(values, path) for path in DECIDES_ROWS])


def _metric(prepared: Prepared, wanted: str | None) -> str:
    is_classes = prepared.problem.target.task == "classes"
    known = CLASS_METRICS if is_classes else NUMBER_METRICS
    if wanted is None:
        return ("log_loss" if _is_probable(prepared) else "accuracy") if is_classes else "r2"
    if wanted not in known:
        raise RecipeError(
            f"--metric: unknown metric {shown(wanted)}{hint(wanted, known) or '; known: ' + ', '.join(known)}"
        )
    return wanted


def _is_probable(prepared: Prepared) -> bool:
    return prepared.goal.layer.activation in {"softmax", "sigmoid"} and (
        prepared.goal.layer.activation == "softmax" or prepared.goal.layer.units == 1
    )


def _at(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
