"""Ask a published model from the command line."""

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from predictor import (
    ArtifactError,
    FolderRepository,
    InputError,
    NumberOutputs,
    NumericFeature,
    Predictor,
    RepositoryError,
    load_bytes,
)
from predictor.spellings import number
from predictor.wording import hint, shown
from training.errors import DataError
from training.evaluation import class_codes, class_probabilities
from training.wording import count

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
        raise DataError(f"expected {count(len(features), 'value')} ({names}), found {len(cells)}")
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


def _said(predictor: Predictor, A: NDArray[np.float32]) -> str:
    """Say one row of outputs: the number in the target's own units, or the class and how likely it is."""
    outputs = predictor.outputs
    if isinstance(outputs, NumberOutputs):
        return f"{outputs.values(A)[0, 0]:.7g}"
    code = class_codes(A)[0]
    P = class_probabilities(predictor.network, A)
    return f"{outputs.labels[code]}" + ("" if P is None else f" ({P[0, code]:.4f})")


def _cell(text: str, is_number: bool) -> float | str | None:  # noqa: FBT001 - one caller, just above
    """Read a cell as the feature would have it; what is no number is left for the schema to refuse."""
    if not text.strip():
        return None
    value = number(text.strip()) if is_number else None
    return text.strip() if value is None else value
