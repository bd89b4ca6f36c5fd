"""What the files of two or more versions say, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predictor import CategoricalFeature, ClassOutputs, DateFeature
from predictor.features import Feature
from predictor.wording import shortened
from training.compare.versions import Version
from training.report.wording import bounded, figure, named
from training.scoring import HIGHER_IS_BETTER, LOWER_IS_BETTER

__all__ = ["Block", "difference", "recorded", "tested_alike"]

PARTS = ("test", "validation", "train")
NONE = "-"
TWO = 2
LEVELS_SHOWN = 6
UNSAID = "(none)"


@dataclass(frozen=True)
class Block:
    """A table with a title; ``notes`` are sentences below it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def recorded(versions: Sequence[Version], *, advice: str = "") -> list[Block]:
    """Return the tables: what the versions are, their figures with perhaps some advice below, and what differs."""
    labels = tuple(version.label for version in versions)
    found = [Block("Versions", ("", *labels), tuple(_overview(versions))), _figures(versions, labels, advice)]
    recipes = [_flat(version.predictor.recipe) for version in versions]
    lineages = [_flat(version.predictor.lineage) for version in versions]
    columns = [{one.name: _said(one) for one in version.predictor.schema.features} for version in versions]
    for title, sides in (("Recipe", recipes), ("Columns", columns), ("Where they come from", lineages)):
        rows = tuple(_different(sides))
        notes = () if rows else ("No difference.",)
        found.append(Block(title, ("", *labels), rows, notes))
    return found


def tested_alike(first: Version, second: Version) -> bool:
    """Tell whether the test rows of two versions are the same: the same data, divided in the same way."""
    return _testing(first) == _testing(second) and _testing(first)["data"] is not None


def difference(metric: str, change: float, ends: Sequence[float] | None = None) -> str:
    """Say a change of a metric from the first version to another, and whether it is for the better."""
    name = metric.rpartition(".")[2]
    sign = 1 if name in HIGHER_IS_BETTER else -1 if name in LOWER_IS_BETTER else 0
    text = f"{change:+.4g}"
    if ends is not None:
        text += f" [{ends[0]:+.4g}, {ends[1]:+.4g}]"
        if ends[0] <= 0 <= ends[1]:
            return f"{text} may be chance"
    return text + ("" if not sign or not change else " better" if sign * change > 0 else " worse")


def _overview(versions: Sequence[Version]) -> Iterator[tuple[str, ...]]:
    predictors = [version.predictor for version in versions]
    yield "answers as", *(", ".join(version.aliases) or NONE for version in versions)
    yield "predicts", *(_task(version) for version in versions)
    yield "columns", *(f"{len(one.schema.names)}" for one in predictors)
    yield "network", *(_network(version) for version in versions)
    yield "parameters", *(f"{one.network.parameters.flat.size:,}" for one in predictors)
    yield "file", *(f"{version.size / 1024:,.1f} KiB" for version in versions)
    yield "rows fitted", *(_count(one.lineage.get("train_rows")) for one in predictors)
    yield "data", *(_data(one.lineage) for one in predictors)
    yield "test rows", NONE, *(_tested(versions[0], version) for version in versions[1:])


def _figures(versions: Sequence[Version], labels: tuple[str, ...], advice: str) -> Block:
    names = dict.fromkeys(name for version in versions for name in version.predictor.metrics)
    ordered = sorted(names, key=lambda name: PARTS.index(part) if (part := name.partition(".")[0]) in PARTS else 0)
    differ = len(versions) == TWO and len({_task(version) for version in versions}) == 1
    head = ("", *labels, *(("difference",) if differ else ()))
    notes = []
    if len({_task(version) for version in versions}) > 1:
        notes.append("They do not predict the same, so that their figures do not compare.")
    elif any(not tested_alike(versions[0], version) for version in versions[1:]):
        notes.append("Their test rows are not the same, so that a difference may be due to the rows.")
    rows = tuple(_metric(versions, name, differ=differ) for name in ordered)
    return Block("Figures", head, rows, (*notes, *filter(None, [advice])))


def _metric(versions: Sequence[Version], name: str, *, differ: bool) -> tuple[str, ...]:
    values = [version.predictor.metrics.get(name) for version in versions]
    cells = [
        NONE if value is None else bounded(value, version.interval(name))
        for version, value in zip(versions, values, strict=True)
    ]
    row = (name.replace(".", " ").replace("_", " "), *cells)
    if not differ:
        return row
    first, second = values
    return *row, NONE if first is None or second is None else difference(name, second - first)


def _task(version: Version) -> str:
    outputs = version.predictor.outputs
    return f"{version.target}: {f'{len(outputs.labels)} classes' if isinstance(outputs, ClassOutputs) else 'a number'}"


def _network(version: Version) -> str:
    architecture = version.predictor.network.architecture
    sizes = "-".join(map(str, [architecture.inputs, *(layer.units for layer in architecture.layers)]))
    return sizes if architecture.members == 1 else f"{architecture.members} x {sizes}"


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else NONE


def _data(lineage: Mapping[str, Any]) -> str:
    return f"{lineage.get('source', NONE)}, SHA-256 {str(lineage.get('data_sha256', NONE))[:12]}"


def _tested(first: Version, second: Version) -> str:
    return "the same" if tested_alike(first, second) else "others"


def _testing(version: Version) -> dict[str, Any]:
    recipe, lineage = version.predictor.recipe, version.predictor.lineage
    split = {key: value for key, value in recipe.get("split", {}).items() if key not in {"validation", "train_rows"}}
    split.setdefault("seed", recipe.get("seed"))
    # A hash is of all columns that may be features; a random split knows the rows alone.
    columns = recipe.get("data") if split.get("method") == "hash" else None
    return {"data": lineage.get("data_sha256"), "split": split, "target": _task(version), "columns": columns}


def _flat(values: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Return values by dotted path, as text."""
    found: dict[str, str] = {}
    for key, value in values.items():
        name = f"{path}{key}"
        if isinstance(value, Mapping):
            found |= _flat(value, f"{name}.")
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            found |= _flat({str(place): one for place, one in enumerate(value)}, f"{name}.")
        else:
            found[name] = shortened(str(value).strip())
    return found


def _different(sides: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    for key in dict.fromkeys(key for side in sides for key in side):
        cells = [side.get(key, NONE) for side in sides]
        if len(set(cells)) > 1:
            yield key, *cells


def _said(feature: Feature) -> str:
    if isinstance(feature, CategoricalFeature):
        levels = named([str(level) or UNSAID for level in feature.categories], LEVELS_SHOWN)
        return f"category: {levels}; {_missing(feature.missing)}; unknown: {feature.unknown}"
    if isinstance(feature, DateFeature):
        return f"date; {_missing(feature.missing)}"
    return f"number: {figure(feature.low)} to {figure(feature.high)}; {_missing(feature.missing)}"


def _missing(value: object) -> str:
    if value is None:
        return "missing: refused"
    return f"missing: {figure(value) if isinstance(value, float) else str(value) or UNSAID}"
