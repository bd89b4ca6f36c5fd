"""MLflow's four forms of JSON: a table split into columns and rows, a table of records, instances and inputs."""

from collections.abc import Iterable, Sequence
from typing import Any

from predictor.wording import kind_of
from service.bodies.instances import Instances, encoded, layout_of, plain_instances
from service.bodies.pieces import released, spans
from service.dialects.reading import read_object
from service.problems import one_fault
from service.versions.catalog import Served

__all__ = ["read_json"]

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
METHODS = ("predict", "predict_proba")


def read_json(body: bytes, served: Served, max_rows: int) -> tuple[Instances, bool]:
    """Return the rows, and whether `params` ask for probabilities by `predict_method`.

    Columns come by name in any order, those that are no features are passed over; NaN is a missing value.
    """
    plain = plain_instances(body, served.predictor.schema, max_rows)
    if plain is not None:
        return plain, False
    document = read_object(body, served, max_rows)
    given = [form for form in FORMS if form in document]
    if len(given) != 1:
        raise one_fault(400, "", "form", f"expected one of {', '.join(FORMS)}, found {len(given)} of them")
    unknown = document.keys() - {*FORMS, "params"}
    if unknown:
        raise one_fault(400, "", "unknown_key", "expected no key beside it but params")
    is_probable = _wants_probabilities(document.get("params"))
    return _read_form(given[0], document[given[0]], served, max_rows), is_probable


def _read_form(form: str, value: Any, served: Served, max_rows: int) -> Instances:
    schema = served.predictor.schema
    place = f"/{form}"
    if form == "dataframe_split":
        return _split(value, served, max_rows)
    if form == "inputs" and isinstance(value, dict):
        columns = {name: value[name] for name in schema.names if name in value}
        if not any(isinstance(column, list) for column in columns.values()):
            columns = {name: [cell] for name, cell in columns.items()}  # one row, to MLflow too
        return encoded("columns", columns, schema, place=place, max_rows=max_rows)
    if form == "dataframe_records" or layout_of("instances", value) == "records":
        return encoded("records", _records(value, schema.names), schema, place=place, max_rows=max_rows)
    if len(schema.names) == 1 and isinstance(value, list) and not any(isinstance(cell, list) for cell in value):
        value = [[cell] for cell in value]
    return encoded("rows", value, schema, place=place, max_rows=max_rows)


def _split(value: Any, served: Served, max_rows: int) -> Instances:
    schema = served.predictor.schema
    if not isinstance(value, dict) or "data" not in value or value.keys() - {"columns", "data", "index"}:
        raise one_fault(400, "/dataframe_split", "type", "expected an object with columns and data, and perhaps index")
    rows = value["data"]
    columns = value.get("columns")
    if columns is None or columns == list(range(len(schema.names))):  # a table without names
        return encoded("rows", rows, schema, place="/dataframe_split/data", max_rows=max_rows)
    if not isinstance(columns, list) or not all(isinstance(name, (str, int)) for name in columns):
        found = kind_of(columns)
        raise one_fault(400, "/dataframe_split/columns", "type", f"expected a list of names, found {found}")
    if len(set(columns)) != len(columns):
        raise one_fault(400, "/dataframe_split/columns", "duplicate_feature", "a name stands more than once")
    if not isinstance(rows, list):
        raise one_fault(400, "/dataframe_split/data", "type", f"expected a list of rows, found {kind_of(rows)}")
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            found = str(len(row)) if isinstance(row, list) else kind_of(row)
            detail = f"expected a row of {len(columns)} values, found {found}"
            raise one_fault(400, f"/dataframe_split/data/{number}", "width", detail)
    found_columns = _by_name(columns, rows, frozenset(schema.names))
    return encoded("columns", found_columns, schema, place="/dataframe_split", max_rows=max_rows)


def _by_name(columns: Sequence[Any], rows: list[list[Any]], known: frozenset[str]) -> dict[str, list[Any]]:
    """Return the columns that are known, and use up the rows."""
    places = [(index, name) for index, name in enumerate(columns) if name in known]
    found: dict[str, list[Any]] = {name: [] for _, name in places}
    for some in spans(len(rows)):
        for index, name in places:
            found[name] += [row[index] for row in rows[some]]
    released(rows)
    return found


def _records(value: Any, names: Sequence[str]) -> Any:
    """Drop what is no feature; a feature that only some of the records have is missing from the others."""
    if not isinstance(value, list) or not all(isinstance(record, dict) for record in value):
        return value
    seen: set[Any] = set()
    for some in spans(len(value)):
        seen.update(*value[some])
    present: Iterable[str] = [name for name in names if name in seen]
    for some in spans(len(value)):
        value[some] = [{name: record.get(name) for name in present} for record in value[some]]
    return value


def _wants_probabilities(params: Any) -> bool:
    if params is None:
        return False
    if not isinstance(params, dict) or params.keys() - {"predict_method"}:
        raise one_fault(400, "/params", "params", "expected an object with predict_method only")
    method = params.get("predict_method", METHODS[0])
    if method not in METHODS:
        raise one_fault(400, "/params/predict_method", "params", f"expected one of {', '.join(METHODS)}")
    return bool(method == METHODS[1])
