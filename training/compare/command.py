"""The command ``compare``."""

import argparse
import sys
from pathlib import Path
from typing import Any

from training.errors import DataError
from training.ordering import add_models

__all__ = ["add_compare"]

GOOD = 0
FEWEST = 2
ADVICE = "To score them on the same rows: --data FILE"


def add_compare(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command ``compare``."""
    parser = commands.add_parser("compare", help="show versions side by side", description=_compare.__doc__)
    parser.add_argument(
        "versions", nargs="+", metavar="VERSION", help="such as iris (the champion), iris@3, iris@previous"
    )
    parser.add_argument("--data", metavar="FILE", help="score them on the same rows of this table, or of a data set")
    parser.add_argument("--target", metavar="COLUMN", help="the column of the truth (default: what they predict)")
    parser.add_argument("--html", type=Path, metavar="OUT.html", help="write the comparison as a page, too")
    parser.add_argument("--data-home", type=Path, metavar="DIR", help="where downloaded data sets are kept")
    add_models(parser)
    parser.set_defaults(command=_compare, interrupted="Interrupted.")


def _compare(options: argparse.Namespace) -> int:
    """Show two or more versions side by side: figures, size, data, and where recipes and columns differ.

    With --data they are scored on the same rows, and the bounds of the differences say what may be chance. Rows that
    one of them was fitted to are left out, as far as its own lineage tells.
    """
    from training.compare.recorded import recorded  # noqa: PLC0415 - the other commands need none of it
    from training.compare.scored import scored  # noqa: PLC0415 - as above
    from training.compare.showing import as_page, as_text  # noqa: PLC0415 - as above
    from training.compare.versions import open_version  # noqa: PLC0415 - as above
    from training.sources import SourceOptions, read_source  # noqa: PLC0415 - as above

    if len(options.versions) < FEWEST:
        name = options.versions[0].split("@")[0]
        raise DataError(f"expected two versions or more, such as {name} and {name}@previous")
    versions = [open_version(options.models, target) for target in options.versions]
    blocks = recorded(versions, advice="" if options.data else ADVICE)
    if options.data is not None:
        table = read_source(options.data, SourceOptions(options.data_home))
        blocks[1:1] = scored(versions, table, options.target)
    sys.stdout.write(as_text(blocks))
    if options.html is not None:
        _write(options.html, as_page(versions, blocks))
        sys.stdout.write(f"Wrote {options.html}\n")
    return GOOD


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
