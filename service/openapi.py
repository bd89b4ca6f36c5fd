"""OpenAPI 3.1 from the table of routes and the schemas of the loaded models."""

import re
from collections.abc import Iterable
from typing import Any

from predictor import ClassOutputs, DateFeature, Feature, NumericFeature
from predictor.repository import VERSION
from service.bulk import KINDS
from service.describing import example_row
from service.messages import JSON, KEPT_ID
from service.router import NATIVE, Dialect, Route
from service.versions.catalog import Catalog, Served

__all__ = ["describe"]

Schema = dict[str, Any]
OBJECT: Schema = {"schema": {"type": "object"}}
PROBLEMS = {"400": "Not HTTP or not JSON", "404": "No such thing", "413": "Too large", "415": "Another type of body",
            "422": "JSON that does not fit the model", "429": "Busy", "503": "No proven model",
            "504": "Not in time"}  # fmt: skip
KEY_PROBLEMS = {"401": "No known key or token", "403": "The key lacks the scope"}


def describe(routes: Iterable[Route], catalog: Catalog, *, needs_key: bool) -> Schema:
    """Return the whole document: the routes as they are, and each loaded model's own path with its schema."""
    paths: dict[str, Any] = {}
    tags: dict[str, str] = {}
    for route in routes:
        tags[route.dialect.name] = route.dialect.title
        place = paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", route.template), {})
        place[route.method.lower()] = _operation(route, catalog, needs_key=needs_key)
    schemas: dict[str, Any] = {"Problem": _problem(), "Feedback": _feedback()}
    for entry in catalog.models.values():
        served = entry.serving.get("champion")
        if served is not None:
            schemas[f"{entry.name}.request"] = _request(served)
            schemas[f"{entry.name}.answer"] = _answer(served)
            paths[f"/models/{entry.name}/predict"] = {"post": _model_operation(entry.name, needs_key=needs_key)}
    default = catalog.default
    if f"{default}.request" in schemas:
        _attach(paths["/predict"]["post"], str(default))
    security = {"apiKey": {"type": "http", "scheme": "bearer"}, "admin": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ganglion", "version": "1", "description": "Predictions of the loaded models."},
        "tags": [{"name": name, "description": title} for name, title in tags.items()],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security},
    }


def _operation(route: Route, catalog: Catalog, *, needs_key: bool) -> Schema:
    operation: Schema = {"summary": route.summary, "operationId": _identifier(route.method, route.template)}
    names = re.findall(r"<(\w+)>", route.template)
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": _part(name, catalog)} for name in names
        ]
    if route.method == "POST":
        kinds = route.consumes or (JSON,)
        body = {"schema": {"$ref": "#/components/schemas/Feedback"}} if route.access == "feedback" else OBJECT
        operation["requestBody"] = {"content": {kind: {} if kind != JSON else body for kind in kinds}}
    answer = {"description": "The answer", "content": {kind.partition(";")[0]: {} for kind in route.produces}}
    operation["responses"] = {str(route.status): answer} | _problems(route.dialect)
    operation["tags"] = [route.dialect.name]
    if route.access == "admin" or (route.access != "public" and needs_key):
        operation["security"] = [{"admin" if route.access == "admin" else "apiKey": []}]
        content = operation["responses"]["404"]["content"]
        for status, text in KEY_PROBLEMS.items():
            operation["responses"][status] = {"description": text, "content": content}
    return operation


def _part(name: str, catalog: Catalog) -> Schema:
    """Return the schema of a part of a path: the names that there are, where these are models or aliases."""
    entries = catalog.models.values()
    known = {"name": sorted(catalog.models), "alias": sorted({alias for entry in entries for alias in entry.serving})}
    if name == "version":
        return {"type": "string", "pattern": f"^{VERSION.pattern}$"}
    return {"type": "string"} | ({"enum": known[name]} if known.get(name) else {})


def _model_operation(name: str, *, needs_key: bool) -> Schema:
    operation: Schema = {
        "summary": f"Predict with the champion of {name}",
        "operationId": f"predict_{name}",
        "tags": [NATIVE.name],
        "responses": {"200": {"description": "The answer"}} | _problems(NATIVE),
    }
    if needs_key:
        operation["security"] = [{"apiKey": []}]
        content = operation["responses"]["404"]["content"]
        operation["responses"] |= {s: {"description": text, "content": content} for s, text in KEY_PROBLEMS.items()}
    _attach(operation, name)
    return operation


def _attach(operation: Schema, name: str) -> None:
    def content(part: str) -> Schema:
        return {JSON: {"schema": {"$ref": f"#/components/schemas/{name}.{part}"}}} | {kind: {} for kind in KINDS}

    operation["requestBody"] = {"required": True, "content": content("request")}
    operation["responses"]["200"]["content"] = content("answer")


