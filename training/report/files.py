"""The files of a version that are for people: the page, the facts that it shows, and pictures."""

import json
from collections.abc import Mapping

import numpy as np

from predictor import Predictor
from predictor.wording import printable
from training.fitting import Fitted
from training.prepared import Prepared
from training.recipe import Recipe
from training.report.card import weak_places
from training.report.facts import calibration_bins, find_facts, judged, judged_answers
from training.report.page import report_html
from training.report.pictures import (
    calibration_svg,
    confusion_svg,
    loss_svg,
    metric_svg,
    predicted_svg,
    residual_svg,
)
from training.scoring import Answers

__all__ = ["report_files", "weak_lines"]

FACTS = "report.json"
WEAK_SAID = 3
PUBLISHED = ("loss.svg", "confusion.svg")  # beside the page; the others are in it


def report_files(predictor: Predictor, prepared: Prepared, fitted: Fitted, recipe: Recipe) -> dict[str, bytes]:
    """Return report.json, report.html made of the same facts, and pictures, by the names of their files."""
    answers = judged_answers(predictor, prepared)
    facts = find_facts(predictor, prepared, fitted, recipe, answers)
    pictures = _pictures(prepared, fitted, answers)
    files = {name: pictures[name] for name in PUBLISHED if name in pictures}
    files[FACTS] = (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode()
    files["report.html"] = report_html(facts, pictures)
    return files


def weak_lines(files: Mapping[str, bytes]) -> list[str]:
    """Return what the terminal says of weak places, from the files of a version."""
    return [f"  {printable(line)}\n" for line in weak_places(json.loads(files[FACTS])["slices"], most=WEAK_SAID)]


def _pictures(prepared: Prepared, fitted: Fitted, answers: Answers) -> dict[str, bytes]:
    """Draw what the task calls for, by the name of the file that each would be."""
    part, _ = judged(prepared)
    result = fitted.result
    pictures = {"loss.svg": loss_svg(result.history, result.best_epoch)}
    followed = {name for record in result.history for name in record.metrics} - {"validation_loss"}
    drawn = {f"{name}.svg": metric_svg(result.history, name) for name in sorted(followed)}
    pictures |= {name: picture for name, picture in drawn.items() if picture is not None}
    if not answers.classes:
        truth = answers.truth.astype(np.float64)
        pictures["predicted.svg"] = predicted_svg(truth, answers.guesses, part=part)
        pictures["residual.svg"] = residual_svg(truth, answers.guesses, part=part)
        return pictures
    pictures["confusion.svg"] = confusion_svg(answers.confusion(), prepared.problem.target.labels, part=part)
    if answers.P is not None:
        pictures["calibration.svg"] = calibration_svg(calibration_bins(answers), part=part)
    return pictures
