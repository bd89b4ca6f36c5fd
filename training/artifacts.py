"""The files of one published version."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from network import MLP
from predictor import Golden, Predictor, prove, save_bytes
from training.calibrating import calibrate, coverage
from training.encoding import raw_cells
from training.fitting import Fitted
from training.lineage import lineage
from training.prepared import Part, Prepared, Side
from training.recipe import Recipe
from training.reference import reference_of
from training.report import report_files
from training.streaming.measuring import evaluate_pieces
from training.table import Table

__all__ = ["ancestry", "evaluate_parts", "make_files", "make_predictor"]

GOLDEN_ROWS = 8


def evaluate_parts(prepared: Prepared, fitted: Fitted) -> dict[str, float]:
    """Return every metric of every part, under names such as "test.accuracy"."""
    found: dict[str, float] = {}
    for part, side in _sides(prepared):
        if side is not None:
            values = _measured(prepared, fitted, part, side)
            found |= {f"{part}.{name}": value for name, value in values.items()}
            found |= {} if part == "train" else _before_temperature(fitted, part, side)
    if fitted.temperature is not None:
        found["validation.temperature"] = fitted.temperature
    calibration = calibrate(prepared, fitted.result.mlp)
    if calibration is not None and prepared.test is not None:
        held = coverage(calibration, prepared, fitted.result.mlp, prepared.test)
        found |= {} if held is None else {"test.coverage_90": held}
    return found


def _measured(prepared: Prepared, fitted: Fitted, part: Part, side: Side) -> dict[str, float]:
    """Return the metrics of all rows of a part."""
    mlp = fitted.result.mlp
    if prepared.stream is None:
        return fitted.evaluate(mlp, side.X, side.values)
    return evaluate_pieces(mlp, prepared.stream.pieces(part), fitted.evaluate, prepared.goal.outputs)


def _before_temperature(fitted: Fitted, part: str, side: Side) -> dict[str, float]:
    """Return how good the probabilities were as they came out of the fit, where a temperature changed them."""
    if fitted.untempered is None:
        return {}
    values = fitted.evaluate(fitted.untempered, side.X, side.values)
    return {f"{part}.{name}_before": values[name] for name in ("log_loss", "ece")}


def ancestry(prepared: Prepared, recipe: Recipe, table: Table) -> dict[str, str | int | None]:
    """Return where the model comes from; see `lineage`."""
    return lineage(
        source=table.source,
        digest=table.digest,
        rows=prepared.rows,
        train_rows=prepared.count("train"),
        seed=recipe.seed,
    )


def make_predictor(
    prepared: Prepared, fitted: Fitted, recipe: Recipe, table: Table, metrics: Mapping[str, float]
) -> Predictor:
    """Put together what serving needs, and prove it on its golden rows. Raises ArtifactError when it fails them."""
    mlp = fitted.result.mlp
    predictor = Predictor(
        schema=prepared.schema,
        network=mlp,
        outputs=prepared.goal.outputs,
        golden=_golden(prepared, mlp),
        recipe=recipe.record(),
        metrics=metrics,
        lineage=ancestry(prepared, recipe, table),
        calibration=calibrate(prepared, mlp),
    )
    prove(predictor)
    train = prepared.train
    missing = [int(column.is_missing[train.rows].sum()) for column in prepared.columns]
    return replace(predictor, reference=reference_of(predictor, train.X, missing, len(train.rows)))


def _golden(prepared: Prepared, mlp: MLP) -> Golden:
    """Choose the first training row of each class or of each eighth of the target's range, and one with gaps."""
    side = prepared.train
    values = side.values
    if prepared.problem.target.task == "number":
        values = np.digitize(values, np.quantile(values, np.linspace(0, 1, GOLDEN_ROWS)))
    first = np.sort(np.unique(values, return_index=True)[1])[:GOLDEN_ROWS]
    rows = [raw_cells(prepared.columns, int(row)) for row in side.rows[first]]
    can_miss = [feature.missing is not None for feature in prepared.schema.features]
    if any(can_miss):
        rows.append(tuple(None if miss else cell for miss, cell in zip(can_miss, rows[0], strict=True)))
    X = prepared.schema.encode_rows([list(row) for row in rows]).X
    return Golden(rows=tuple(rows), outputs=mlp.infer(X))


def make_files(predictor: Predictor, prepared: Prepared, fitted: Fitted, recipe: Recipe) -> dict[str, bytes]:
    """Return the content of every file of the version by its name."""
    return {"model.npz": save_bytes(predictor), **report_files(predictor, prepared, fitted, recipe)}


def _sides(prepared: Prepared) -> tuple[tuple[Part, Side | None], ...]:
    return ("train", prepared.train), ("validation", prepared.validation), ("test", prepared.test)
