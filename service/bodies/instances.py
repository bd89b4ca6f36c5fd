"""From the body of a native prediction request to the matrix the network takes, or to what is wrong with it."""

from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from predictor import Fault, InputError, Schema
from predictor.errors import FAULTS_KEPT
from predictor.wording import SHOWN_LIMIT, hint, kind_of, pointer, shown
from service.bodies.documents import check_size, read_document
from service.bodies.pieces import released
from service.bodies.plain import plain_numbers
from service.computing.courtesy import make_way
from service.problems import Problem, not_fitting, one_fault

__all__ = [
    "FORMS",
    "NO_OPTIONS",
    "Instances",
    "Layout",
    "Options",
    "encoded",
    "layout_of",
    "plain_instances",
    "read_instances",
]

Layout = Literal["rows", "records", "columns"]
FORMS = ("instances", "inputs")


@dataclass(frozen=True, slots=True)
class Options:
    """What a request may ask for beyond the predictions."""

    warnings: bool = False
    interval: bool | float = False  # the part of outcomes that it is to hold
    explain: bool = False


NO_OPTIONS = Options()
KNOWN_KEYS = (*FORMS, *(option.name for option in fields(Options)))


class Instances(NamedTuple):
    """X, float32 (rows, width), how the rows were written, and the warnings met while encoding them.

    `left_out_count` says how many of the warnings are about cells that are no feature's.
    `cells` are the values as they were given: a matrix of numbers, (rows, features), or a sequence for each feature.
    A tuple, as it is made for every request: a frozen data class takes three times as long.
    """

    X: NDArray[np.float32]
    layout: Layout = "rows"
    options: Options = NO_OPTIONS
    warnings: tuple[Fault, ...] = ()
    warning_count: int = 0
    left_out_count: int = 0
    cells: Any = None


def read_instances(body: bytes, schema: Schema, max_rows: int) -> Instances:
    """Read a native prediction body; Problem 400, 413 or 422 says what is wrong and where."""
    plain = plain_instances(body, schema, max_rows)
    return _read_precisely(body, schema, max_rows) if plain is None else plain


def plain_instances(body: bytes, schema: Schema, max_rows: int) -> Instances | None:
    """Read the commonest body, {"instances": rows of numbers} and nothing else; None for any other or doubtful one.

    Problem 413 for a body that holds more values than any good one would, 422 for numbers that do not fit.
    """
    values = plain_numbers(body, len(schema.names), max_rows) if schema.is_numeric else None
    if values is None:
        check_size(body, 2 * max_rows * (schema.most_cells + 1))
        return None
    try:
        return Instances(schema.encode_numbers(values), cells=values)
    except InputError as error:
        raise not_fitting(error, "/instances") from error


def encoded(layout: Layout, value: object, schema: Schema, *, place: str, max_rows: int) -> Instances:
    """Check and encode decoded JSON in one of the three layouts; faults point below `place`.

    The value is used up: its lists are empty afterwards if they were long.
    """
    _check_rows(place, value, layout, max_rows)
    encode = {"rows": schema.encode_rows, "records": schema.encode_records, "columns": schema.encode_named_columns}
    try:
        found = encode[layout](value, make_way)
    except InputError as error:
        raise not_fitting(error, place) from error
    finally:
        released(value)
    warnings = found.warnings.below(place)
    return Instances(found.X, layout, NO_OPTIONS, warnings, warnings.total, found.left_out, found.cells)


def _read_precisely(body: bytes, schema: Schema, max_rows: int) -> Instances:
    document = read_document(body)
    form = _checked_form(document)
    options = _options(document)
    value = document[form]
    instances = encoded(layout_of(form, value), value, schema, place=f"/{form}", max_rows=max_rows)
    return instances._replace(options=options)


def _checked_form(document: object) -> str:
    """Return which of the two forms the document uses, having checked its top level."""
    if not isinstance(document, dict):
        raise one_fault(422, "", "type", f"expected an object with 'instances' or 'inputs', found {kind_of(document)}")
    unknown = [key for key in document if key not in KNOWN_KEYS]
    if unknown:
        where = "" if any(form in document for form in FORMS) else '; rows belong into a list: {"instances": [...]}'
        detail = f"The body has keys that this route does not know{where}."
        raise Problem(422, detail, errors=map(_unknown, unknown[:FAULTS_KEPT]), count=len(unknown))
    given = [form for form in FORMS if form in document]
    if len(given) != 1:
        found = "both" if given else "neither"
        raise one_fault(422, "", "form", f"expected 'instances' (rows) or 'inputs' (columns), found {found}")
    return given[0]


def _unknown(key: str) -> Fault:
    is_short = len(key) <= SHOWN_LIMIT and key.isprintable()
    detail = f"{shown(key)} is not a key of this route{hint(key, KNOWN_KEYS)}"
    return Fault(pointer(key) if is_short else "", "unknown_key", detail)


def _options(document: dict[str, Any]) -> Options:
    given = {option.name: document[option.name] for option in fields(Options) if option.name in document}
    if not given:
        return NO_OPTIONS
    faults = [fault for name, value in given.items() if (fault := _option_fault(name, value)) is not None]
    if faults:
        raise Problem(422, "The options do not fit.", errors=faults)
    return Options(**given)


def _option_fault(name: str, value: object) -> Fault | None:
    if isinstance(value, bool):
        return None
    if name != "interval":
        return Fault(f"/{name}", "type", f"expected true or false, found {kind_of(value)}")
    if not isinstance(value, (int, float)):
        return Fault("/interval", "type", f"expected true, false or a number, found {kind_of(value)}")
    return None if 0 < value < 1 else Fault("/interval", "range", "expected a number between 0 and 1")


def layout_of(form: str, value: object) -> Layout:
    """Tell how rows are written, by the key they stand under and the first of them."""
    if form == "inputs":
        return "columns"
    return "records" if isinstance(value, list) and value and isinstance(value[0], dict) else "rows"


def _check_rows(place: str, value: object, layout: Layout, max_rows: int) -> None:
    columns = cast("dict[str, Any]", value).values() if layout == "columns" and isinstance(value, dict) else [value]
    rows = max((len(column) for column in columns if isinstance(column, list)), default=0)
    if rows > max_rows:
        raise one_fault(422, place, "rows", f"expected at most {max_rows} rows, found {rows}")
