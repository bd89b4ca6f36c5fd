"""The command ``sweep``."""

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.job import run
from training.ordering import add_source, order_of
from training.sweep.study import PRUNERS

__all__ = ["add_sweep"]

GOOD, INTERRUPTED = 0, 130


def add_sweep(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command ``sweep``."""
    parser = commands.add_parser("sweep", help="search for a better recipe", description=_sweep.__doc__)
    add_source(parser)
    parser.add_argument("--trials", type=_count, default=50, metavar="N", help="trials in the study: %(default)s")
    parser.add_argument("--timeout", type=float, metavar="SECONDS", help="begin no trial after so long")
    parser.add_argument("--metric", help="what counts on the rows that watch (default: log_loss for classes, else r2)")
    parser.add_argument("--pruner", choices=PRUNERS, default="median", help="when to give a trial up: %(default)s")
    parser.add_argument("--study", metavar="NAME", help="the study to begin or go on with (default: the model's name)")
    parser.add_argument(
        "--storage", metavar="URL", help="the study's database (default: study.db in the search's own folder)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where results go (default: sweeps/STUDY beside the models folder)"
    )
    parser.add_argument("--publish", action="store_true", help="fit the best recipe once more and publish the model")
    parser.add_argument("--no-promote", action="store_true", help="publish without making it the version that serves")
    parser.set_defaults(command=_sweep, interrupted="Interrupted: nothing was tried yet.")


def _sweep(options: argparse.Namespace) -> int:
    """Search for a better recipe with Optuna: many fits, judged by the rows that watch; test rows are not looked at.

    The recipe's [search] says what may change, and a default does where it says nothing. The same command again goes
    on where the last one ended, also after Ctrl-C or a crash.
    """
    from training.sweep.result import BEST, outcome, write_result  # noqa: PLC0415 - the other commands need none of it
    from training.sweep.run import SweepOrder, run_sweep  # noqa: PLC0415 - as above

    job = order_of(options, promote=not options.no_promote)
    search = {"pruner": options.pruner, "metric": options.metric, "folder": options.out, "trials": options.trials}
    order = SweepOrder(job, timeout_s=options.timeout, storage=options.storage, study=options.study, **search)
    found = run_sweep(order, sys.stderr)
    sys.stdout.write(outcome(found))
    paths = write_result(found)
    sys.stdout.write(f"Wrote {', '.join(map(str, paths))}\n")
    if found.is_interrupted:
        sys.stderr.write("Interrupted: what was tried is kept; the same command goes on with it.\n")
        return INTERRUPTED
    best = found.folder / BEST
    if not options.publish:
        sys.stdout.write(f"Fit it: python -m training {shlex.join(_fit_words(options, best))}\n")
        return GOOD
    published = run(replace(job, recipe=str(best), overrides=()), out=sys.stdout, err=sys.stderr)
    sys.stdout.write(f"Published {published.name} version {published.version}: {published.folder}\n")
    return GOOD


def _fit_words(options: argparse.Namespace, best: Path) -> list[str]:
    """Return the words that fit the best recipe to the same source under the same name."""
    said = {"--name": options.name, "--data-home": options.data_home, "--labels": options.labels}
    said["--models"] = None if str(options.models) == "models" else options.models
    more = [word for flag, value in said.items() if value is not None for word in (flag, str(value))]
    return ["fit", options.source, "--recipe", str(best), *more]


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)
