"""report.html: what was trained, on what, how good it is and where it is weak, on one page that needs nothing else."""

from collections.abc import Mapping
from html import escape
from typing import Any

from training.report.card import card_rows
from training.report.drawing import framed
from training.report.markup import (
    Cell,
    Raw,
    Section,
    bar,
    bars,
    chapters,
    contents,
    items,
    page,
    paragraph,
    preformatted,
    span,
    table,
)
from training.report.wording import bounded, figure, many, named, network_named
from training.toml_text import toml_text

__all__ = ["report_html"]

SLICES_SHOWN = 12
LEVELS_SHOWN = 4
PAIRS_SHOWN = 10
NAMES_SHOWN = 8
DECISIONS_SHOWN = 40
TWO = 2
CLASSES_SHOWN = 12
CAPTIONS = {
    "loss": "Loss by epoch",
    "confusion": "True classes down, predicted ones across",
    "predicted": "Predicted over true values",
    "residual": "Residuals",
    "calibration": "How often an answer was right, by the probability it was given",
}
QUARTERS = ("lowest", "lower_quarter", "median", "upper_quarter", "highest")
KEY_METRICS = ("accuracy", "macro_f1", "log_loss", "r2", "mae", "mse_standardised", "coverage_90")


def report_html(facts: Mapping[str, Any], pictures: Mapping[str, bytes]) -> bytes:
    """Return the page. ``facts`` are what report.json holds, ``pictures`` SVG files by their names."""
    sections = [
        Section("warnings", "Warnings", [items(facts["warnings"])]),
        Section("quality", "How good it is", [_metrics(facts), _pictures(pictures), _confused(facts.get("confusion"))]),
        Section("calibration", "Whether its probabilities are meant", _calibration(facts)),
        Section("importance", "What it leans on", _importance(facts.get("importance"))),
        Section("slices", "Where it is weak", _slices(facts["slices"])),
        Section("data", "Data", _data(facts)),
        Section("card", "Model card", [_card(facts)]),
        Section("recipe", "Recipe", [_recipe(facts["recipe"])]),
        Section("lineage", "Where it comes from", [_lineage(facts["lineage"])]),
    ]
    title = str(facts["target"]["name"])
    head = f"{paragraph(_summary(facts))}\n{_key(facts)}"
    return page(title, Raw(f"{head}\n{contents(sections)}\n{chapters(sections)}"))


def _summary(facts: Mapping[str, Any]) -> str:
    labels, rows = facts["target"].get("labels"), facts["rows"]
    what = f"one of {len(labels)} classes" if labels else "a number"
    network = network_named(facts["network"])
    tested = f"tested on {many(rows['test'], 'row')} that the fit did not see" if rows["test"] else "tested on none"
    return (
        f"Predicts {what} from {many(facts['features']['used'], 'column')} by {network}. "
        f"Fitted to {many(rows['train'], 'row')} in {many(facts['epochs'], 'epoch')}, {tested}. "
        f"It ended because: {facts['stopped']}."
    )


def _key(facts: Mapping[str, Any]) -> str:
    part = facts["judged"]
    chosen = [name for name in KEY_METRICS if f"{part}.{name}" in facts["metrics"]][:4]
    cells = []
    for name in chosen:
        ends = facts["intervals"].get(name)
        reach = "" if ends is None else span(f"{figure(ends[0])} to {figure(ends[1])}", "quiet")
        value = figure(facts["metrics"][f"{part}.{name}"])
        cells.append(f"<li>{escape(f'{part} {name}'.replace('_', ' '))}<b>{value}</b>{reach}</li>")
    return f'<ul class="key">{"".join(cells)}</ul>' if cells else ""


def _metrics(facts: Mapping[str, Any]) -> str:
    metrics, ends = facts["metrics"], facts["intervals"]
    parts = list(dict.fromkeys(name.partition(".")[0] for name in metrics))
    names = list(dict.fromkeys(name.partition(".")[2] for name in metrics))

    def cell(part: str, name: str) -> str:
        value = metrics.get(f"{part}.{name}")
        if value is None:
            return ""
        return bounded(value, ends.get(name) if part == facts["judged"] else None)

    rows = [(name.replace("_", " "), *(cell(part, name) for part in parts)) for name in names]
    said = "In brackets: the bounds that hold the true value 19 times in 20, by bootstrap of the rows."
    return table(("", *parts), rows, numbers=range(1, len(parts) + 1)) + (
        paragraph(f"{said}{_sampled(facts)}") if ends else ""
    )


