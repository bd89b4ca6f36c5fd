"""A trained model as one value: all that is needed to answer, and the rows that prove it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network import MLP
from predictor.calibration import Calibration
from predictor.errors import ArtifactError, InputError
from predictor.features import checked_text, finite
from predictor.outputs import ClassOutputs, Outputs
from predictor.reference import Reference
from predictor.schema import Schema
from predictor.strict_json import json_value

__all__ = ["GOLDEN_LIMIT", "Golden", "Predictor", "prove"]

Cell = float | str | None

TOLERANCE = 1e-4
"""Relative; another machine's float32 sums differ by about 1e-6, a wrong weight by far more."""
SMALLEST = 1e-6
"""Absolute: where large terms cancel, what float32 loses is small beside them and not beside their sum."""

GOLDEN_LIMIT = 64
"""Golden rows that a predictor may have; they are inferred each time that it is loaded to serve."""


@dataclass(frozen=True, eq=False)
class Golden:
    """Rows of raw cells in schema order, and the outputs, (rows, outputs), that the trainer's network gave for them."""

    rows: tuple[tuple[Cell, ...], ...]
    outputs: NDArray[Any]

    def __post_init__(self) -> None:
        rows = tuple(
            tuple(_cell(cell, f"rows[{i}][{j}]") for j, cell in enumerate(row)) for i, row in enumerate(self.rows)
        )
        if not 1 <= len(rows) <= GOLDEN_LIMIT:
            raise ValueError(f"rows: expected 1 to {GOLDEN_LIMIT}, found {len(rows)}")
        if self.outputs.ndim != 2 or len(self.outputs) != len(rows):  # noqa: PLR2004 - a matrix
            raise ValueError(f"outputs: expected ({len(rows)}, outputs) numbers, found {self.outputs.shape}")
        object.__setattr__(self, "rows", rows)


@dataclass(frozen=True, eq=False)
class Predictor:
    """A schema, a network, what its outputs mean, golden rows, perhaps a calibration and a reference; and the rest.

    ``recipe`` is JSON, ``metrics`` finite numbers by name, ``lineage`` text, whole numbers or None by name. Raises
    ValueError for parts that do not fit each other.
    """

    schema: Schema
    network: MLP
    outputs: Outputs
    golden: Golden
    recipe: Mapping[str, Any]
    metrics: Mapping[str, float]
    lineage: Mapping[str, str | int | None]
    calibration: Calibration | None = None
    reference: Reference | None = None

    def __post_init__(self) -> None:
        architecture = self.network.architecture
        if self.schema.width != architecture.inputs:
            raise ValueError(f"architecture.inputs: the schema encodes {self.schema.width} columns")
        if not self.outputs.fits(architecture.outputs):
            raise ValueError(f"outputs: do not fit the {architecture.outputs} units of the last layer")
        if self.golden.outputs.shape[1] != architecture.outputs:
            raise ValueError(f"golden.outputs: expected {architecture.outputs} columns")
        width = len(self.schema.names)
        if any(len(row) != width for row in self.golden.rows):
            raise ValueError(f"golden.rows: expected {width} cells in each row")
        if isinstance(self.outputs, ClassOutputs):
            is_probable = _gives_probabilities(self.network)
            object.__setattr__(self, "outputs", replace(self.outputs, has_probabilities=is_probable))
        if self.calibration is not None and not _can_be_calibrated(self.outputs):
            raise ValueError("calibration: needs probabilities, or one number")
        if self.reference is not None:
            _check_reference(self.reference, width, self.outputs)
        metrics = {name: finite(value, f"metrics.{name}") for name, value in self.metrics.items()}
        object.__setattr__(self, "metrics", json_value(metrics, "metrics"))
        object.__setattr__(self, "recipe", json_value(self.recipe, "recipe"))
        object.__setattr__(self, "lineage", json_value(self.lineage, "lineage"))


def prove(predictor: Predictor, source: str = "the model") -> None:
    """Infer the golden rows; ArtifactError unless the outputs are those that the trainer saw."""
    golden = predictor.golden
    try:
        X = predictor.schema.encode_rows([list(row) for row in golden.rows]).X
    except InputError as error:
        raise ArtifactError(source, "golden", f"its rows do not fit the schema: {error}") from error
    A = predictor.network.infer(X)
    size = np.abs(golden.outputs)
    allowed = TOLERANCE * size + 0.1 * TOLERANCE * size.max() + SMALLEST
    with np.errstate(invalid="ignore"):
        is_right = np.isfinite(golden.outputs) & (np.abs(A.astype(np.float64) - golden.outputs) <= allowed)
    if not is_right.all():
        row, column = np.argwhere(~is_right)[0].tolist()
        expected, found = float(golden.outputs[row, column]), float(A[row, column])
        raise ArtifactError(
            source, "golden", f"row {row} gives {found:.6g} in output {column}, where the trainer saw {expected:.6g}"
        )


def _gives_probabilities(network: MLP) -> bool:
    last = network.architecture.layers[-1]
    return last.activation == "softmax" or (last.activation == "sigmoid" and last.units == 1)


def _can_be_calibrated(outputs: Outputs) -> bool:
    return outputs.has_probabilities if isinstance(outputs, ClassOutputs) else len(outputs.targets) == 1


def _check_reference(reference: Reference, features: int, outputs: Outputs) -> None:
    labels, targets = (len(outputs.labels), 0) if isinstance(outputs, ClassOutputs) else (0, len(outputs.targets))
    try:
        reference.check(features, labels, targets)
    except ValueError as error:
        raise ValueError(f"reference.{error}") from error


def _cell(cell: object, what: str) -> Cell:
    if cell is None:
        return None
    return checked_text(cell, what) if isinstance(cell, str) else finite(cell, what)