def _problems(dialect: Dialect) -> Schema:
    """Return what can go wrong; the dialects have no 422, and a body of their own."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}} if dialect == NATIVE else OBJECT
    content = dict.fromkeys(dialect.fault_types, schema)
    known = {status: text for status, text in PROBLEMS.items() if status != "422" or dialect == NATIVE}
    return {status: {"description": text, "content": content} for status, text in known.items()}


def _request(served: Served) -> Schema:
    schema = served.predictor.schema
    features = schema.features
    cells = [_cell(feature) for feature in features]
    row = {"type": "array", "prefixItems": cells, "items": False, "minItems": len(cells)}
    names = [feature.name for feature in features]
    others: Schema = {name: {"description": "Passed over: it is no feature of the model"} for name in schema.left_out}
    cells_by_name = dict(zip(names, cells, strict=True))
    record = {"type": "object", "properties": cells_by_name | others, "required": names}
    columns = {name: {"type": "array", "items": cell, "minItems": 1} for name, cell in cells_by_name.items()} | others
    options: dict[str, Any] = {name: {"type": "boolean"} for name in ("warnings", "explain")}
    part = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    options["interval"] = {"anyOf": [{"type": "boolean"}, part]}
    either = {"oneOf": [{"type": "array", "items": item, "minItems": 1} for item in (row, _closed(record))]}
    inputs = _closed({"type": "object", "properties": columns, "required": names})
    return _closed(
        {
            "type": "object",
            "properties": {"instances": either, "inputs": inputs} | options,
            "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
            "examples": [{"instances": [example_row(served)]}],
        }
    )


def _closed(schema: Schema) -> Schema:
    return schema | {"additionalProperties": False}


def _cell(feature: Feature) -> Schema:
    if isinstance(feature, NumericFeature):
        kind: Schema = {"type": "number" if feature.missing is None else ["number", "null"]}
        return kind | {"description": f"Training range {feature.low:g} to {feature.high:g}"}
    kind = {"type": "string" if feature.missing is None else ["string", "null"]}
    if isinstance(feature, DateFeature):
        expected = f"{feature.expected[0].upper()}{feature.expected[1:]}"
        return kind | {"description": f"{expected}. Training range {feature.low} to {feature.high}"}
    if feature.takes_numbers or feature.takes_booleans:
        also = ["number"] * feature.takes_numbers + ["boolean"] * feature.takes_booleans
        kind = {"type": ["string", *also, *([] if feature.missing is None else ["null"])]}
    if feature.unknown == "bucket" or feature.takes_numbers or feature.takes_booleans:
        return kind
    return kind | {"enum": [*feature.categories, *([] if feature.missing is None else [None])]}


def _answer(served: Served) -> Schema:
    outputs = served.predictor.outputs
    properties: Schema = {"model": {"const": served.name}, "version": {"type": "integer"}}
    if isinstance(outputs, ClassOutputs):
        numbers = {"type": "array", "items": {"type": "number"}}
        properties["predictions"] = {"type": "array", "items": {"enum": list(outputs.labels)}}
        properties["probabilities"] = {"type": "array", "items": numbers}
        properties["classes"] = {"const": list(outputs.labels)}
        properties["sets"] = {"type": "array", "items": {"type": "array", "items": {"enum": list(outputs.labels)}}}
    else:
        number: Schema = {"type": "number"}
        item = number if len(outputs.targets) == 1 else {"type": "array", "items": number}
        properties["predictions"] = {"type": "array", "items": item}
        pair = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
        properties["intervals"] = {"type": "array", "items": pair}
    return {"type": "object", "properties": properties, "required": ["model", "version", "predictions"]}


def _feedback() -> Schema:
    truths = {"type": "array", "minItems": 1, "description": "One for each row; null where it is not known"}
    request_id = {"type": "string", "pattern": f"^{KEPT_ID.pattern}$"}
    item = _fixed({"request_id": request_id, "truths": truths})
    rows = [_fixed({"instances": {"type": "array", "minItems": 1}, "truths": truths})]
    rows.append(_fixed({"inputs": {"type": "object"}, "truths": truths}))
    many = _fixed({"feedback": {"type": "array", "items": item, "minItems": 1}})
    return {"oneOf": [item, *rows, many]}


def _fixed(properties: Schema) -> Schema:
    return _closed({"type": "object", "properties": properties, "required": list(properties)})


def _problem() -> Schema:
    text = {"type": "string"}
    fault = {"type": "object", "properties": {"pointer": text, "code": text, "detail": text}}
    properties: Schema = dict.fromkeys(("type", "title", "detail", "instance"), text)
    properties |= {"status": {"type": "integer"}, "errors": {"type": "array", "items": fault, "maxItems": 10}}
    return {"type": "object", "properties": properties | {"count": {"type": "integer"}}}


def _identifier(method: str, template: str) -> str:
    return re.sub(r"\W+", "_", f"{method.lower()}{template}").strip("_")
