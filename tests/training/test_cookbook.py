"""Recipes: strict, with overrides, and with messages that name the key."""

import pytest

from tests.training.helpers import Writer
from training.cookbook import load_recipe, parse_recipe, recipe_names
from training.errors import RecipeError
from training.recipe import Recipe

LITERATURE = {
    "california-best", "california-housing", "curve", "iris", "iris-he", "mnist", "mnist-best", "mnist-dropout", "tanh",
    "xor-online", "xor-sigmoid",
}  # fmt: skip


def test_every_recipe_is_valid_and_says_what_it_is_about() -> None:
    assert set(recipe_names()) == LITERATURE | {"table"}
    for name in recipe_names():
        recipe = load_recipe(name)
        assert len(recipe.about.splitlines()[0]) > 20
        assert Recipe.model_validate_json(recipe.model_dump_json(exclude_none=True)) == recipe


def test_a_recipe_is_read_from_a_file(write: Writer) -> None:
    assert load_recipe(str(write("mine.toml", "seed = 7\n[fit]\nepochs = 3\n"))).fit.epochs == 3


def test_overrides_reach_every_kind_of_key() -> None:
    recipe = load_recipe(
        "iris",
        [
            "fit.epochs=10",
            "fit.optimizer=adam",
            "fit.optimizer.learning_rate=0.5",
            "network.hidden.1.units=7",
            "network.hidden.0={units=3, activation='tanh'}",
            "data.drop=['a','b']",
            "data.keep=c",
            "data.keep=['d']",
            "fit.epochs=10",
            "data.kinds.zip=category",
            'data.kinds."a.b = c"=number',
            "data.kinds.petal length (cm)=number",
            "fit.batch_size=full",
            "data.target=two words",
        ],
    )
    assert recipe.fit.epochs == 10
    assert recipe.fit.optimizer.make().learning_rate == 0.5
    assert [layer.units for layer in recipe.network.hidden] == [3, 7]
    assert (recipe.data.drop, recipe.data.keep) == (("a", "b"), ("c", "d"))
    assert recipe.data.kinds == {"zip": "category", "a.b = c": "number", "petal length (cm)": "number"}
    assert recipe.data.target == "two words"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("fit.epocs=10", "fit.epocs: unknown key; did you mean 'epochs'?"),
        ("data.kinds.zip=categry", "data.kinds.zip: unknown kind 'categry'; did you mean 'category'?"),
        ("data.dropp=zip", "data.dropp: unknown key; did you mean 'drop'?"),
        ("data.drop=3", "data.drop: Input should be a valid array, found '3'"),
        ("fitt.epochs=10", "fitt: unknown key; did you mean 'fit'?"),
        ("network.hidden.0.unit=1", "network.hidden.0.unit: unknown key; did you mean 'units'?"),
        ("fit.epochs=ten", "fit.epochs: Input should be a valid integer, found 'ten'"),
        ("fit.epochs='10'", "fit.epochs: Input should be a valid integer, found '10'"),
        ("fit.epochs=0", "fit.epochs: Input should be greater than or equal to 1, found '0'"),
        ("split.method=rendom", "split.method: Input should be 'random', 'hash', 'given' or 'none', found 'rendom'"),
        ("network.hidden.0.activation=rely", "network.hidden.0.activation: unknown activation 'rely'; did"),
        ("fit.optimizer=adm", "fit.optimizer: unknown name 'adm'; did you mean 'adam'?"),
        ("fit.optimizer.rate=1", "fit.optimizer: unknown option 'rate' of sgd; its options: "),
        ("fit.optimizer.learning_rate=fast", "fit.optimizer: sgd: learning_rate: Input should be a valid number"),
        ("network.hidden.5.units=1", "--set: network.hidden.5: expected a position from 0 to 1, found '5'"),
        ("seed.x=1", "--set: seed is a value and has no keys of its own"),
        ("fit.epochs", "--set: expected key=value such as fit.epochs=10, found 'fit.epochs'"),
        ("seed=nan", "seed: Input should be a valid integer"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_refused_with_its_key(override: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("iris", [override])
    assert str(caught.value).removeprefix("recipe iris: ").startswith(message)


def test_what_is_no_recipe_is_refused(write: Writer) -> None:
    with pytest.raises(RecipeError, match=r"'irs' is neither a recipe nor a readable file; did you mean 'iris'\?"):
        load_recipe("irs")
    with pytest.raises(RecipeError, match="recipe mine: not TOML: "):
        parse_recipe("a = ", "mine")
    with pytest.raises(RecipeError, match=r"recipe mine: gate\.0: expected at_least or at_most"):
        parse_recipe('[[gate]]\nmetric = "test.r2"', "mine")
    with pytest.raises(RecipeError, match=r"recipe mine: table: rows\.0: expected 2 cells as in columns, found 1"):
        parse_recipe('[table]\ncolumns = ["a", "b"]\nrows = [[1]]', "mine")
