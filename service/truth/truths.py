"""From the body of a feedback request to truths by row, or to what is wrong with it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from predictor import ClassOutputs, Fault, Findings, NumberOutputs
from predictor.errors import Draft
from predictor.wording import hint, kind_of, pointer, shown
from service.bodies.documents import check_size, read_document
from service.bodies.instances import FORMS, Instances, encoded, layout_of
from service.messages import KEPT_ID
from service.problems import Problem, one_fault
from service.versions.catalog import Served

__all__ = ["LARGEST", "Brought", "Item", "known_count", "read_feedback", "wrong_length"]

LARGEST = 3.4028234663852886e38
"""Of float32: what no prediction can be beyond, no truth is."""
SHAPES = (
    "expected 'request_id' and 'truths', 'instances' (or 'inputs') and 'truths', or 'feedback', a list of the first"
)
EXACT = 2**53
OF_ITEM = {"request_id", "truths"}


@dataclass(frozen=True)
class Item:
    """What is told of one request; `place` is where its truths stand in the body."""

    request_id: str
    truths: list[Any]
    place: str


@dataclass(frozen=True)
class Brought:
    """Rows that come along with what is true of them."""

    instances: Instances
    truths: list[Any]


def read_feedback(body: bytes, served: Served, max_rows: int) -> list[Item] | Brought:
    """Read a body by the schema and the outputs of a version; Problem 400, 413 or 422 says what is wrong and where."""
    targets = len(getattr(served.predictor.outputs, "targets", ("one",)))
    check_size(body, 2 * max_rows * (len(served.predictor.schema.names) + targets + 4))
    document = read_document(body)
    if not isinstance(document, dict):
        raise one_fault(422, "", "type", f"{SHAPES}; found {kind_of(document)}")
    forms = [form for form in FORMS if form in document]
    if len(forms) == 1 and document.keys() == {forms[0], "truths"}:
        return _brought(document, forms[0], served, max_rows)
    if document.keys() == {"feedback"}:
        items = list(_items(document["feedback"], served, max_rows))
    elif document.keys() == OF_ITEM:
        items = [_item(document, "", served, max_rows)]
    else:
        found = ", ".join(map(shown, list(document)[:5])) or "nothing"
        raise one_fault(422, "", "form", f"{SHAPES}; found {found}")
    total = sum(len(item.truths) for item in items)
    if total > max_rows:
        raise one_fault(422, "", "rows", f"expected at most {max_rows} rows, found {total}")
    return items


def known_count(truths: list[Any]) -> int:
    """Return of how many rows something is known."""
    return sum(truth is not None for truth in truths)


def wrong_length(place: str, expected: int, found: int) -> Problem:
    """Say that there are not as many truths as rows."""
    rows = "1 truth" if expected == 1 else f"{expected} truths"
    return one_fault(422, place, "rows", f"expected {rows}, one for each row of the request, found {found}")


def _brought(document: dict[str, Any], form: str, served: Served, max_rows: int) -> Brought:
    value, schema = document[form], served.predictor.schema
    instances = encoded(layout_of(form, value), value, schema, place=f"/{form}", max_rows=max_rows)
    truths = _truths(document["truths"], "/truths", served, max_rows)
    if len(truths) != len(instances.X):
        raise wrong_length("/truths", len(instances.X), len(truths))
    return Brought(instances, truths)


def _items(value: object, served: Served, max_rows: int) -> Iterator[Item]:
    if not isinstance(value, list) or not value:
        raise one_fault(422, "/feedback", "type", "expected a list of objects with 'request_id' and 'truths'")
    if len(value) > max_rows:
        raise one_fault(422, "/feedback", "rows", f"expected at most {max_rows} rows, found {len(value)}")
    for i, entry in enumerate(value):
        place = pointer("feedback", i)
        if not isinstance(entry, dict) or entry.keys() != OF_ITEM:
            raise one_fault(422, place, "type", "expected an object with 'request_id' and 'truths' only")
        yield _item(entry, place, served, max_rows)


def _item(entry: dict[str, Any], place: str, served: Served, max_rows: int) -> Item:
    request_id = entry["request_id"]
    if not isinstance(request_id, str) or not KEPT_ID.fullmatch(request_id):
        detail = "expected the X-Request-Id of an answer: 1 to 64 letters, digits, dots, hyphens or underscores"
        raise one_fault(422, f"{place}/request_id", "type", detail)
    where = f"{place}/truths"
    return Item(request_id, _truths(entry["truths"], where, served, max_rows), where)


def _truths(value: object, place: str, served: Served, max_rows: int) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise one_fault(422, place, "type", "expected a list with one truth for each row, null where it is not known")
    if len(value) > max_rows:
        raise one_fault(422, place, "rows", f"expected at most {max_rows} rows, found {len(value)}")
    outputs = served.predictor.outputs
    drafts = _label_faults(value, outputs) if isinstance(outputs, ClassOutputs) else _number_faults(value, outputs)
    faults = Findings.of_drafts(drafts)
    if faults:
        raise Problem(422, "The truths do not fit the model.", errors=faults.below(place))
    if not known_count(value):
        raise one_fault(422, place, "empty", "expected something that is known, found null only")
    return value if isinstance(outputs, ClassOutputs) else [_plain(truth) for truth in value]


def _label_faults(truths: Iterable[Any], outputs: ClassOutputs) -> Iterator[Draft]:
    known = {(type(label), label) for label in outputs.labels}
    for i, truth in enumerate(truths):
        if truth is None:
            continue
        if type(truth) is not str and type(truth) is not int:
            detail = f"expected one of the model's classes or null, found {kind_of(truth)}"
            yield partial(Fault, pointer(i), "type", detail)
        elif (type(truth), truth) not in known:
            yield partial(_unknown_label, i, str(truth), outputs)


def _unknown_label(row: int, truth: str, outputs: ClassOutputs) -> Fault:
    near = hint(truth, map(str, outputs.labels))
    return Fault(pointer(row), "label", f"{shown(truth)} is no class of the model{near}")


def _number_faults(truths: Iterable[Any], outputs: NumberOutputs) -> Iterator[Draft]:
    targets = len(outputs.targets)
    for i, truth in enumerate(truths):
        if truth is None:
            continue
        if targets == 1:
            yield from _number_fault(truth, pointer(i))
        elif not isinstance(truth, list) or len(truth) != targets:
            yield partial(Fault, pointer(i), "type", f"expected a list of {targets} numbers, or null")
        else:
            for k, number in enumerate(truth):
                yield from _number_fault(number, pointer(i, k))


def _plain(truth: Any) -> Any:
    """Return a whole number that a double does not hold exactly as a double, and everything else as it is."""
    if isinstance(truth, list):
        return [_plain(number) for number in truth]
    return float(truth) if isinstance(truth, int) and abs(truth) > EXACT else truth


def _number_fault(value: object, place: str) -> Iterator[Draft]:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        yield partial(Fault, place, "type", f"expected a number or null, found {kind_of(value)}")
    elif not -LARGEST <= value <= LARGEST:
        yield partial(Fault, place, "range", "expected a finite number that a float32 can hold")
