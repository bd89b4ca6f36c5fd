"""The command line of the job."""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from predictor.commands import CommandParser
from training.compare.command import add_compare
from training.cookbook import fitted_recipe_text, load_recipe, recipe_names, recipe_text
from training.errors import Interrupted, TrainingError
from training.exchange.commands import add_export, add_import
from training.feedback import add_fetch_feedback
from training.job import Published, run
from training.ordering import add_checkpoints, add_models, add_source, checkpoint_overrides, order_of
from training.outlet import Outlet, outlets
from training.retrain.command import add_check, add_retrain
from training.sources.datasets import DATASETS
from training.sweep.command import add_sweep

__all__ = ["main"]

INTERRUPTED = 130
GOOD, BAD_INPUT = 0, 2

EPILOG = """\
examples:
  python -m training fit iris
  python -m training fit churn.csv --target Churn
  python -m training fit churn.csv --target Churn --set data.kinds.region=category --set data.drop=customerID
  python -m training fit churn.csv --target Churn --set fit.epochs=50 --set network.hidden.0.units=128
  python -m training fit sales.parquet --target revenue --recipe my-recipe.toml --split hash
  python -m training fit big.parquet --target y --checkpoint-minutes 5    # and after a crash: the same with --resume
  python -m training sweep churn.csv --target Churn --trials 50
  python -m training compare iris@1 iris@2 --data iris
  python -m training ask curve --value 1.5

exit codes: 0 done, 2 bad input, 3 the gate refused the model, 130 interrupted; after all but 0 nothing is published,
except by retrain, which keeps a refused challenger as a version without an alias.
One BLAS thread is used unless OPENBLAS_NUM_THREADS says otherwise: the same job then gives the same bytes.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(words)
    command: Callable[[argparse.Namespace], int] = options.command
    err = Outlet(sys.stderr)
    try:
        return command(options)
    except TrainingError as error:
        err.write("\n".join([f"error: {error}", *getattr(error, "__notes__", ()), ""]))
        return error.exit_code
    except Interrupted as interrupted:
        err.write(f"\n{options.interrupted}{_way_on(interrupted.epoch, words)}\n")
        return INTERRUPTED
    except KeyboardInterrupt:
        err.write(f"\n{options.interrupted}\n")
        return INTERRUPTED


def _way_on(epoch: int | None, words: Sequence[str]) -> str:
    """Say how to go on with a fit that was interrupted, when there is something to go on from."""
    if epoch is None:
        return ""
    again = shlex.join([*words, *(() if "--resume" in words else ("--resume",))])
    return f" Epoch {epoch} is kept; go on with: python -m training {again}"


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m training",
        description="From a table to a trained network, published where the service finds it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fit(commands)
    _add_ask(commands)
    add_sweep(commands)
    add_compare(commands)
    add_check(commands)
    add_retrain(commands)
    add_fetch_feedback(commands)
    add_export(commands, add_models)
    add_import(commands, add_models)
    recipes = commands.add_parser(
        "recipes",
        help="list the recipes that come along, or print that of a model",
        description=_recipes.__doc__,
    )
    recipes.add_argument(
        "name", nargs="?", metavar="NAME", help="a recipe, or a model as iris@3: its recipe is printed as TOML"
    )
    add_models(recipes)
    recipes.set_defaults(command=_recipes, interrupted="Interrupted.")
    return parser


def _add_fit(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    parser = commands.add_parser("fit", help="fit a network, evaluate it and publish it", description=_fit.__doc__)
    add_source(parser)
    parser.add_argument("--no-promote", action="store_true", help="publish without making it the version that serves")
    add_checkpoints(parser, "go on from the checkpoint of the same fit, to the same bytes")
    parser.set_defaults(command=_fit, interrupted="Interrupted: nothing was published.")


def _add_ask(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    parser = commands.add_parser("ask", help="ask a published model", description=_ask.__doc__)
    parser.add_argument("name", metavar="NAME", help="a model in the repository")
    parser.add_argument(
        "--value",
        action="append",
        metavar="CELLS",
        help="one row, its cells separated by commas in the order of the columns; may be repeated",
    )
    parser.add_argument("--version", type=int, help="the version to ask (default: the one that serves)")
    add_models(parser)
    parser.set_defaults(command=_ask, interrupted="Interrupted.")


def _fit(options: argparse.Namespace) -> int:
    """Fit a network on SOURCE and publish it.

    SOURCE is the name of a recipe or of a data set (`recipes` lists them), a CSV file, a Parquet file or a folder
    of them, an .npz file with X and y, or MNIST's IDX files.
    """
    order = order_of(options, *checkpoint_overrides(options), promote=not options.no_promote, resume=options.resume)
    out, err = outlets()
    published = run(order, out=out, err=err)
    out.write(_next_steps(published, options.models, promoted=order.promote))
    out.flush()
    return GOOD


def _next_steps(published: Published, models: Path, *, promoted: bool) -> str:
    where = "" if str(models) == "models" else f" --models {models}"
    name, version = published.name, published.version
    serve = f"python -m service serve{where}"
    if promoted:
        return f"Published {name} version {version}: {published.folder}\nServe it: {serve}\n"
    promote = f"python -m predictor promote {name} {version}{where}"
    return f"Published {name} version {version}, not promoted: {published.folder}\nMake it serve: {promote}\n"


def _ask(options: argparse.Namespace) -> int:
    """Answer rows from --value, from a prompt on a terminal, or from standard input, one row a line."""
    from training.ask import ask  # noqa: PLC0415 - the other commands need none of it

    ask(options.models, options.name, version=options.version, values=options.value)
    return GOOD


def _recipes(options: argparse.Namespace) -> int:
    """List the recipes and data sets that come with the project, or print a recipe, or what a model was fitted by.

    What is printed is a file that `fit --recipe`, `retrain`, `check` and `sweep` take.
    """
    if options.name is not None:
        sys.stdout.write(_recipe_text(options.name, options.models))
        return GOOD
    sys.stdout.write("recipes:\n")
    for name in recipe_names():
        sys.stdout.write(f"  {name:<20}{load_recipe(name).about.strip().splitlines()[0]}\n")
    sys.stdout.write("data sets:\n  " + ", ".join(sorted(DATASETS)) + "\n")
    return GOOD


def _recipe_text(name: str, models: Path) -> str:
    if name in recipe_names():
        return recipe_text(name)
    from training.compare.versions import open_version  # noqa: PLC0415 - as for ask

    version = open_version(models, name)
    return fitted_recipe_text(version.predictor.recipe, version.label)
