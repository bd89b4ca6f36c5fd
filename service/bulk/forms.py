"""The table of bulk forms: for each media type how rows are read and how answers are written."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from predictor import Schema
from service.bodies.answers import Outputs, answered, named_headers
from service.bodies.instances import Instances
from service.bulk import arrow, csv_text, ndjson, npy
from service.messages import Response
from service.versions.catalog import Served

__all__ = ["FORMS", "KINDS", "Form", "form_of", "write_bulk"]

Parameters = Mapping[str, str]
CSV = "text/csv"
NDJSON = "application/x-ndjson"


class Form(NamedTuple):
    """One form: its media type, how a body of it is read, how outputs are written in it.

    `read` takes the body, the schema, the most rows and the parameters of the Content-Type; it raises Problem 400, 415
    or 422, which says what is wrong and where.
    """

    kind: str
    read: Callable[[bytes, Schema, int, Parameters], Instances]
    write: Callable[[Served, Outputs], bytes]


FORMS = (
    Form("application/x-npy", npy.read, npy.write),
    Form("application/vnd.apache.arrow.stream", arrow.read, arrow.write),
    Form(CSV, csv_text.read, csv_text.write),
    Form(NDJSON, ndjson.read, ndjson.write),
    Form("application/jsonlines", ndjson.read, ndjson.write),
)
KINDS = tuple(form.kind for form in FORMS)
_BY_KIND = {form.kind: form for form in FORMS}


def form_of(kind: str) -> Form | None:
    """Return the form of a media type, None for JSON and all that is no bulk form."""
    return _BY_KIND.get(kind)


def write_bulk(form: Form, served: Served, outputs: Outputs) -> Response:
    """Answer in a bulk form; the headers tell the model and the version."""
    body = form.write(served, outputs)
    return answered(body, form.kind, len(outputs.values), named_headers(served))
