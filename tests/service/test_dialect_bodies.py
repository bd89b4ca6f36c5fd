"""Whatever stands in a body, a dialect answers in its own shape and never fails."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract import harness
from tests.service import models

ROW = models.FLOWER_ROW
NAMED = dict(zip(models.FLOWER_NAMES, ROW, strict=True))
TENSOR = {"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [ROW]}
TEXTS = [
    {"name": "area", "shape": [1], "datatype": "FP64", "data": [80]},
    {"name": "street", "shape": [1], "datatype": "BYTES", "data": ["paved"]},
    {"name": "roof", "shape": [1, 1], "datatype": "BYTES", "data": [["flat"]]},
]
WANTED = [{"name": "label", "parameters": {"binary_data": True}}]
BODIES: list[tuple[str, Any]] = [
    ("/v1/models/flowers:predict", {"signature_name": "label", "instances": [ROW]}),
    ("/v1/models/flowers:predict", {"instances": [NAMED]}),
    ("/v1/models/flowers:predict", {"instances": [{"input": ROW}]}),
    ("/v1/models/flowers:predict", {"inputs": {name: [[value]] for name, value in NAMED.items()}}),
    ("/v1/models/flowers:predict", {"inputs": {"input": [ROW]}}),
    ("/v1/models/houses:predict", {"instances": [{"area": 1, "street": {"b64": "cGF2ZWQ="}, "roof": "1"}]}),
    ("/v1/models/bursting:predict", {"instances": [0.5]}),
    ("/v1/models/flowers:classify", {"context": {}, "examples": [NAMED]}),
    ("/v1/models/bursting:regress", {"examples": [{"x": [1]}]}),
    ("/v1/models/flowers:explain", {"instances": [ROW]}),
    ("/v2/models/flowers/infer", {"id": "a", "inputs": [TENSOR], "outputs": WANTED, "parameters": {"timeout": 0}}),
    ("/v2/models/houses/infer", {"inputs": TEXTS, "parameters": {"binary_data_output": False}}),
    ("/v2/repository/index", {"ready": True}),
    ("/invocations", {"dataframe_split": {"columns": ["x", *NAMED], "index": [0], "data": [[0, *ROW]]}}),
    ("/invocations", {"dataframe_records": [NAMED], "params": {"predict_method": "predict_proba"}}),
    ("/invocations", {"inputs": {name: [value] for name, value in NAMED.items()}}),
]
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([]), st.just({}), st.just([[]]),
    st.sampled_from([10**400, -1, 2**63, 1e308, ["a"], {"b64": 1}, [{}]]),
    st.sampled_from(["input", "label", "b64", "FP64", "BOOL", "BYTES", "INT8"]),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value in a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


def changed(document: Any, place: tuple[Any, ...], value: Any, kind: str) -> Any:
    """Put a value at a place, take away what is there, or put the value beside it."""
    if not place:
        return value
    document = copy.deepcopy(document)
    holder = document
    for key in place[:-1]:
        holder = holder[key]
    if kind == "remove":
        del holder[place[-1]]
    elif kind == "add" and isinstance(holder, list):
        holder.insert(place[-1], value)
    elif kind == "add":
        holder["added"] = value
    else:
        holder[place[-1]] = value
    return document


@settings(max_examples=400, deadline=None)
@given(case=st.sampled_from(BODIES), data=st.data())
def test_a_changed_document_is_answered_in_the_shape_of_its_dialect(case: Any, data: Any, application: Any) -> None:
    path, document = case
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(places(document)))
        document = changed(document, place, data.draw(ODD), data.draw(st.sampled_from(["put", "add", "remove"])))
    answer = harness.through_flask(application, {"path": path, "body": json.dumps(document)})
    # Only a model whose answers can burst may fail, by what it says of a number.
    assert answer.status in {200, 400, 413} or (answer.status == 500 and "bursting" in path), (document, answer)
    harness.check_fault(answer, path)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_binary_tensors_are_answered(data: Any, application: Any) -> None:
    inputs = [
        {"name": "area", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}},
        {"name": "street", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 9}},
        {"name": "roof", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}},
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    body = bytearray(head + bytes(8) + b"\5\0\0\0paved" + b"\1\0\0\0" + b"1")
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    length = data.draw(st.one_of(st.just(len(head)), st.integers(0, len(body))))
    with application.flask.test_client() as client:
        answer = client.post(
            "/v2/models/houses/infer", data=bytes(body), headers={"Inference-Header-Content-Length": str(length)}
        )
    assert answer.status_code in {200, 400}, answer.data
