"""The commands ``check`` and ``retrain``."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.job import Order
from training.ordering import add_models

__all__ = ["add_check"]

GOOD = 0


def add_check(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command ``check``."""
    parser = commands.add_parser("check", help="say whether new data may be trained on", description=_check.__doc__)
    _add_loop(parser)
    parser.set_defaults(command=_check, interrupted="Interrupted.")


def _add_loop(parser: argparse.ArgumentParser) -> None:
    """Add what names the recipe, the new data and the model."""
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe by name, or its file")
    parser.add_argument("--data", metavar="SOURCE", help="the new rows: a file, or a data set (default: the recipe's)")
    parser.add_argument("--name", help="the model's name in the repository (default: the recipe's)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides", help="override a key of the recipe"
    )
    parser.add_argument("--data-home", type=Path, metavar="DIR", help="where downloaded data sets are kept")
    add_models(parser)


def _order(options: argparse.Namespace) -> Order:
    return Order(
        source=options.data or options.recipe,
        models=options.models,
        recipe=options.recipe,
        overrides=tuple(options.overrides),
        name=options.name,
        data_home=options.data_home,
    )


def _check(options: argparse.Namespace) -> int:
    """Compare new rows with the limits in the recipe's [checks] and with what the champion was trained on.

    Prints a table of what changed. Exits with 2, naming every reason, where a limit is broken; nothing is trained.
    """
    from training.retrain.checks import findings_lines  # noqa: PLC0415 - the other commands need none of it
    from training.retrain.setting import refusal, setting_of  # noqa: PLC0415 - as above

    setting = setting_of(_order(options), now=datetime.now(UTC))
    sys.stdout.write("\n".join([*findings_lines(setting.findings), ""]))
    error = refusal(setting)
    if error is not None:
        raise error
    return GOOD
