"""The commands that take models out of this project's format and into it."""

import argparse
import sys
from pathlib import Path
from typing import Any

from predictor import ArtifactError
from training.errors import DataError

__all__ = ["add_export"]

GOOD = 0


def add_export(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command ``export``."""
    parser = commands.add_parser("export", help="write a model as ONNX", description=_export.__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL.npz", help="a model file")
    parser.add_argument("out", type=Path, metavar="OUT.onnx", help="the file to write; one that exists is replaced")
    parser.set_defaults(command=_export, interrupted="Interrupted: nothing was written.")


def _export(options: argparse.Namespace) -> int:
    """Write a model file as ONNX, with raw columns as its inputs, proven on the model's golden rows."""
    from training.exchange.onnx_file import to_onnx  # noqa: PLC0415 - the other commands need none of it

    try:
        path = to_onnx(options.model, options.out)
    except (ArtifactError, ImportError, ValueError) as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"{options.out}: cannot be written: {error.strerror}") from error
    sys.stdout.write(f"Wrote {path}.\n")
    return GOOD
