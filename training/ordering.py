"""The part of a command line that says what to fit, which several commands share."""

import argparse
import os
from pathlib import Path

from training.job import Order

__all__ = [
    "add_checkpoints",
    "add_memory",
    "add_models",
    "add_overrides",
    "add_source",
    "checkpoint_overrides",
    "memory_overrides",
    "order_of",
]


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add what names the data, the recipe and the model, and where models are kept."""
    parser.add_argument(
        "source", metavar="SOURCE", help="a recipe, a data set by name, or a file or folder (see above)"
    )
    parser.add_argument("--target", metavar="COLUMN", help="the column to predict")
    parser.add_argument("--task", choices=["classes", "number"], help="what the target is, when the guess is wrong")
    parser.add_argument("--name", help="the model's name in the repository (default: from SOURCE)")
    parser.add_argument("--recipe", metavar="NAME|FILE", help="how to fit (default: SOURCE's own recipe, or 'table')")
    add_overrides(parser)
    parser.add_argument("--seed", type=int, help="the seed of the split, the first weights and the order of rows")
    parser.add_argument("--split", choices=["random", "hash", "given", "none"], help="how test rows are chosen")
    add_memory(parser)
    parser.add_argument("--data-home", type=Path, metavar="DIR", help="where downloaded data sets are kept")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="the labels of an IDX file of images")
    add_models(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add what changes single keys of the recipe."""
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="override a key of the recipe, by its dotted path: `recipes table` prints them all",
    )


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add where models are kept."""
    default = Path(os.environ.get("GANGLION_MODELS") or "models")
    parser.add_argument("--models", type=Path, default=default, metavar="DIR", help="the model repository: %(default)s")


def add_memory(parser: argparse.ArgumentParser) -> None:
    """Add how much memory a job may take."""
    parser.add_argument(
        "--memory", metavar="SIZE", help="what the job may take, such as 1GB; larger tables are read in blocks"
    )


def memory_overrides(options: argparse.Namespace) -> list[str]:
    """Return what the option of `add_memory` changes in the recipe."""
    return [] if options.memory is None else [f"data.memory={_quoted(options.memory)}"]


def add_checkpoints(parser: argparse.ArgumentParser, resume: str) -> None:
    """Add how often a fit is kept, and to go on from what was; `resume` says what that means."""
    parser.add_argument("--resume", action="store_true", help=resume)
    parser.add_argument(
        "--checkpoint-epochs", type=int, metavar="N", help="keep a checkpoint every N epochs (default: by time alone)"
    )
    parser.add_argument(
        "--checkpoint-minutes", type=float, metavar="M", help="keep one every M minutes (default: 1; 0: never by time)"
    )


def checkpoint_overrides(options: argparse.Namespace) -> list[str]:
    """Return what the options of `add_checkpoints` change in the recipe."""
    numbers = {"every_epochs": options.checkpoint_epochs, "every_minutes": options.checkpoint_minutes}
    return [f"checkpoint.{key}={value}" for key, value in numbers.items() if value is not None]


def order_of(options: argparse.Namespace, *overrides: str, promote: bool = True, resume: bool = False) -> Order:
    """Return what the options of `add_source` ask for, with more overrides of the recipe."""
    flags = {
        "data.target": options.target,
        "data.task": options.task,
        "split.method": options.split,
    }
    named = [f"{key}={_quoted(value)}" for key, value in flags.items() if value is not None]
    seed = [] if options.seed is None else [f"seed={options.seed}"]
    return Order(
        source=options.source,
        models=options.models,
        recipe=options.recipe,
        overrides=(*options.overrides, *named, *memory_overrides(options), *seed, *overrides),
        name=options.name,
        data_home=options.data_home,
        labels=options.labels,
        promote=promote,
        resume=resume,
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
