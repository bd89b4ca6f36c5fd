"""What a sweep may choose, and the recipes that choices make."""

import pytest

from training.cookbook import load_recipe, parse_recipe
from training.errors import RecipeError
from training.recipe import Axis, Recipe
from training.sweep.space import check_axes, choose, default_axes, recipe_with

TWO_LAYERS = parse_recipe("network.hidden = [{ units = 8, activation = 'tanh' }, { units = 4 }]", "mine")


class Highest:
    """Always picks the end of a range and the last choice."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return high

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        return high

    def suggest_categorical(self, name: str, choices: list[object]) -> object:
        return choices[-1]


def test_depth_repeats_the_last_layer_or_keeps_the_first() -> None:
    units = [[layer.units for layer in recipe_with(TWO_LAYERS, {"network.depth": n}).network.hidden] for n in (0, 1, 4)]
    assert units == [[], [8], [8, 4, 4, 4]]


def test_a_star_means_every_layer_that_depth_leaves() -> None:
    found = recipe_with(TWO_LAYERS, {"network.hidden.*.units": 32, "network.depth": 3, "fit.epochs": 7})
    assert [(layer.units, layer.activation) for layer in found.network.hidden] == [
        (32, "tanh"),
        (32, "relu"),
        (32, "relu"),
    ]
    assert found.fit.epochs == 7
    assert TWO_LAYERS.network.hidden[0].units == 8


def test_choices_may_be_whole_tables() -> None:
    axes = {"fit.optimizer": Axis(choices=("adam", {"name": "sgd", "learning_rate": 0.5}))}
    chosen = choose(Highest(), axes)
    assert chosen == {"fit.optimizer": {"name": "sgd", "learning_rate": 0.5}}
    assert recipe_with(TWO_LAYERS, chosen).fit.optimizer.make().learning_rate == 0.5


def test_whole_ends_give_whole_numbers() -> None:
    assert choose(Highest(), {"a": Axis(low=1, high=4), "b": Axis(low=1, high=4.5)}) == {"a": 4, "b": 4.5}


@pytest.mark.parametrize("name", ["table", "iris", "mnist", "tanh", "curve", "california-housing"])
def test_the_default_space_fits_every_recipe(name: str) -> None:
    recipe = load_recipe(name)
    axes = default_axes(recipe, 1000)
    check_axes(recipe, axes)
    rate = recipe.fit.optimizer.make().learning_rate
    axis = axes["fit.optimizer.learning_rate"]
    assert axis.low is not None
    assert axis.high is not None
    assert axis.low < rate < axis.high


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ('"split.test" = { choices = [0.1] }', "search: 'split.test' cannot be searched"),
        ('"seed" = { choices = [1, 2] }', "search: 'seed' cannot be searched"),
        ('"fti.epochs" = { low = 1, high = 2 }', "search: unknown key 'fti.epochs'; did you mean 'fit'?"),
        ('"fit.epoch" = { low = 1, high = 2 }', "fit.epoch: unknown key; did you mean 'epochs'?"),
        ('"fit.epochs" = { low = 0, high = 2 }', "fit.epochs: Input should be greater than or equal to 1"),
        ('"network.depth" = { choices = [-1, 2] }', "search: network.depth: expected a number of layers"),
        ('"fit.*.l2" = { low = 0.1, high = 0.2 }', r"search: 'fit.\*.l2': expected a list before the \*"),
    ],
)
def test_an_axis_that_makes_no_recipe_is_refused_before_the_search(search: str, message: str) -> None:
    recipe = parse_recipe(f"network.hidden = [{{ units = 8 }}]\n[search]\n{search}", "mine")
    with pytest.raises(RecipeError, match=message):
        check_axes(recipe, recipe.search)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("{ low = 2, high = 1 }", "expected low and a higher high, or choices"),
        ("{ low = 1 }", "expected low and a higher high, or choices"),
        ("{ low = 0, high = 1, log = true }", "log: expected a low above 0"),
        ("{ low = 0, high = 1, choices = [1] }", "expected either choices or low and high"),
        ("{ lo = 0 }", "unknown key; did you mean 'low'"),
    ],
)
def test_an_axis_that_says_nothing_is_refused(axis: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe(f'[search]\n"fit.epochs" = {axis}', "mine")


def test_a_search_is_no_part_of_what_a_model_says_of_its_recipe() -> None:
    recipe = parse_recipe('[search]\n"fit.epochs" = { low = 1, high = 2 }', "mine")
    assert "search" not in recipe.record()
    assert recipe_with(recipe, {"fit.epochs": 2}) == Recipe.model_validate({"fit": {"epochs": 2}})
