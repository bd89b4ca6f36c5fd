"""The model card: what the model is for, what it was made of, how good it is, and its limits, from the facts alone.

The headings are those of Mitchell et al., "Model Cards for Model Reporting", 2019.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.report.wording import bounded, figure, many, named, network_named

__all__ = ["card_rows", "weak_places"]

NOT_SAID = "Not said. The recipe's `card.{key}` is the place to say it."
FEW_ROWS = 100
WEAK_SHOWN = 5
NAMES_SHOWN = 8
INTENDED = (("Intended use", "use"), ("Not meant for", "not_for"), ("Who answers for it", "contact"))


def card_rows(facts: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the rows of the card: a heading, and sentences."""
    said = facts["recipe"].get("card", {})
    stated = [(title, [said.get(key) or NOT_SAID.format(key=key)]) for title, key in INTENDED]
    return [
        ("What it does", [_task(facts)]),
        *stated,
        ("Data", [*_data(facts), *([said["data"]] if "data" in said else [])]),
        ("How good it is", _metrics(facts)),
        ("Limits", list(_limits(facts))),
    ]


def weak_places(slices: Mapping[str, Any], *, most: int) -> Iterator[str]:
    """Say the surest weak places, and how many more there are."""
    weak = [one for one in slices["worst"] if one["is_weak"]][:most]
    for one in weak:
        yield (
            f"Weak where {one['column']} is {one['part']}: {slices['measure']} {figure(one['error'])} over "
            f"{many(one['rows'], 'row')}, {figure(slices['overall'])} over all."
        )
    if slices["weak"] > len(weak):
        yield f"Weak in {many(slices['weak'] - len(weak), 'more place')}: see the page."


def _task(facts: Mapping[str, Any]) -> str:
    target, used = facts["target"], [column["name"] for column in facts["columns"] if column["used"]]
    labels = target.get("labels")
    what = f"tells which of {len(labels)} classes" if labels else "estimates the number that"
    return (
        f"From {named(used, NAMES_SHOWN, facts['features']['used'])} it {what} {target['name']!r} is, "
        f"by {network_named(facts['network'])}."
    )


def _data(facts: Mapping[str, Any]) -> list[str]:
    rows, lineage = facts["rows"], facts["lineage"]
    parts = ", ".join(f"{count:,} {part}" for part, count in rows.items() if count)
    digest = str(lineage["data_sha256"])
    left = [column["name"] for column in facts["columns"] if not column["used"]]
    found = [f"{lineage['source']}, SHA-256 {digest[:16]}...: {parts} rows, {_split(facts)}."]
    return [*found, f"Left out: {named(left, NAMES_SHOWN, facts['features']['left_out'])}."] if left else found


def _split(facts: Mapping[str, Any]) -> str:
    split = facts["recipe"]["split"]
    if split["method"] == "none":
        return "nothing held out"
    how = {"random": "split at random", "hash": "split by a hash of each row", "given": "split as the source has it"}
    seed = split.get("seed", facts["recipe"]["seed"])
    return how[split["method"]] + ("" if split["method"] == "given" else f" with the seed {seed}")


def _metrics(facts: Mapping[str, Any]) -> list[str]:
    part, rows = facts["judged"], facts["rows"][facts["judged"]]
    ends = facts["intervals"]
    names = [name.partition(".")[2] for name in facts["metrics"] if name.startswith(f"{part}.")]
    found = [
        f"{name.replace('_', ' ')} {bounded(facts['metrics'][f'{part}.{name}'], ends.get(name))}" for name in names
    ]
    kind = "that the fit did not see" if part == "test" else "that it was fitted to, as none were held out"
    return [f"On {many(rows, 'row')} {kind}: {'; '.join(found)}. In brackets: 95 % bootstrap intervals."]


def _limits(facts: Mapping[str, Any]) -> Iterator[str]:
    columns = [column for column in facts["columns"] if column["used"]]
    if any(column["feature"]["kind"] == "number" for column in columns):
        yield "Outside the ranges of the training rows (see Data) it extrapolates; the service warns of such values."
    yield from _categories(columns)
    yield from _missing(columns)
    rows = facts["rows"][facts["judged"]]
    if facts["judged"] != "test":
        yield "No rows were held out, so that how it does on new rows is not known."
    elif rows < FEW_ROWS:
        yield f"Only {many(rows, 'row')} tested it: mind how wide the intervals are."
    yield from _rare(facts)
    yield from weak_places(facts["slices"], most=WEAK_SHOWN)
    yield "What it leans on is what helps to predict, which need not be what causes."


def _categories(columns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for unknown, what in (("bucket", "answered with a warning"), ("refuse", "refused")):
        names = [column["name"] for column in columns if column["feature"].get("unknown") == unknown]
        if names:
            yield f"A category that training did not see is {what}: {named(names, NAMES_SHOWN)}."


def _missing(columns: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = [column["name"] for column in columns if column["feature"].get("missing") is None]
    if names and len(names) < len(columns):
        yield f"A missing value is refused in {named(names, NAMES_SHOWN)}, and stood in for elsewhere."
    elif names:
        yield "A missing value is refused in every column."


def _rare(facts: Mapping[str, Any]) -> Iterator[str]:
    target = facts["target"]
    if "labels" in target:
        rare = [str(label) for label, count in zip(target["labels"], target["counts"], strict=True) if count < FEW_ROWS]
        if rare:
            yield f"Fewer than {FEW_ROWS} rows of all show the class {named(rare, NAMES_SHOWN)}."
