"""A loaded version in words that JSON can carry: schema, outputs, metrics, lineage."""

from typing import Any

from predictor import ClassOutputs, DateFeature, Feature, NumericFeature
from service.bodies.explaining import baseline
from service.versions.catalog import Served

__all__ = ["example_row", "version_details"]


def version_details(served: Served) -> dict[str, Any]:
    """Describe one proven version."""
    predictor = served.predictor
    outputs = predictor.outputs
    if isinstance(outputs, ClassOutputs):
        answers: dict[str, Any] = {"task": "classification", "target": outputs.target, "classes": outputs.labels}
    else:
        answers = {"task": "regression", "targets": outputs.targets}
    return {
        "model": served.name,
        "version": served.version,
        "features": [_feature(feature) for feature in predictor.schema.features],
        "left_out": list(predictor.schema.left_out),
        "outputs": answers,
        "architecture": predictor.network.architecture.to_dict(),
        "metrics": dict(predictor.metrics),
        "lineage": dict(predictor.lineage),
        "example": example_row(served),
    }


def example_row(served: Served) -> list[float | str]:
    """Return one row of usual values, to try the model with."""
    return [round(cell, 4) if isinstance(cell, float) else cell for cell in baseline(served.predictor)]


def _feature(feature: Feature) -> dict[str, Any]:
    common = {"name": feature.name, "missing": feature.missing}
    if isinstance(feature, NumericFeature):
        return common | {"type": "number", "low": feature.low, "high": feature.high}
    if isinstance(feature, DateFeature):
        return common | {"type": "date", "form": feature.form, "low": feature.low, "high": feature.high}
    known = {"categories": feature.categories, "unknown": feature.unknown, "others": feature.others}
    return common | {"type": "category"} | known
