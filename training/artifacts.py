"""The files of one published version."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from network import MLP
from predictor import Golden, Predictor, prove, save_bytes
from training.calibrating import calibrate, coverage
from training.encoding import raw_cells
from training.evaluation import class_codes, class_probabilities, confusion
from training.fitting import Fitted
from training.importance import MOST_ROWS, permutation_importance
from training.lineage import lineage
from training.pictures import calibration_svg, confusion_svg, loss_svg, predicted_svg
from training.prepared import Prepared, Side
from training.recipe import Recipe
from training.reference import reference_of
from training.report_page import report_html
from training.table import Table

__all__ = ["ancestry", "evaluate_parts", "make_files", "make_predictor"]

GOLDEN_ROWS = 8


def evaluate_parts(prepared: Prepared, fitted: Fitted) -> dict[str, float]:
    """Return every metric of every part, under names such as "test.accuracy"."""
    found: dict[str, float] = {}
    for part, side in _sides(prepared):
        if side is not None:
            values = fitted.evaluate(fitted.result.mlp, side.X, side.values)
            found |= {f"{part}.{name}": value for name, value in values.items()}
    calibration = calibrate(prepared, fitted.result.mlp)
    if calibration is not None and prepared.test is not None:
        held = coverage(calibration, prepared, fitted.result.mlp, prepared.test)
        found |= {} if held is None else {"test.coverage_90": held}
    return found


def ancestry(prepared: Prepared, recipe: Recipe, table: Table) -> dict[str, str | int | None]:
    """Return where the model comes from; see `lineage`."""
    return lineage(
        source=table.source,
        digest=table.digest,
        rows=prepared.problem.rows,
        train_rows=len(prepared.train.rows),
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


def make_files(
    predictor: Predictor, prepared: Prepared, fitted: Fitted, recipe: Recipe, notes: Iterable[str]
) -> dict[str, bytes]:
    """Return the content of every file of the version by its name."""
    result = fitted.result
    files = {"model.npz": save_bytes(predictor), "loss.svg": loss_svg(result.history)}
    report: dict[str, Any] = {
        "metrics": dict(predictor.metrics),
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped": result.stopped,
        "seconds": round(result.history[-1].seconds, 3),
        "loss": result.history[-1].loss,
        "rows": {name: 0 if side is None else len(side.rows) for name, side in _sides(prepared)},
        "notes": list(notes),
        "warnings": list(result.warnings),
        "lineage": dict(predictor.lineage),
        "recipe": recipe.record(),
    }
    pictures, extra = _pictures(prepared, fitted)
    files |= {name: data for name, data in pictures.items() if name == "confusion.svg"}
    report |= extra
    importance = _importance(prepared, fitted)
    if importance is not None:
        report["importance"] = importance
    files["report.json"] = (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode()
    shown = {"loss.svg": files["loss.svg"], **pictures}
    files["report.html"] = report_html(predictor, report, shown, importance)
    return files


def _sides(prepared: Prepared) -> tuple[tuple[str, Side | None], ...]:
    return ("train", prepared.train), ("validation", prepared.validation), ("test", prepared.test)


def _judged(prepared: Prepared) -> tuple[str, Side]:
    """Return the part that tells how good the model is: the test rows where there are any."""
    return ("train", prepared.train) if prepared.test is None else ("test", prepared.test)


def _pictures(prepared: Prepared, fitted: Fitted) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Draw what the task calls for; return the pictures by file name, and what they show for report.json."""
    part, side = _judged(prepared)
    mlp, labels = fitted.result.mlp, prepared.problem.target.labels
    A = mlp.infer(side.X)
    if not labels:
        guesses = A[:, 0].astype(np.float64) * prepared.goal.scale + prepared.goal.offset
        return {"predicted.svg": predicted_svg(side.values.astype(np.float64), guesses, part=part)}, {}
    counts = confusion(mlp, side.X, side.values, len(labels))
    pictures = {"confusion.svg": confusion_svg(counts, labels, part=part)}
    P = class_probabilities(mlp, A)
    if P is not None:
        pictures["calibration.svg"] = calibration_svg(side.values, P, part=part)
    return pictures, {"confusion": {"part": part, "labels": list(labels), "counts": counts.tolist()}}


def _importance(prepared: Prepared, fitted: Fitted) -> dict[str, float] | None:
    """Shuffle features among at most a thousand judged rows; the error is 1 - accuracy, or the squared one."""
    _, side = _judged(prepared)
    X, values = side.X[:MOST_ROWS], side.values[:MOST_ROWS]
    if prepared.problem.target.labels:
        return permutation_importance(
            fitted.result.mlp, prepared.schema, X, lambda A: float(np.mean(class_codes(A) != values))
        )
    truth = (values - prepared.goal.offset) / prepared.goal.scale
    return permutation_importance(
        fitted.result.mlp, prepared.schema, X, lambda A: float(np.mean((A[:, 0] - truth) ** 2))
    )