def _sampled(facts: Mapping[str, Any]) -> str:
    """Say of which rows pictures and parts are, where the table was too large to hold all of them."""
    seen, part = facts["seen"]["judged"], facts["judged"]
    if seen == facts["rows"][part]:
        return ""
    return f" The pictures and the parts below are of {seen:,} of the {facts['rows'][part]:,} {part} rows."


def _pictures(pictures: Mapping[str, bytes]) -> str:
    drawn = []
    for file, picture in pictures.items():
        name = file.removesuffix(".svg")
        caption = CAPTIONS.get(name, f"{name} by epoch".replace("_", " "))
        drawn.append(framed(picture, name, caption))
    return f'<div class="figures">{"".join(drawn)}</div>'


def _confused(confusion: Mapping[str, Any] | None) -> str:
    """Return which classes are taken for which, most often first; two classes are told apart by the picture."""
    if not confusion or len(confusion["labels"]) <= TWO:
        return ""
    labels, counts = confusion["labels"], confusion["counts"]
    pairs = [(count, i, j) for i, row in enumerate(counts) for j, count in enumerate(row) if count and i != j]
    most = sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))[:PAIRS_SHOWN]
    rows = [(str(labels[i]), str(labels[j]), f"{count:,}", f"{count / sum(counts[i]):.1%}") for count, i, j in most]
    listed = table(("true", "predicted", "rows", "of the class"), rows, numbers=(2, 3))
    return f"<h3>Taken for one another</h3>{listed}" if listed else ""


def _calibration(facts: Mapping[str, Any]) -> list[str]:
    found = facts.get("calibration")
    if not found:
        return []
    text = (
        f"Expected calibration error: {figure(found['error'])}. It is how far the probability of an answer is from the "
        "part of such answers that is right, on average over the rows."
    )
    metrics, part = facts["metrics"], facts["judged"]
    if f"{part}.ece_before" in metrics:
        text += (
            f" The logits are divided by a temperature of {figure(metrics['validation.temperature'])}, learnt on the "
            f"rows that watched; before, it was {figure(metrics[f'{part}.ece_before'])}."
        )
    rows = [
        (figure(one["confidence"]), bounded(one["right"], (one["low"], one["high"])), f"{one['rows']:,}")
        for one in found["bins"]
    ]
    return [
        paragraph(text),
        table(("probability of the answer", "part that was right", "rows"), rows, numbers=(0, 1, 2)),
    ]


def _importance(importance: Mapping[str, float] | None) -> list[str]:
    if not importance:
        return []
    largest = max(*importance.values(), 1e-12)
    rows = [(name, bar(rise / largest), f"{rise:.3g}") for name, rise in importance.items()]
    text = "How much the error rises when a column is shuffled: the larger, the more the model leans on it."
    return [paragraph(text), table(("column", "", "rise"), rows, numbers=(2,))]


def _slices(slices: Mapping[str, Any]) -> list[str]:
    worst = slices["worst"][:SLICES_SHOWN]
    if not worst:
        return [paragraph("Too few rows were judged to look at parts of them.")]
    found = f"{slices['weak']} of {slices['tried']}" if slices["weak"] else f"none of {slices['tried']}"
    text = (
        f"Parts of at least 20 rows of the {slices['part']} rows, by {slices['measure']}; over all rows it is "
        f"{figure(slices['overall'])}. Weak: {found}. The bounds of all parts hold together 19 times in 20, and a part "
        "is called weak when its bounds lie wholly above the figure over all rows: chance alone hardly ever does that."
    )
    rows = [_slice(one) for one in worst]
    return [paragraph(text), table(("column", "is", "rows", slices["measure"], ""), rows, numbers=(2, 3))]


def _slice(one: Mapping[str, Any]) -> tuple[Cell, ...]:
    verdict = span("weak", "bad") if one["is_weak"] else ""
    return one["column"], one["part"], f"{one['rows']:,}", bounded(one["error"], (one["low"], one["high"])), verdict


