"""The manifest of a model file: everything about a predictor that is not an array, as strict JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from network import Architecture
from predictor.calibration import Calibration
from predictor.features import CategoricalFeature, DateFeature, Feature, Histogram, NumericFeature
from predictor.outputs import ClassOutputs, NumberOutputs, Outputs
from predictor.predictor import Predictor
from predictor.reference import Reference
from predictor.schema import Schema
from predictor.wording import kind_of, shown

__all__ = ["FORMAT", "LAYERS_LIMIT", "VERSION", "Manifest", "describe", "read_manifest"]

FORMAT = "ganglion"
VERSION = 1
LAYERS_LIMIT = 1024
KEYS = (
    "format",
    "version",
    "dtype",
    "features",
    "architecture",
    "outputs",
    "calibration",
    "golden",
    "recipe",
    "metrics",
    "lineage",
)
OPTIONAL_KEYS = ("left_out", "reference")
NUMBER_KEYS = ("kind", "name", "offset", "scale", "missing", "low", "high", "histogram")
REFERENCE_KEYS = ("rows", "missing", "labels", "values")
NUMBER_EXTRAS = ("clip", "knots", "flags_missing")
DATE_KEYS = ("kind", "name", "form", "parts", "offset", "scale", "missing", "low", "high")
CATEGORY_KEYS = ("kind", "name", "categories", "missing", "unknown", "counts")
CATEGORY_EXTRAS = ("others",)


@dataclass(frozen=True)
class Manifest:
    """A manifest as typed values."""

    dtype: str
    schema: Schema
    architecture: Architecture
    outputs: Outputs
    golden_rows: tuple[tuple[Any, ...], ...]
    recipe: Mapping[str, Any]
    metrics: Mapping[str, Any]
    lineage: Mapping[str, Any]
    calibration: Calibration | None
    reference: Reference | None


def describe(predictor: Predictor) -> dict[str, Any]:
    """Return the manifest of a predictor as plain JSON values."""
    optional: dict[str, Any] = {
        "left_out": list(predictor.schema.left_out),
        "reference": predictor.reference and _describe_reference(predictor.reference),
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "dtype": predictor.network.parameters.dtype.newbyteorder("<").str,
        "features": [_describe_feature(feature) for feature in predictor.schema.features],
        "architecture": predictor.network.architecture.to_dict(),
        "outputs": _describe_outputs(predictor.outputs),
        "calibration": predictor.calibration and {"scores": list(predictor.calibration.scores)},
        "golden": [list(row) for row in predictor.golden.rows],
        "recipe": predictor.recipe,
        "metrics": predictor.metrics,
        "lineage": predictor.lineage,
        **{key: value for key, value in optional.items() if value},
    }


def read_manifest(value: object) -> Manifest:
    """Type the decoded JSON of a manifest; ValueError names the place of anything unexpected."""
    found = _object(value, "the manifest")
    if found.get("format") != FORMAT:
        raise ValueError(f"format: expected '{FORMAT}'")
    if found.get("version") != VERSION:
        raise ValueError(f"version: {_why_another(found.get('version'))}")
    _check_keys(found, KEYS, "the manifest", OPTIONAL_KEYS)
    if found["dtype"] not in ("<f4", "<f8"):
        raise ValueError("dtype: expected '<f4' or '<f8'")
    return Manifest(
        dtype=found["dtype"],
        schema=_read_schema(found["features"], found.get("left_out", [])),
        architecture=_read_architecture(found["architecture"]),
        outputs=_read_outputs(found["outputs"]),
        golden_rows=tuple(tuple(_list(row, f"golden[{i}]")) for i, row in enumerate(_list(found["golden"], "golden"))),
        recipe=_object(found["recipe"], "recipe"),
        metrics=_object(found["metrics"], "metrics"),
        lineage=_lineage(found["lineage"]),
        calibration=_read_calibration(found["calibration"]),
        reference=_read_reference(found["reference"]) if "reference" in found else None,
    )


def _why_another(version: object) -> str:
    known = f"this program reads version {VERSION} of the format"
    is_newer = isinstance(version, int) and version > VERSION
    newer = f"; a newer release wrote this file, of version {version}"
    return f"{known}{newer if is_newer else ', and this file names no such one'}"


def _describe_feature(feature: Feature) -> dict[str, Any]:
    if isinstance(feature, CategoricalFeature):
        return {
            "kind": "category",
            "name": feature.name,
            "categories": list(feature.categories),
            "missing": feature.missing,
            "unknown": feature.unknown,
            "counts": list(feature.counts),
            **({"others": feature.others} if feature.others else {}),
        }
    if isinstance(feature, DateFeature):
        keys = {key: getattr(feature, key) for key in DATE_KEYS if key not in ("kind", "parts")}
        return keys | {"kind": "date", "parts": list(feature.parts)}
    histogram = feature.histogram
    extras: dict[str, Any] = {
        "clip": feature.clip,
        "knots": list(feature.knots),
        "flags_missing": feature.flags_missing,
    }
    return {key: value for key, value in extras.items() if value} | {
        "kind": "number",
        "name": feature.name,
        "offset": feature.offset,
        "scale": feature.scale,
        "missing": feature.missing,
        "low": feature.low,
        "high": feature.high,
        "histogram": _describe_histogram(histogram),
    }


def _describe_histogram(histogram: Histogram | None) -> dict[str, Any] | None:
    return None if histogram is None else {"edges": list(histogram.edges), "counts": list(histogram.counts)}


def _describe_reference(reference: Reference) -> dict[str, Any]:
    return {
        "rows": reference.rows,
        "missing": list(reference.missing),
        "labels": list(reference.labels),
        "values": [_describe_histogram(histogram) for histogram in reference.values],
    }


def _read_schema(features: object, left_out: object) -> Schema:
    typed = tuple(_read_feature(feature, f"features[{i}]") for i, feature in enumerate(_list(features, "features")))
    return Schema(typed, tuple(_list(left_out, "left_out")))


def _read_feature(value: object, place: str) -> Feature:
    found = _object(value, place)
    kind = found.get("kind")
    try:
        if kind == "category":
            _check_keys(found, CATEGORY_KEYS, place, CATEGORY_EXTRAS)
            return _read_category(found)
        if kind == "number":
            _check_keys(found, NUMBER_KEYS, place, NUMBER_EXTRAS)
            return _read_number(found)
        if kind == "date":
            _check_keys(found, DATE_KEYS, place)
            return DateFeature(**{key: found[key] for key in DATE_KEYS if key != "kind"})
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    raise ValueError(f"{place}.kind: expected 'number', 'category' or 'date'")


def _read_category(found: Mapping[str, Any]) -> CategoricalFeature:
    if not isinstance(found["unknown"], str):
        raise ValueError("unknown: expected 'refuse' or 'bucket'")
    return CategoricalFeature(
        found["name"],
        tuple(_list(found["categories"], "categories")),
        missing=found["missing"],
        unknown=found["unknown"],  # type: ignore[arg-type]  # the feature checks it
        counts=tuple(_list(found["counts"], "counts")),
        others=found.get("others", 0),
    )


def _read_number(found: Mapping[str, Any]) -> NumericFeature:
    scaling = {key: found[key] for key in ("offset", "scale", "missing", "low", "high")}
    extras = {key: found[key] for key in ("clip", "flags_missing") if key in found}
    knots = tuple(_list(found.get("knots", []), "knots"))
    histogram = _read_histogram(found["histogram"], "histogram")
    return NumericFeature(found["name"], **scaling, histogram=histogram, knots=knots, **extras)


def _read_histogram(value: object, place: str) -> Histogram | None:
    if value is None:
        return None
    bins = _object(value, place)
    _check_keys(bins, {"edges", "counts"}, place)
    return Histogram(tuple(_list(bins["edges"], "edges")), tuple(_list(bins["counts"], "counts")))


def _describe_outputs(outputs: Outputs) -> dict[str, Any]:
    if isinstance(outputs, ClassOutputs):
        return {"kind": "classes", "target": outputs.target, "labels": list(outputs.labels)}
    described: dict[str, Any] = {
        "kind": "numbers",
        "targets": list(outputs.targets),
        "offset": list(outputs.offset),
        "scale": list(outputs.scale),
    }
    if outputs.low and outputs.high:
        described |= {"low": list(outputs.low), "high": list(outputs.high)}
    return described


def _read_architecture(value: object) -> Architecture:
    found = _object(value, "architecture")
    layers = found.get("layers")
    if isinstance(layers, list) and len(layers) > LAYERS_LIMIT:
        raise ValueError(f"architecture.layers: {len(layers)} of them, at most {LAYERS_LIMIT} are read")
    return Architecture.from_dict(found)


def _read_outputs(value: object) -> Outputs:
    found = _object(value, "outputs")
    kind = found.get("kind")
    try:
        if kind == "classes":
            _check_keys(found, {"kind", "target", "labels"}, "outputs")
            return ClassOutputs(tuple(_list(found["labels"], "labels")), found["target"])
        if kind == "numbers":
            _check_keys(found, {"kind", "targets", "offset", "scale"}, "outputs", ("low", "high"))
            keys = ("targets", "offset", "scale", "low", "high")
            return NumberOutputs(*(tuple(_list(found.get(key, []), key)) for key in keys))
    except ValueError as error:
        raise ValueError(f"outputs: {error}") from error
    raise ValueError("outputs.kind: expected 'classes' or 'numbers'")


def _read_calibration(value: object) -> Calibration | None:
    if value is None:
        return None
    found = _object(value, "calibration")
    _check_keys(found, {"scores"}, "calibration")
    try:
        return Calibration(tuple(_list(found["scores"], "scores")))
    except ValueError as error:
        raise ValueError(f"calibration: {error}") from error


def _read_reference(value: object) -> Reference:
    found = _object(value, "reference")
    _check_keys(found, REFERENCE_KEYS, "reference")
    try:
        return Reference(
            found["rows"],
            _list(found["missing"], "missing"),
            _list(found["labels"], "labels"),
            [_read_histogram(bins, f"values[{i}]") for i, bins in enumerate(_list(found["values"], "values"))],
        )
    except ValueError as error:
        raise ValueError(f"reference: {error}") from error


def _lineage(value: object) -> dict[str, Any]:
    found = _object(value, "lineage")
    for key, entry in found.items():
        if entry is not None and (isinstance(entry, bool) or not isinstance(entry, (str, int))):
            raise ValueError(f"lineage.{shown(key)}: expected text, a whole number or null, found {kind_of(entry)}")
    return found


def _object(value: object, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{place}: expected an object, found {kind_of(value)}")
    return value


def _list(value: object, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{place}: expected a list, found {kind_of(value)}")
    return value


def _check_keys(found: Mapping[str, object], keys: Iterable[str], place: str, optional: Iterable[str] = ()) -> None:
    if unknown := sorted(set(found).difference(keys, optional)):
        raise ValueError(f"{place}: has the unknown key {shown(unknown[0])}")
    if missing := sorted(set(keys).difference(found)):
        raise ValueError(f"{place}: lacks the key {shown(missing[0])}")
