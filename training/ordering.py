"""The part of a command line that says what to fit, which several commands share."""

import argparse
import os
from pathlib import Path

from training.job import Order

__all__ = ["add_models", "add_source", "order_of"]


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add what names the data, the recipe and the model, and where models are kept."""
    parser.add_argument(
        "source", metavar="SOURCE", help="a recipe, a data set by name, or a file or folder (see above)"
    )
    parser.add_argument("--target", metavar="COLUMN", help="the column to predict")
    parser.add_argument("--task", choices=["classes", "number"], help="what the target is, when the guess is wrong")
    parser.add_argument("--name", help="the model's name in the repository (default: from SOURCE)")
    parser.add_argument("--recipe", metavar="NAME|FILE", help="how to fit (default: SOURCE's own recipe, or 'table')")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides", help="override a key of the recipe"
    )
    parser.add_argument("--seed", type=int, help="the seed of the split, the first weights and the order of rows")
    parser.add_argument("--split", choices=["random", "hash", "given", "none"], help="how test rows are chosen")
    parser.add_argument(
        "--memory", metavar="SIZE", help="what the job may take, such as 1GB; larger tables are read in blocks"
    )
    parser.add_argument("--data-home", type=Path, metavar="DIR", help="where downloaded data sets are kept")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="the labels of an IDX file of images")
    add_models(parser)


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add where models are kept."""
    default = Path(os.environ.get("GANGLION_MODELS") or "models")
    parser.add_argument("--models", type=Path, default=default, metavar="DIR", help="the model repository: %(default)s")


def order_of(options: argparse.Namespace, *overrides: str, promote: bool = True, resume: bool = False) -> Order:
    """Return what the options of `add_source` ask for, with more overrides of the recipe."""
    flags = {
        "data.target": options.target,
        "data.task": options.task,
        "data.memory": options.memory,
        "split.method": options.split,
    }
    named = [f"{key}={_quoted(value)}" for key, value in flags.items() if value is not None]
    seed = [] if options.seed is None else [f"seed={options.seed}"]
    return Order(
        source=options.source,
        models=options.models,
        recipe=options.recipe,
        overrides=(*options.overrides, *named, *seed, *overrides),
        name=options.name,
        data_home=options.data_home,
        labels=options.labels,
        promote=promote,
        resume=resume,
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
