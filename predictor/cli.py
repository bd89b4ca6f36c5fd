"""The model repository for people: look at versions, check them, choose which one answers."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from predictor.artifact import load, load_bytes
from predictor.commands import CommandParser
from predictor.errors import ArtifactError, RepositoryError
from predictor.features import CategoricalFeature, DateFeature, Feature
from predictor.outputs import ClassOutputs
from predictor.predictor import Predictor, prove
from predictor.repository import VERSION, FolderRepository
from predictor.targets import chosen_version, version_ranges
from predictor.wording import printable, shown

__all__ = ["main"]

DONE, BAD_INPUT = 0, 2

DESCRIPTION = "Look at the models of a repository, check them, and choose which version answers."
EXAMPLES = """\
examples:
  python -m predictor list
  python -m predictor inspect iris              the champion: columns, layers, metrics, where it came from
  python -m predictor inspect iris@3            version 3; iris@previous works, too, and so does a file's path
  python -m predictor verify                    load every version and infer its golden rows
  python -m predictor promote iris 3            version 3 answers from now on
  python -m predictor rollback iris             the champion of before answers again
  python -m predictor history iris              who was champion when, and why

Each command takes --models DIR; without it the repository is GANGLION_MODELS, or else the folder models.
The exit code is 0 when all is well and 2 when something is wrong.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except (ArtifactError, RepositoryError) as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = CommandParser("python -m predictor", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_looking(commands)
    _add_choosing(commands)
    return parser


def _command(commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str) -> Any:
    added = commands.add_parser(name, help=summary, description=summary)
    default = Path(os.environ.get("GANGLION_MODELS", "models"))
    where = "the model repository: %(default)s (GANGLION_MODELS)"
    added.add_argument("--models", type=Path, default=default, metavar="DIR", help=where)
    added.set_defaults(run=run)
    return added


def _add_looking(commands: Any) -> None:
    """Add the commands that change nothing."""
    target = "MODEL[@VERSION]"
    _command(commands, "list", _list, "List models, versions and aliases.")
    inspect = _command(commands, "inspect", _inspect, "Show what a version is made of.")
    inspect.add_argument(
        "target", metavar=target, help="a model, perhaps with a version or alias, a file or its folder"
    )
    verify = _command(commands, "verify", _verify, "Load versions and infer their golden rows.")
    verify.add_argument("targets", nargs="*", metavar=target, help="as for inspect; none means everything")
    history = _command(commands, "history", _history, "Show which version became champion when, and why.")
    history.add_argument("name", metavar="MODEL")


def _add_choosing(commands: Any) -> None:
    """Add the commands that choose which version answers."""
    promote = _command(commands, "promote", _promote, "Make a version the champion, which answers.")
    promote.add_argument("name", metavar="MODEL")
    promote.add_argument("version", type=_version, metavar="VERSION", help="a number that list shows")
    promote.add_argument("--note", default="", metavar="TEXT", help="why, for the record that history shows")
    promote.add_argument("--no-watch", action="store_true", help="a service that watches new champions lets it be")
    alias = _command(commands, "alias", _alias, "Let a name of your own choice mean a version.")
    alias.add_argument("name", metavar="MODEL")
    alias.add_argument("alias", metavar="ALIAS", help="such as challenger")
    alias.add_argument("version", type=_version, metavar="VERSION", help="a number that list shows")
    rollback = _command(commands, "rollback", _rollback, "Make the previous champion the champion again.")
    rollback.add_argument("name", metavar="MODEL")
    rollback.add_argument("--note", default="", metavar="TEXT", help="why, for the record that history shows")


def _version(text: str) -> int:
    if not VERSION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected a number such as 3, found {shown(text)}")
    return int(text)


def _list(arguments: argparse.Namespace) -> int:
    repository = FolderRepository(arguments.models)
    rows = [("model", "versions", "aliases")]
    for name in repository.names():
        aliases = repository.aliases(name)
        named = ", ".join(f"{alias} = {version}" for alias, version in sorted(aliases.items())) or "none"
        rows.append((name, version_ranges(repository.versions(name)), named))
    if len(rows) == 1:
        sys.stdout.write(f"No models in {arguments.models}. Train one: python -m training fit iris\n")
    else:
        _write_table(rows)
    return DONE


def _inspect(arguments: argparse.Namespace) -> int:
    source, predictor = _open(FolderRepository(arguments.models), arguments.target)
    sys.stdout.write(f"{source}\n\n")
    for title, lines in _sections(predictor):
        sys.stdout.write(f"{title}\n")
        _write_table(lines, indent="  ")
        sys.stdout.write("\n")
    return DONE


def _verify(arguments: argparse.Namespace) -> int:
    repository = FolderRepository(arguments.models)
    targets = arguments.targets or [f"{n}@{v}" for n in repository.names() for v in repository.versions(n)]
    code = DONE
    for target in targets:
        try:
            source, predictor = _open(repository, target)
            prove(predictor, source)
        except (ArtifactError, RepositoryError) as error:
            sys.stdout.write(f"{target}: failed: {error}\n")
            code = BAD_INPUT
        else:
            sys.stdout.write(f"{target}: ok\n")
    if not targets:
        sys.stdout.write(f"No models in {arguments.models}.\n")
    return code


def _promote(arguments: argparse.Namespace) -> int:
    repository = FolderRepository(arguments.models)
    repository.promote(arguments.name, arguments.version, note=arguments.note, is_watched=not arguments.no_watch)
    sys.stdout.write(f"{arguments.name}: version {arguments.version} is the champion\n")
    return DONE


def _alias(arguments: argparse.Namespace) -> int:
    FolderRepository(arguments.models).set_alias(arguments.name, arguments.alias, arguments.version)
    sys.stdout.write(f"{arguments.name}: {arguments.alias} means version {arguments.version}\n")
    return DONE


def _rollback(arguments: argparse.Namespace) -> int:
    version = FolderRepository(arguments.models).rollback(arguments.name, note=arguments.note)
    sys.stdout.write(f"{arguments.name}: version {version} is the champion again\n")
    return DONE


def _history(arguments: argparse.Namespace) -> int:
    record = FolderRepository(arguments.models).promotions(arguments.name)
    rows = [(one.at, str(one.version), str(one.before or "none"), one.note) for one in record]
    if rows:
        _write_table([("when", "champion", "before", "note"), *rows])
    else:
        sys.stdout.write(f"{arguments.name}: no promotion is on record\n")
    return DONE


def _open(repository: FolderRepository, target: str) -> tuple[str, Predictor]:
    """Load a file by its path, or a version by ``name``, ``name@version`` or ``name@alias``."""
    if "/" in target or target.endswith(".npz"):
        path = Path(target)
        return target, load(path / "model.npz" if path.is_dir() else path)
    name, version = chosen_version(repository, target)
    source = f"{name}@{version}"
    return source, load_bytes(repository.read(name, version), source)


def _sections(predictor: Predictor) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    outputs, network = predictor.outputs, predictor.network
    yield (
        "columns",
        [("name", "kind", "range or categories", "when missing"), *map(_feature, predictor.schema.features)],
    )
    if predictor.schema.left_out:
        yield "left out, and passed over in requests", [(name,) for name in predictor.schema.left_out]
    if isinstance(outputs, ClassOutputs):
        yield "answers", [(outputs.target, "one of " + ", ".join(map(str, outputs.labels)))]
    else:
        yield "answers", [(target, "a number") for target in outputs.targets]
    if predictor.calibration is not None:
        rows = len(predictor.calibration.scores)
        yield "intervals", [("calibrated on", f"{rows} row{'s'[: rows > 1]} that the fit did not use")]
    sizes = [network.architecture.inputs, *(layer.units for layer in network.architecture.layers)]
    layers = ", ".join(layer.activation for layer in network.architecture.layers)
    count = f"{network.parameters.flat.size:,} parameters, {network.parameters.dtype}"
    members = network.architecture.members
    several = [("members", f"{members}, whose mean is the answer")] if members > 1 else []
    yield "network", [("sizes", "-".join(map(str, sizes))), ("activations", layers), *several, ("size", count)]
    yield "metrics", [(name, f"{value:.4g}") for name, value in sorted(predictor.metrics.items())]
    yield "lineage", [(name, str(value)) for name, value in sorted(predictor.lineage.items())]


def _feature(feature: Feature) -> tuple[str, ...]:
    if isinstance(feature, CategoricalFeature):
        names = [*filter(None, feature.categories), *(["all others"] if feature.others else [])]
        known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")  # noqa: PLR2004
        return feature.name, "category", known, _missing(feature.missing)
    if isinstance(feature, DateFeature):
        return feature.name, "date", f"{feature.low} to {feature.high}", _missing(feature.missing)
    return feature.name, "number", f"{feature.low:g} to {feature.high:g}", _missing(feature.missing)


def _missing(value: object) -> str:
    if value is None:
        return "refused"
    if value == "":
        return "a category of its own"
    return f"taken as {value:g}" if isinstance(value, float) else f"taken as {value}"


def _write_table(rows: Iterable[tuple[Any, ...]], indent: str = "") -> None:
    lines = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)] if lines else []
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(f"{indent}{'  '.join(padded).rstrip()}\n")
