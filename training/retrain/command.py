"""The commands ``check`` and ``retrain``."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from predictor import FolderRepository
from predictor.wording import shown
from training.cookbook import recipe_names
from training.errors import DataError, GateError, RecipeError, TrainingError
from training.job import Order
from training.ordering import (
    add_checkpoints,
    add_memory,
    add_models,
    add_overrides,
    checkpoint_overrides,
    memory_overrides,
)
from training.outlet import outlets
from training.signals import sigterm_interrupts

if TYPE_CHECKING:
    from training.retrain.run import Outcome

__all__ = ["add_check", "add_retrain"]

GOOD = 0


def add_check(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command ``check``."""
    parser = commands.add_parser("check", help="say whether new data may be trained on", description=_check.__doc__)
    _add_loop(parser)
    parser.set_defaults(command=_check, interrupted="Interrupted.")


def add_retrain(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command ``retrain``."""
    parser = commands.add_parser(
        "retrain", help="fit a challenger on new data and compare it with the champion", description=_retrain.__doc__
    )
    _add_loop(parser)
    parser.add_argument(
        "--promote",
        choices=["never", "if-better", "always"],
        default="never",
        help="whether a challenger that passes serves at once: %(default)s",
    )
    parser.add_argument(
        "--summary", type=Path, metavar="OUT.md", help="write what came of it as Markdown, whatever it is"
    )
    parser.add_argument(
        "--if-new",
        action="store_true",
        help="do nothing where the champion, or the challenger that waits, was made of the same data and recipe",
    )
    add_checkpoints(
        parser,
        "go on where the same retraining ended before its end: from its checkpoint, or from the version it published",
    )
    parser.set_defaults(command=_retrain, interrupted="Interrupted: nothing was published.")


def _add_loop(parser: argparse.ArgumentParser) -> None:
    """Add what names the recipe, the new data and the model."""
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe by name, or its file")
    parser.add_argument("--data", metavar="SOURCE", help="the new rows: a file, or a data set (default: the recipe's)")
    parser.add_argument("--name", help="the model's name in the repository (default: the recipe's)")
    add_overrides(parser)
    add_memory(parser)
    parser.add_argument("--data-home", type=Path, metavar="DIR", help="where downloaded data sets are kept")
    add_models(parser)


def _order(options: argparse.Namespace, *overrides: str, resume: bool = False) -> Order:
    name = options.recipe
    if name not in recipe_names() and not Path(name).exists() and name in FolderRepository(options.models).names():
        advice = f"python -m training recipes {name} > {name}.toml"
        raise RecipeError(f"{shown(name)} is a model, expected its recipe; write it to a file: {advice}")
    return Order(
        source=options.data or options.recipe,
        models=options.models,
        recipe=options.recipe,
        overrides=(*options.overrides, *memory_overrides(options), *overrides),
        name=options.name,
        data_home=options.data_home,
        resume=resume,
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


def _retrain(options: argparse.Namespace) -> int:
    """Check new rows, fit a challenger on them, and compare it with the champion on held-out rows.

    Rows are held out by their hashes: yesterday's test rows are never trained on. A challenger that holds every line
    of the recipe gets the alias "challenger", and serves if --promote says so. Exits with 2 where the data break a
    limit, and with 3 where the challenger is refused: it is then a version without an alias, and nothing else changed.
    """
    from training.retrain.run import NothingNew, retrain  # noqa: PLC0415 - the other commands need none of it
    from training.retrain.setting import model_name  # noqa: PLC0415 - as above
    from training.retrain.summary import unchanged_summary  # noqa: PLC0415 - as above

    out, err = outlets()
    order = _order(options, *checkpoint_overrides(options), resume=options.resume)
    name = model_name(order)
    with sigterm_interrupts() as end:
        page = _Page(options.summary, err)
        with _saying_why_it_ended(page, name):
            now = datetime.now(UTC)
            outcome = retrain(
                order, options.promote, now=now, out=out, err=err, only_new=options.if_new, on_publish=end
            )
        if isinstance(outcome, NothingNew):
            page.write(unchanged_summary(name, outcome.label))
            out.write(f"nothing new: {outcome.label} was made of the same data and recipe\n")
        else:
            page.write(outcome.summary)
            out.write(_last_line(outcome, options.models))
        out.flush()
    return GOOD


@contextlib.contextmanager
def _saying_why_it_ended(page: "_Page", name: str) -> Iterator[None]:
    """Write what ended a retraining before its end as the summary of it."""
    from training.retrain.summary import interrupted_summary, stopped_summary  # noqa: PLC0415 - as above

    try:
        yield
    except TrainingError as error:
        page.write(stopped_summary(name, error))
        raise
    except KeyboardInterrupt:
        page.write(interrupted_summary(name))
        raise


def _last_line(outcome: "Outcome", models: Path) -> str:
    """Say what is to be done with a challenger that passed. Raises GateError for one that did not."""
    from training.retrain.gate import Refused  # noqa: PLC0415 - as above

    label = f"{outcome.name} version {outcome.version}"
    if isinstance(outcome.verdict, Refused):
        listed = "\n".join(f"  - {reason}" for reason in outcome.verdict.reasons)
        raise GateError(f"the gate refuses {label}; it is published without an alias:\n{listed}")
    where = "" if str(models) == "models" else f" --models {models}"
    promote = f"python -m predictor promote {outcome.name} {outcome.version}{where}"
    back = f"python -m predictor rollback {outcome.name}{where}"
    served = f"it serves; back: {back}" if outcome.promoted else f"{outcome.note}make it serve: {promote}"
    return f"{label} passed: {served}\n"


class _Page:
    """The file of a summary, if one is wanted. Raises DataError where it cannot be made, before anything is begun."""

    def __init__(self, path: Path | None, err: TextIO) -> None:
        self._path = path
        self._err = err
        try:
            self._put("")
        except OSError as error:
            raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error

    def write(self, text: str) -> None:
        """Write what came of the job, which stays what it is where that cannot be written: the page is then empty."""
        try:
            self._put(text)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._put("")
            self._err.write(f"warning: {self._path}: cannot be written: {error.strerror or error}; it is left empty\n")
            self._err.flush()

    def _put(self, text: str) -> None:
        if self._path is not None:
            self._path.write_text(text, encoding="utf-8")
