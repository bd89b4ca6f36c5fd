"""What a sweep may choose, and the recipe that a choice makes."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from predictor.wording import hint, shown
from training.cookbook import set_key, typed_recipe
from training.errors import RecipeError
from training.recipe import Axis, Recipe

__all__ = ["DEPTH", "Chooser", "Values", "check_axes", "choices_of", "choose", "default_axes", "recipe_with"]

DEPTH = "network.depth"
"""Not a key of recipes: how many hidden layers there are, the last one repeated or the first ones kept."""

FIXED = (
    "about",
    "source",
    "table",
    "seed",
    "data",
    "split",
    "gate",
    "checks",
    "promotion",
    "card",
    "checkpoint",
    "search",
)
WIDEST, NARROWEST = 256, 16
BATCHES = (32, 64, 128, 256, 512, 1024)
STEPS_AN_EPOCH = 4  # larger batches than leave so many steps are not tried
ACTIVATIONS = ("relu", "gelu", "silu", "tanh")

Values = Mapping[str, Any]


class Chooser(Protocol):
    """What picks a value for each axis; Optuna's trials do."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Pick a number."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Pick a whole number."""

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        """Pick one of some."""


def default_axes(recipe: Recipe, train_rows: int) -> dict[str, Axis]:
    """Return what to search where the recipe does not say: rate, penalty, batch, and what the hidden layers are."""
    optimizer = recipe.fit.optimizer.make()
    rate, decays = optimizer.learning_rate, hasattr(optimizer, "weight_decay")
    axes = {"fit.optimizer.learning_rate": Axis(low=rate / 10, high=rate * 10, log=True)}
    if decays:
        axes["fit.optimizer.weight_decay"] = Axis(low=1e-4, high=1.0, log=True)
    else:
        axes["fit.l2"] = Axis(low=1e-6, high=1e-2, log=True)
    batches = [size for size in BATCHES if size * STEPS_AN_EPOCH <= train_rows]
    if len(batches) > 1 and recipe.fit.batch_size != "full":
        axes["fit.batch_size"] = Axis(choices=tuple(batches))
    if recipe.network.hidden:
        axes |= {
            DEPTH: Axis(low=1, high=4),
            "network.hidden.*.units": Axis(low=NARROWEST, high=WIDEST, log=True),
            "network.hidden.*.dropout": Axis(low=0.0, high=0.5),
            "network.hidden.*.activation": Axis(choices=ACTIVATIONS),
        }
    return axes


def check_axes(recipe: Recipe, axes: Mapping[str, Axis]) -> None:
    """Raise RecipeError, naming the key, unless both ends or every choice of each axis make a recipe."""
    known = [name for name in Recipe.model_fields if name not in FIXED]
    for key, axis in axes.items():
        first = key.partition(".")[0]
        if first in FIXED:
            raise RecipeError(f"search: {shown(key)} cannot be searched: trials are compared on the same rows and seed")
        if first not in known:
            raise RecipeError(f"search: unknown key {shown(key)}{hint(first, known) or '; known: ' + ', '.join(known)}")
        for value in axis.choices or (axis.low, axis.high):
            recipe_with(recipe, {key: value})


def choose(chooser: Chooser, axes: Mapping[str, Axis]) -> dict[str, Any]:
    """Let `chooser` pick a value for each axis."""
    return {key: _chosen(chooser, key, axis) for key, axis in axes.items()}


def choices_of(axis: Axis) -> dict[Any, Any]:
    """Return the choices by what stands for each in the study, which knows only text, numbers and booleans."""
    return {one if isinstance(one, str | int | float | bool) else json.dumps(one): one for one in axis.choices}


def recipe_with(recipe: Recipe, values: Values) -> Recipe:
    """Return the recipe with the values of a choice in it. Raises RecipeError when they do not make one."""
    found = copy.deepcopy(recipe.model_dump(mode="json", exclude_none=True, exclude={"search"}))
    if DEPTH in values:
        network = found["network"]
        network["hidden"] = _deep(network["hidden"], values[DEPTH])
    for key, value in values.items():
        if key != DEPTH:
            for path in _paths(found, key):
                set_key(found, path, value)
    return typed_recipe(found, "of the search")


def _chosen(chooser: Chooser, key: str, axis: Axis) -> Any:
    if axis.choices:
        named = choices_of(axis)
        return named[chooser.suggest_categorical(key, list(named))]
    low, high = axis.low, axis.high
    if isinstance(low, int) and isinstance(high, int):
        return chooser.suggest_int(key, low, high, log=axis.log)
    if low is None or high is None:  # for the type checker: an axis has choices or both ends
        raise RecipeError(f"search: {shown(key)}: expected low and high")
    return chooser.suggest_float(key, float(low), float(high), log=axis.log)


def _deep(hidden: list[Any], depth: Any) -> list[Any]:
    if not isinstance(depth, int) or depth < 0 or (depth and not hidden):
        raise RecipeError(f"search: {DEPTH}: expected a number of layers, and one at least in the recipe to repeat")
    return [copy.deepcopy(hidden[min(place, len(hidden) - 1)]) for place in range(depth)]


def _paths(values: Mapping[str, Any], key: str) -> Iterator[str]:
    """Yield the path for each item of the list that stands before a ``*`` in the key, or the key itself."""
    before, star, after = key.partition(".*.")
    if not star:
        yield key
        return
    place: Any = values
    for name in before.split("."):
        place = place.get(name, ()) if isinstance(place, Mapping) else ()
    if not isinstance(place, list):
        raise RecipeError(f"search: {shown(key)}: expected a list before the *")
    for position in range(len(place)):
        yield f"{before}.{position}.{after}"
