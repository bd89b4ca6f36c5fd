"""What report.json holds: everything that the report's page says, as numbers and words."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network import EpochRecord, FitResult
from predictor import NumberOutputs, Predictor
from training.decisions import as_json
from training.evaluation import calibration_error, class_codes
from training.fitting import Fitted
from training.prepared import PARTS, Part, Prepared, Side
from training.recipe import Recipe
from training.report.columns import MOST_COLUMNS, column_facts, target_facts
from training.report.importance import MOST_ROWS, permutation_importance
from training.report.slices import find_slices, target_column, wilson
from training.scoring import Answers, answers_of, intervals, measures

__all__ = ["calibration_bins", "find_facts", "judged", "judged_answers"]

BINS = 10
HISTORY_POINTS = 200
SLICES_KEPT = 40
TAIL = 0.025


def judged(prepared: Prepared) -> tuple[Part, Side]:
    """Return the part that tells how good the model is: the test rows where there are any."""
    return ("train", prepared.train) if prepared.test is None else ("test", prepared.test)


def judged_answers(predictor: Predictor, prepared: Prepared) -> Answers:
    """Return what the model answers for the rows that tell how good it is."""
    _, side = judged(prepared)
    return answers_of(predictor, side.X, side.values)


def find_facts(
    predictor: Predictor, prepared: Prepared, fitted: Fitted, recipe: Recipe, answers: Answers
) -> dict[str, Any]:
    """Return the facts of one version in the order in which a reader wants them; only ``seconds`` ever differ."""
    facts: dict[str, Any] = {
        "target": target_facts(prepared.problem),
        "judged": judged(prepared)[0],
        "metrics": dict(predictor.metrics),
        "intervals": _intervals(predictor, prepared, answers),
        "rows": {part: prepared.count(part) for part in PARTS},
        "seen": {"rows": prepared.problem.rows, "judged": len(answers.truth)},
        "features": _features(prepared),
        "network": _network(predictor),
        **_fit(fitted.result),
        "notes": list(prepared.notes),
        "decisions": as_json(prepared.decisions),
        "warnings": list(fitted.result.warnings),
    }
    facts |= _of_answers(prepared, answers)
    importance = _importance(predictor, prepared)
    if importance is not None:
        facts["importance"] = importance
    facts["slices"] = _slices(prepared, answers)
    facts["columns"] = column_facts(prepared.problem, prepared.schema.features)
    facts["more_columns"] = max(0, len(prepared.problem.features) - MOST_COLUMNS)
    facts["lineage"] = dict(predictor.lineage)
    facts["recipe"] = recipe.record()
    return facts


def _features(prepared: Prepared) -> dict[str, int]:
    used = len(prepared.schema.features)
    return {"used": used, "left_out": len(prepared.problem.features) - used}


def _fit(result: FitResult) -> dict[str, Any]:
    """Return how the fit went."""
    return {
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "stopped": result.stopped,
        "seconds": round(result.history[-1].seconds, 3),
        "loss": result.history[-1].loss,
        "history": _history(result.history),
    }


def _intervals(predictor: Predictor, prepared: Prepared, answers: Answers) -> dict[str, list[float]]:
    """Return the bounds of the judged part's metrics; where only some rows are at hand, scaled to those of all."""
    part, _ = judged(prepared)
    found, seen = intervals(answers), measures(answers)
    narrower = (len(answers.truth) / prepared.count(part)) ** 0.5
    if narrower == 1:
        return {name: list(ends) for name, ends in found.items()}
    whole = {name: predictor.metrics.get(f"{part}.{name}", value) for name, value in seen.items()}
    return {name: [whole[name] + narrower * (end - seen[name]) for end in ends] for name, ends in found.items()}


def calibration_bins(answers: Answers) -> list[dict[str, float]]:
    """Return, by tenths of the largest probability, its mean, the share of right answers with bounds, and rows."""
    if answers.P is None:
        return []
    confidence = answers.P.max(axis=1)
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return [_bin(confidence[place == i], answers.errors[place == i]) for i in range(BINS) if (place == i).any()]


def _bin(confidence: NDArray[np.float64], errors: NDArray[np.float64]) -> dict[str, float]:
    right = 1 - float(errors.mean())
    low, high = wilson(right, len(errors), TAIL)
    return {"rows": len(errors), "confidence": float(confidence.mean()), "right": right, "low": low, "high": high}


def _network(predictor: Predictor) -> dict[str, Any]:
    architecture = predictor.network.architecture
    return {
        "sizes": [architecture.inputs, *(layer.units for layer in architecture.layers)],
        "activations": [layer.activation for layer in architecture.layers],
        "members": architecture.members,
        "parameters": int(predictor.network.parameters.flat.size),
    }


def _history(history: Sequence[EpochRecord]) -> dict[str, Any]:
    """Return the curves, thinned to what a picture shows."""
    places = np.unique(np.linspace(0, len(history) - 1, HISTORY_POINTS).astype(np.int64))
    records = [history[place] for place in places]
    names = dict.fromkeys(name for record in records for name in record.metrics)
    curves = {name: [record.metrics.get(name) for record in records] for name in names}
    return {"epoch": [record.epoch for record in records], "loss": [record.loss for record in records], **curves}


def _of_answers(prepared: Prepared, answers: Answers) -> dict[str, Any]:
    part, _ = judged(prepared)
    if not answers.classes:
        ends = np.quantile(answers.guesses - answers.truth, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()
        return {"residuals": dict(zip(("p5", "p25", "p50", "p75", "p95"), ends, strict=True))}
    labels = list(prepared.problem.target.labels)
    found: dict[str, Any] = {"confusion": {"part": part, "labels": labels, "counts": answers.confusion().tolist()}}
    if answers.P is not None:
        error = calibration_error(answers.P, answers.truth)
        found["calibration"] = {"error": error, "bins": calibration_bins(answers)}
    return found


def _slices(prepared: Prepared, answers: Answers) -> dict[str, Any]:
    part, side = judged(prepared)
    target = prepared.problem.target
    columns = [column.take(side.rows) for column in prepared.columns]
    if len(columns) > MOST_COLUMNS:  # pixels and the like: no one of them says anything
        columns = []
    columns.append(target_column(target.name, target.labels, answers.truth))
    found = find_slices(columns, answers)
    return {
        "part": part,
        "measure": "share of wrong answers" if answers.classes else "mean absolute error",
        "overall": float(answers.errors.mean()),
        "tried": len(found),
        "weak": sum(one.is_weak for one in found),
        "worst": [asdict(one) for one in found[:SLICES_KEPT]],
    }


def _importance(predictor: Predictor, prepared: Prepared) -> dict[str, float] | None:
    """Shuffle features among at most a thousand judged rows; the error is 1 - accuracy, or the squared one."""
    _, side = judged(prepared)
    X, values, outputs = side.X[:MOST_ROWS], side.values[:MOST_ROWS], predictor.outputs

    def error(A: NDArray[np.float32]) -> float:
        if isinstance(outputs, NumberOutputs):
            return float(np.mean(((outputs.values(A)[:, 0] - values) / outputs.scale[0]) ** 2))
        return float(np.mean(class_codes(A) != values))

    return permutation_importance(predictor.network, prepared.schema, X, error)
