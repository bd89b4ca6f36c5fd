"""The last layer and the targets it is trained on, from the task, the labels and the recipe's loss."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network import Layer
from predictor import ClassOutputs, NumberOutputs
from predictor.wording import shown
from training.choices import LossChoice
from training.encoding import target_scale
from training.errors import DataError, RecipeError
from training.problem import Target
from training.recipe import Recipe

__all__ = ["Goal", "goal"]

TWO = 2
LARGEST_TARGET = 1e150
CODES = "categorical_cross_entropy"


@dataclass(frozen=True, eq=False)
class Goal:
    """What the network is fitted to: its last layer, the loss, the targets y of all rows, and what outputs mean.

    y is (rows,) class codes for the categorical cross-entropy and (rows, outputs) numbers otherwise.
    """

    layer: Layer
    loss: LossChoice
    y: NDArray[Any]
    outputs: ClassOutputs | NumberOutputs


def goal(target: Target, recipe: Recipe, train: NDArray[np.int64]) -> Goal:
    """Resolve what the recipe leaves open: softmax with cross-entropy for classes, identity with squares for numbers.

    A number's scale and bounds are those of the rows `train`. Raises RecipeError when the recipe's last layer or loss
    does not fit the target, and DataError for numbers too large to be squared.
    """
    if target.task == "number":
        found = _number_goal(target, recipe, target.values[train])
    else:
        found = _class_goal(target, recipe)
    if found.y.ndim > 1:
        _check_loss(found, target)
    return found


def _check_loss(found: Goal, target: Target) -> None:
    """Raise RecipeError where the recipe's loss is for another kind of target."""
    kind = "a number as encoding.target scales it" if target.task == "number" else f"{len(target.labels)} classes"
    try:
        found.loss.make().prepare(found.y)
    except ValueError as error:
        raise RecipeError(
            f"fit.loss: {found.loss.name} does not fit the target {shown(target.name)}, {kind}: {error}; choose"
            " another loss or another recipe"
        ) from error


def _number_goal(target: Target, recipe: Recipe, known: NDArray[np.float64]) -> Goal:
    output = recipe.network.output
    if (largest := float(np.abs(target.values).max())) > LARGEST_TARGET:
        raise DataError(
            f"target {shown(target.name)}: expected numbers up to {LARGEST_TARGET:g} in size, whose squares can be "
            f"added, found {largest:g}"
        )
    offset, scale = target_scale(known, recipe.encoding)
    y = ((target.values - offset) / scale).astype(np.float32)[:, None]
    layer = Layer(1, output.activation or "identity", bias=output.bias)
    bounds = ((float(known.min()),), (float(known.max()),)) if recipe.encoding.clamp_target else ()
    outputs = NumberOutputs((target.name,), (offset,), (scale,), *bounds)
    return Goal(layer, recipe.fit.loss or LossChoice(name="mean_squared"), y, outputs)


def _class_goal(target: Target, recipe: Recipe) -> Goal:
    output = recipe.network.output
    classes = len(target.labels)
    units = output.units or classes
    if units == 1 and classes != TWO:
        raise RecipeError(f"network.output.units: one unit tells two classes apart, the target has {classes}")
    activation = output.activation or ("sigmoid" if units == 1 else "softmax")
    loss = recipe.fit.loss or LossChoice(name="binary_cross_entropy" if units == 1 else CODES)
    if loss.name == CODES:
        y: NDArray[Any] = target.values
    elif units == 1:
        y = target.values.astype(np.float32)[:, None]
    else:
        y = (target.values[:, None] == np.arange(classes)).astype(np.float32)
    layer = Layer(units, activation, bias=output.bias)
    return Goal(layer, loss, y, ClassOutputs(labels=target.labels, target=target.name))
