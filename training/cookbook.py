"""Recipes by name or file, with overrides."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from predictor.wording import hint, shown
from training.choices import Choice
from training.errors import RecipeError
from training.recipe import Recipe
from training.toml_text import toml_text

__all__ = [
    "DEFAULT",
    "fitted_recipe_text",
    "load_recipe",
    "parse_recipe",
    "recipe_names",
    "recipe_text",
    "set_key",
    "typed_recipe",
]

DEFAULT = "table"
QUOTED = r"""\"(?:[^"\\]|\\.)*\"|'[^']*'"""
OVERRIDE = re.compile(rf"""(?P<path>(?:{QUOTED}|[^="'])+)=(?P<value>.*)""", re.DOTALL)
KEY = re.compile(rf"""(?:^|(?<=\.))(?:{QUOTED}|[^.]*)""")
ADDED = frozenset({"data.drop", "data.keep", "data.missing"})
FOLDER = Path(__file__).parent / "recipes"


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that come with the project."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def recipe_text(name: str) -> str:
    """Return the TOML of a recipe that comes with the project."""
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def fitted_recipe_text(values: Mapping[str, Any], label: str) -> str:
    """Return as TOML the recipe in a model file; `label` names the model. RecipeError for one that no recipe made."""
    try:
        recipe = typed_recipe(values, label)
    except RecipeError as error:
        raise RecipeError(f"{label} was not fitted by a recipe: {error}") from error
    return toml_text(recipe.model_copy(update={"about": f"What {label} was fitted by"}).record())


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by its name or by the path of its TOML file and apply overrides such as ``fit.epochs=10``.

    Raises RecipeError, naming the key, for what is no recipe.
    """
    path = FOLDER / f"{name}.toml" if name in recipe_names() else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        near = hint(name, recipe_names()) or f"; known recipes: {', '.join(recipe_names())}"
        raise RecipeError(f"{shown(name)} is neither a recipe nor a readable file{near}") from error
    return parse_recipe(text, path.stem, overrides)


def parse_recipe(text: str, name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe from TOML text; `name` is what messages call it."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {name}: not TOML: {error}") from error
    for path, value in _overrides(overrides).items():
        set_key(values, path, value)
    return typed_recipe(values, name)


def typed_recipe(values: Mapping[str, Any], name: str) -> Recipe:
    """Type the values that a recipe's TOML holds; `name` is what messages call it."""
    try:
        # Through JSON, where strict typing takes a list for a tuple and still no text for a number.
        return Recipe.model_validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise RecipeError(f"recipe {name}: {_explained(error)}") from error


def _overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the value of each path; the last one given holds, and names of columns add up."""
    found: dict[str, Any] = {}
    for override in overrides:
        parts = OVERRIDE.fullmatch(override)
        if not parts or not parts["path"].strip():
            raise RecipeError(f"--set: expected key=value such as fit.epochs=10, found {shown(override)}")
        path, value = parts["path"].strip(), _value(parts["value"].strip())
        if path in ADDED and path in found:
            before, value = (_as_list(one) for one in (found[path], value))
            value = [*before, *value]
        found.pop(path, None)
        found[path] = value
    return found


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def set_key(values: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path in a recipe's values. Raises RecipeError when there is no such place.

    A number in the path is a position in a list, and quotes hold a name together.
    """
    keys = [_value(key) if key.startswith(('"', "'")) else key for key in KEY.findall(path)]
    place: Any = values
    for position, key in enumerate(keys[:-1]):
        place = _step(place, key, ".".join(keys[: position + 1]))
    last: Any = _index(place, keys[-1], path) if isinstance(place, list) else keys[-1]
    place[last] = value


def _step(place: Any, key: str, path: str) -> Any:
    index: Any = _index(place, key, path) if isinstance(place, list) else key
    if isinstance(place, dict):
        place.setdefault(index, {})
    if isinstance(place[index], str):  # "adam" is short for {name = "adam"}
        place[index] = {"name": place[index]}
    if not isinstance(place[index], dict | list):
        raise RecipeError(f"--set: {path} is a value and has no keys of its own")
    return place[index]


def _index(place: list[Any], key: str, path: str) -> int:
    if not key.isdecimal() or int(key) >= len(place):
        raise RecipeError(f"--set: {path}: expected a position from 0 to {len(place) - 1}, found {shown(key)}")
    return int(key)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word: --set fit.optimizer=adam


def _explained(error: ValidationError) -> str:
    """Say the first fault: the key, what was expected, what was found, and the nearest known key."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        *parents, key = first["loc"]
        known = _known_keys(parents)
        return f"{place}: unknown key{hint(str(key), known) or '; known keys: ' + ', '.join(known)}{more}"
    found = first["input"]
    shows = isinstance(found, str | int | float) and first["type"] != "value_error"
    said = first["msg"].removeprefix("Value error, ")
    return f"{place}: {said}{f', found {shown(str(found))}' if shows else ''}{more}"


def _known_keys(parents: Sequence[int | str]) -> tuple[str, ...]:
    """Walk the declared models down to the one whose keys are known."""
    model: type[BaseModel] = Recipe
    for key in parents:
        field = model.model_fields.get(str(key))
        if field is not None:
            model = _model_in(field.annotation) or model
    return tuple(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation if not issubclass(annotation, Choice) else None
    inner: Mapping[Any, Any] | Sequence[Any] = getattr(annotation, "__args__", ())
    return next((model for model in map(_model_in, inner) if model is not None), None)
