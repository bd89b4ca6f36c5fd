"""The commands that take models out of this project's format and into it."""

import argparse
import csv
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from predictor import ArtifactError, Predictor, RepositoryError
from training.errors import DataError

__all__ = ["add_export", "add_import"]

GOOD = 0


def add_export(
    commands: "argparse._SubParsersAction[Any]", add_models: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Add the command ``export``."""
    parser = commands.add_parser("export", help="write a model as ONNX", description=_export.__doc__)
    parser.add_argument("model", metavar="MODEL", help="a model file, or a model as iris (the champion) or iris@3")
    parser.add_argument("out", type=Path, metavar="OUT.onnx", help="the file to write; one that exists is replaced")
    add_models(parser)
    parser.set_defaults(command=_export, interrupted="Interrupted: nothing was written.")


def _export(options: argparse.Namespace) -> int:
    """Write a model file as ONNX, with raw columns as its inputs, proven on the model's golden rows."""
    from training.exchange.onnx_file import to_onnx  # noqa: PLC0415 - the other commands need none of it

    try:
        path = to_onnx(_model_to_export(options), options.out)
    except (ArtifactError, ImportError, ValueError) as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"{options.out}: cannot be written: {error.strerror}") from error
    sys.stdout.write(f"Wrote {path}.\n")
    return GOOD


def _model_to_export(options: argparse.Namespace) -> Path | Predictor:
    from training.compare.versions import open_version  # noqa: PLC0415 - the other commands need none of it

    path = Path(options.model)
    if "/" in options.model or path.suffix or path.is_file():
        return path / "model.npz" if path.is_dir() else path
    return open_version(options.models, options.model).predictor


def add_import(
    commands: "argparse._SubParsersAction[Any]", add_models: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Add the command ``import``."""
    parser = commands.add_parser("import", help="publish dense layers of PyTorch or Keras", description=_import.__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help=".safetensors, .h5, .weights.h5 or .keras")
    lists: dict[str, Any] = {"type": _words, "metavar": "A,B"}
    parser.add_argument("--activations", **lists, help="one for each dense layer, the last included: relu,softmax")
    parser.add_argument("--layers", **lists, help="the layers in order, by their names in FILE (default: all)")
    parser.add_argument("--features", **lists, help="the columns of a row (default: x0,x1,...)")
    parser.add_argument("--classes", **lists, help="what the outputs mean (default: they are numbers)")
    parser.add_argument("--target", default="target", metavar="COLUMN", help="what is predicted")
    parser.add_argument("--name", help="the model's name in the repository (default: from FILE)")
    parser.add_argument("--no-promote", action="store_true", help="publish without making it the version that serves")
    add_models(parser)
    parser.set_defaults(command=_import, interrupted="Interrupted: nothing was published.")


def _words(text: str) -> list[str]:
    return next(csv.reader([text], skipinitialspace=True), [])


def _import(options: argparse.Namespace) -> int:
    """Publish the dense layers of a PyTorch or Keras model.

    Rows come in as the network takes them: scaling that stood before it is given in Python, see from_safetensors.
    """
    from training.estimators import publish  # noqa: PLC0415 - the other commands need none of it

    name = options.name or re.sub(r"[^A-Za-z0-9_-]", "-", options.file.name.partition(".")[0])
    try:
        version = publish(_imported(options), options.models, name, promote=not options.no_promote)
    except (ArtifactError, ImportError, RepositoryError, ValueError) as error:
        raise DataError(str(error)) from error
    sys.stdout.write(f"Published {name} version {version}: {options.models / name / str(version)}\n")
    return GOOD


def _imported(options: argparse.Namespace) -> Predictor:
    from training.exchange.keras_file import from_keras  # noqa: PLC0415 - the other commands need none of it
    from training.exchange.safetensors_file import from_safetensors  # noqa: PLC0415

    classes = options.classes
    if classes is not None and all(re.fullmatch(r"-?[0-9]{1,15}", label) for label in classes):
        classes = [int(label) for label in classes]
    meaning: dict[str, Any] = {"layers": options.layers, "feature_names": options.features, "target": options.target}
    if options.file.suffix != ".safetensors":
        return from_keras(options.file, options.activations, classes=classes, **meaning)
    if options.activations is None:
        raise DataError("a .safetensors file holds weights only: name --activations, one for each layer")
    return from_safetensors(options.file, options.activations, classes=classes, **meaning)
