"""TOML text reads as what it was made of."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from training.cookbook import load_recipe, parse_recipe, recipe_names
from training.toml_text import toml_text

LETTERS = some.text(some.characters(exclude_categories=["Cs"]), max_size=6)
PLAIN = some.booleans() | some.integers(-(2**53), 2**53) | some.floats(allow_nan=False) | LETTERS
VALUES = some.recursive(
    PLAIN, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(LETTERS, inner, max_size=3)
)


@given(some.dictionaries(LETTERS, VALUES, max_size=4))
def test_any_document_reads_as_it_was(values: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(values)) == values


def test_every_recipe_reads_as_it_was() -> None:
    assert recipe_names()
    for name in recipe_names():
        recipe = load_recipe(name)
        assert parse_recipe(toml_text(recipe.record()), name) == recipe