def _data(facts: Mapping[str, Any]) -> list[str]:
    rows = facts["rows"]
    parts = ", ".join(f"{many(count, 'row')} {part}" for part, count in rows.items() if count)
    head = ("column", "use", "missing", "different", "values", "", "missing is")
    shown = [_column(column, facts["seen"]["rows"]) for column in facts["columns"]]
    more = facts["more_columns"]
    return [
        paragraph(f"{facts['lineage']['source']}: {parts}.{_described(facts)}"),
        "<h3>The target</h3>",
        _target(facts["target"]),
        "<h3>The columns</h3>",
        table(head, shown, numbers=(2, 3)),
        paragraph(f"and {many(more, 'more column')}") if more else "",
        *_decided(facts),
    ]


def _decided(facts: Mapping[str, Any]) -> list[str]:
    told = [one for one in facts["decisions"] if one["why"]]
    if not told and not facts["notes"]:
        return []
    alike: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for one in told:
        alike.setdefault((one["what"], one["why"]), []).append(one)
    rows = [
        (named([one["column"] for one in ones], NAMES_SHOWN), what, why, ones[0]["otherwise"])
        for (what, why), ones in list(alike.items())[:DECISIONS_SHOWN]
    ]
    more = len(alike) - len(rows)
    return [
        "<h3>What was decided</h3>",
        items(facts["notes"]),
        table(("column", "", "why", "otherwise"), rows),
        paragraph(f"and {more} more in report.json") if more > 0 else "",
    ]


def _described(facts: Mapping[str, Any]) -> str:
    seen, rows = facts["seen"]["rows"], sum(facts["rows"].values())
    return "" if seen == rows else f" What follows describes {seen:,} of them."


def _target(target: Mapping[str, Any]) -> str:
    if "labels" not in target:
        said = f"{_spread(target)}, mean {figure(target['mean'])}"
        return table((), [(target["name"], bars(target["histogram"]), said)])
    counts, total = target["counts"], sum(target["counts"])
    shown = sorted(zip(target["labels"], counts, strict=True), key=lambda pair: -pair[1])[:CLASSES_SHOWN]
    rows = [
        (str(label), bar(count / max(counts)), f"{count:,}", f"{100 * count / total:.1f} %") for label, count in shown
    ]
    more = len(counts) - len(shown)
    return table((target["name"], "", "rows", ""), rows, numbers=(2, 3)) + (
        paragraph(f"and {more} more classes") if more > 0 else ""
    )


def _column(column: Mapping[str, Any], rows: int) -> tuple[Cell, ...]:
    feature = column.get("feature")
    missing = f"{100 * column['missing'] / rows:.1f} %" if column["missing"] else "none"
    use = span("left out", "quiet") if feature is None else feature["kind"]
    return column["name"], use, missing, f"{column.get('distinct', 0):,}", *_values(column), _stand_in(feature)


def _values(column: Mapping[str, Any]) -> tuple[Cell, Cell]:
    if "earliest" in column:
        return bars(column["histogram"]), f"{column['earliest']} to {column['latest']}"
    if "median" in column:
        return bars(column["histogram"]), _spread(column)
    most = column.get("most", {})
    listed = named([f"{level} ({count:,})" for level, count in most.items()], LEVELS_SHOWN)
    return bars(list(most.values())), listed


def _spread(numbers: Mapping[str, Any]) -> str:
    lowest, lower, median, upper, highest = (figure(numbers[key]) for key in QUARTERS)
    return f"{lowest} to {highest}, half of them {lower} to {upper}, median {median}"


def _stand_in(feature: Mapping[str, Any] | None) -> str:
    if feature is None:
        return ""
    missing = feature.get("missing")
    if missing == "":
        return "a category of its own"
    return "refused" if missing is None else f"taken as {missing if isinstance(missing, str) else figure(missing)}"


def _card(facts: Mapping[str, Any]) -> str:
    rows = [(title, Raw(items(said)) if len(said) > 1 else said[0]) for title, said in card_rows(facts)]
    return f'<div class="card">{table((), rows)}</div>'


def _recipe(recipe: Mapping[str, Any]) -> str:
    return paragraph("`python -m training fit SOURCE --recipe FILE` takes this as it is.") + preformatted(
        toml_text(recipe)
    )


def _lineage(lineage: Mapping[str, Any]) -> str:
    return table((), [(name.replace("_", " "), str(value)) for name, value in sorted(lineage.items())])
