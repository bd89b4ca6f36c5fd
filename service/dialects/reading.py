"""What the dialects share in reading: objects of JSON that may name numbers which are none, and wrapped cells."""

import base64
from typing import Any

from predictor.wording import kind_of
from service.bodies.documents import check_size, read_document
from service.problems import one_fault
from service.versions.catalog import Served

__all__ = ["cell_of", "read_object"]

B64 = {"b64"}


def read_object(body: bytes, served: Served, max_rows: int) -> dict[str, Any]:
    """Decode a body that must hold one JSON object; NaN and the infinities pass, for the schema to judge."""
    check_size(body, 2 * max_rows * (served.predictor.schema.most_cells + 1))
    document = read_document(body, allows_constants=True)
    if not isinstance(document, dict):
        raise one_fault(400, "", "type", f"expected an object, found {kind_of(document)}")
    return document


def cell_of(value: object) -> object:
    """Return the one value of a list of one, and the text of {"b64": "..."}; anything else as it is."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict) and value.keys() == B64:
        try:
            return base64.b64decode(value["b64"], validate=True).decode()
        except (ValueError, TypeError):
            return value  # refused by the schema, which knows the place
    return value
