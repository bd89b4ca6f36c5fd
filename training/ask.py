"""Ask a published model from the command line."""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from predictor import (
    ArtifactError,
    FolderRepository,
    InputError,
    NumericFeature,
    Predictor,
    RepositoryError,
    load_bytes,
)
from predictor.wording import hint, shown
from training.errors import DataError
from training.sources.cells import number

__all__ = ["answer", "ask", "open_model"]


def open_model(models: Path, name: str, version: int | None = None) -> Predictor:
    """Load a version of a model, the champion by default. Raises DataError when there is none that can be read."""
    repository = FolderRepository(models)
    try:
        known = repository.names()
        if name not in known:
            raise DataError(f"there is no model {shown(name)} in {models}{hint(name, known)}")
        chosen = version or repository.aliases(name).get("champion")
        if chosen is None:
            raise DataError(f"{name} has no champion; name a version: --version {max(repository.versions(name))}")
        return load_bytes(repository.read(name, chosen), f"{name}/{chosen}")
    except (RepositoryError, ArtifactError) as error:
        raise DataError(str(error)) from error


def answer(predictor: Predictor, line: str) -> str:
    """Answer one row of cells separated by commas. Raises DataError when the row does not fit the model."""
    cells = next(csv.reader([line], skipinitialspace=True), [])
    features = predictor.schema.features
    if len(cells) != len(features):
        names = ", ".join(predictor.schema.names)
        raise DataError(f"expected {len(features)} values ({names}), found {len(cells)}")
    row = [_cell(cell, isinstance(feature, NumericFeature)) for cell, feature in zip(cells, features, strict=True)]
    try:
        encoded = predictor.schema.encode_rows([row])
    except InputError as error:
        raise DataError(error.faults[0].detail) from error
    return _said(predictor, predictor.network.infer(encoded.X))


def ask(models: Path, name: str, *, version: int | None, values: Sequence[str] | None) -> None:
    """Answer the rows given, or those typed at a prompt, or those on standard input."""
    predictor = open_model(models, name, version)
    if values is not None:
        for line in values:
            sys.stdout.write(f"{answer(predictor, line)}\n")
    elif sys.stdin.isatty():
        _converse(predictor)
    else:
        _answer_lines(predictor, sys.stdin, sys.stdout)


def _converse(predictor: Predictor) -> None:
    prompt = f"{', '.join(predictor.schema.names)} = "
    sys.stdout.write("An empty line ends.\n")
    while True:
        try:
            line = input(prompt)
        except EOFError:
            return
        if not line.strip():
            return
        try:
            said = answer(predictor, line)
        except DataError as error:
            said = f"error: {error}"
        sys.stdout.write(f"{said}\n")


def _answer_lines(predictor: Predictor, lines: Iterable[str], out: TextIO) -> None:
    for i, line in enumerate(lines):
        if line.strip():
            try:
                out.write(f"{answer(predictor, line)}\n")
            except DataError as error:
                raise DataError(f"line {i + 1}: {error}") from error


def _cell(text: str, is_number: bool) -> float | str | None:  # noqa: FBT001 - one caller, just above
    """Read a cell as the feature would have it; what is no number is left for the schema to refuse."""
    if not text.strip():
        return None
    value = number(text.strip()) if is_number else None
    return text.strip() if value is None else value
