"""Bulk forms: the same numbers give the same bits in whatever form they come and go."""

import csv
import io
import json
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor import (
    CategoricalFeature,
    ClassOutputs,
    DateFeature,
    FolderRepository,
    NumberOutputs,
    NumericFeature,
    Schema,
    reading,
)
from service.application import create_application
from service.bodies import pieces
from service.settings import load_settings
from tests.service import models

NPY = "application/x-npy"
ARROW = "application/vnd.apache.arrow.stream"
X = np.random.default_rng(3).uniform(0, 8, (37, 4)).astype(np.float32)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def arrow(columns: Any) -> bytes:
    table = pa.table(columns)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=10)
    return sink.getvalue()


def csv_of(rows: Any) -> bytes:
    file = io.StringIO()
    csv.writer(file).writerows([models.FLOWER_NAMES, *rows])
    return file.getvalue().encode()


BODIES = {
    "application/json": json.dumps({"instances": X.tolist()}).encode(),
    NPY: npy(X),
    ARROW: arrow({name: X[:, i] for i, name in enumerate(models.FLOWER_NAMES)}),
    "text/csv": csv_of(X.tolist()),
    "application/x-ndjson": b"".join(json.dumps(row).encode() + b"\n" for row in X.tolist()),
}


@pytest.fixture(scope="module")
def client(application: Any) -> Any:
    return application.flask.test_client()


def ask(client: Any, body: bytes, kind: str, accept: str = "application/json") -> Any:
    return client.post("/predict", data=body, headers={"Content-Type": kind, "Accept": accept})


@pytest.mark.parametrize("kind", BODIES)
def test_rows_of_every_form_give_the_same_answer(kind: str, client: Any) -> None:
    expected = ask(client, BODIES["application/json"], "application/json")
    found = ask(client, BODIES[kind], kind)
    assert found.status_code == 200, found.text
    assert found.data == expected.data


TENSORS = {"name": "input", "shape": list(X.shape), "datatype": "FP32", "data": X.ravel().tolist()}
RECORDS = [dict(zip(models.FLOWER_NAMES, row, strict=True)) for row in X.tolist()]
OTHERS = {
    "/v1/models/flowers:predict": {"instances": X.tolist()},
    "/v1/models/flowers:classify": {"examples": RECORDS},
    "/v2/models/flowers/infer": {"inputs": [TENSORS]},
    "/invocations": {"dataframe_split": {"columns": models.FLOWER_NAMES, "data": X.tolist()}},
}


@pytest.mark.parametrize("kind", [*BODIES, *OTHERS])
@pytest.mark.parametrize("accept", BODIES)
def test_many_rows_are_read_and_written_in_pieces_to_the_same_bytes(
    kind: str, accept: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer() -> tuple[int, bytes]:
        found = client.post(kind, json=OTHERS[kind]) if kind in OTHERS else ask(client, BODIES[kind], kind, accept)
        return found.status_code, found.data

    expected = answer()
    for name, size in (("PIECE_BYTES", 64), ("PIECE_ROWS", 5), ("PIECE_VALUES", 12), ("LINES_BYTES", 50)):
        monkeypatch.setattr(pieces, name, size)
    for name, size in (("FEW_ROWS", 4), ("WIDE_ROWS", 1), ("MOST_ROWS", 3)):
        monkeypatch.setattr(reading, name, size)
    assert answer() == expected
    assert expected[0] == 200


def test_lines_between_rows_may_be_blank(tmp_path: Path) -> None:
    models.publish(FolderRepository(tmp_path), "flowers", models.flowers())
    few = create_application(load_settings(models=tmp_path, max_rows=3)).flask.test_client()
    body = b"\n\n\n".join(BODIES["application/x-ndjson"].splitlines()[:3])
    assert len(ask(few, body, "application/x-ndjson").get_json()["predictions"]) == 3
    assert ask(few, body + b"\n[1,2,3,4]\n", "application/x-ndjson").status_code == 422


def test_answers_of_every_form_hold_the_same_bits(client: Any) -> None:
    body = BODIES[NPY]
    plain = ask(client, body, NPY).get_json()
    expected = np.array(plain["probabilities"], np.float32)

    assert (np.load(io.BytesIO(ask(client, body, NPY, NPY).data), allow_pickle=False) == expected).all()
    table = pa.ipc.open_stream(ask(client, body, NPY, ARROW).data).read_all()
    assert table.column_names == ["prediction", *(f"probability of {name}" for name in plain["classes"])]
    assert table["prediction"].to_pylist() == plain["predictions"]
    assert (np.column_stack([table.columns[i].to_numpy() for i in (1, 2, 3)]) == expected).all()
    header, *rows = csv.reader(io.StringIO(ask(client, body, NPY, "text/csv").text))
    assert header == table.column_names
    assert [row[0] for row in rows] == plain["predictions"]
    assert (np.array([row[1:] for row in rows], np.float32) == expected).all()
    lines = [json.loads(line) for line in ask(client, body, NPY, "application/x-ndjson").text.splitlines()]
    assert [line["prediction"] for line in lines] == plain["predictions"]
    found = [[line["probabilities"][name] for name in plain["classes"]] for line in lines]
    assert (np.array(found, np.float32) == expected).all()


def test_labels_of_any_text_survive_every_form(tmp_path: Path) -> None:
    labels = ('a "quoted", 100 % label', "{brackets}],[", "\u00e9\u4e16\n")
    flowers = models.flowers()
    repository = FolderRepository(tmp_path)
    models.publish(repository, "odd", replace(flowers, outputs=ClassOutputs(labels, "species")))
    odd = create_application(load_settings(models=tmp_path)).flask.test_client()
    expected = ask(odd, BODIES[NPY], NPY).get_json()["predictions"]
    assert len(set(expected)) > 1
    lines = [json.loads(line) for line in ask(odd, BODIES[NPY], NPY, "application/x-ndjson").data.splitlines()]
    assert [line["prediction"] for line in lines] == expected
    assert all(list(line["probabilities"]) == list(labels) for line in lines)
    text = ask(odd, BODIES[NPY], NPY, "text/csv").get_data(as_text=True)
    assert [row[0] for row in csv.reader(io.StringIO(text, newline=""))][1:] == expected
    table = pa.ipc.open_stream(ask(odd, BODIES[NPY], NPY, ARROW).data).read_all()
    assert table["prediction"].to_pylist() == expected


@pytest.mark.parametrize(
    ("labels", "units", "last"),
    [
        (("no", "a longer \u00e9"), 1, "sigmoid"),
        ((7, -3, 2**40), 3, "softmax"),
        (("a", 1, "\u4e16"), 3, "softmax"),
        (("a", "bc", ""), 3, "identity"),
        ((5, 6), 2, "relu"),
    ],
)
def test_labels_of_any_kind_are_the_same_as_bytes_as_in_json(
    tmp_path: Path, labels: tuple[str | int, ...], units: int, last: str
) -> None:
    schema = models.flowers().schema
    outputs = ClassOutputs(labels, "y")
    predictor = models.predictor_of(schema, models.network_of(4, (16, units), last, 4), outputs, [models.FLOWER_ROW])
    models.publish(FolderRepository(tmp_path), "kinds", predictor)
    kinds = create_application(load_settings(models=tmp_path)).flask.test_client()
    expected = ask(kinds, BODIES[NPY], NPY).get_json()
    written = np.load(io.BytesIO(ask(kinds, BODIES[NPY], NPY, NPY).data), allow_pickle=False)
    if "probabilities" in expected:
        assert (written == np.array(expected["probabilities"], np.float32)).all()
    else:
        assert written.tolist() == expected["predictions"]

    head = json.dumps({"inputs": [{"name": "x", "shape": X.shape, "datatype": "FP32",
                                   "parameters": {"binary_data_size": X.nbytes}}],
                       "parameters": {"binary_data_output": True}}).encode()  # fmt: skip
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = kinds.post("/v2/models/kinds/infer", data=head + X.tobytes(), headers=headers)
    size = int(answer.headers["Inference-Header-Content-Length"])
    first, *more = json.loads(answer.data[:size])["outputs"]
    end = size + first["parameters"]["binary_data_size"]
    assert found_labels(answer.data[size:end], first["datatype"]) == [
        label if first["datatype"] == "INT64" else str(label) for label in expected["predictions"]
    ]
    assert answer.data[end:] == (written.tobytes() if more else b"")


def found_labels(data: bytes, datatype: str) -> list[str | int]:
    if datatype == "INT64":
        return list(np.frombuffer(data, "<i8").tolist())
    found: list[str | int] = []
    while data:
        end = 4 + int.from_bytes(data[:4], "little")
        found.append(data[4:end].decode())
        data = data[end:]
    return found


def test_dates_come_in_every_form_and_dialect(tmp_path: Path) -> None:
    features = (
        NumericFeature("area", low=0.0, high=100.0),
        DateFeature(
            "sold", parts=("trend", "week"), low="2020-01-01", high="2024-12-31", scale=1000.0, missing="zeros"
        ),
    )
    schema = Schema(features)
    network = models.network_of(schema.width, (4, 1), "identity", 1)
    outputs = NumberOutputs(("price",), (0.0,), (1.0,))
    repository = FolderRepository(tmp_path)
    models.publish(repository, "sales", models.predictor_of(schema, network, outputs, [[50.0, "2024-05-01"]]))
    sales = create_application(load_settings(models=tmp_path)).flask.test_client()
    days = [date(2024, 5, 1), None, date(2021, 12, 31)]
    rows = [[50.0, day and day.isoformat()] for day in days]
    expected = ask(sales, json.dumps({"instances": rows}).encode(), "application/json").get_json()["predictions"]

    text = b"sold,area\n2024-05-01,50\n,50\n2021-12-31,50\n"
    assert ask(sales, text, "text/csv").get_json()["predictions"] == expected
    for kind in (pa.date32(), pa.timestamp("ns"), pa.timestamp("s", "UTC")):
        body = arrow({"area": [50.0] * 3, "sold": pa.array(days, pa.date32()).cast(pa.timestamp("s")).cast(kind)})
        assert ask(sales, body, ARROW).get_json()["predictions"] == expected, kind
    beyond = arrow({"area": [50.0], "sold": pa.array([2**62], pa.int64()).cast(pa.timestamp("s"))})
    assert ask(sales, beyond, ARROW).status_code in {400, 422}
    assert sales.get("/v2/models/sales").get_json()["inputs"][1] == {"name": "sold", "datatype": "BYTES", "shape": [-1]}
    inputs = [
        {"name": "area", "shape": [2], "datatype": "FP64", "data": [50, 50]},
        {"name": "sold", "shape": [2], "datatype": "BYTES", "data": ["2024-05-01", "2021-12-31"]},
    ]
    answer = sales.post("/v2/models/sales/infer", json={"inputs": inputs}).get_json()
    assert answer["outputs"][0]["data"] == [expected[0], expected[2]]


def test_cells_of_csv_are_read_as_training_reads_them(tmp_path: Path) -> None:
    features = (
        CategoricalFeature("rooms", ("1", "2"), missing="1", counts=(3, 9)),
        CategoricalFeature("roof", ("?", "flat"), missing="flat", counts=(3, 9)),
        NumericFeature("area", low=0.0, high=100.0, missing=50.0),
    )
    network = models.network_of(5, (4, 1), "identity", 1)
    outputs = NumberOutputs(("price",), (0.0,), (1.0,))
    repository = FolderRepository(tmp_path)
    models.publish(repository, "sales", models.predictor_of(Schema(features), network, outputs, [["1", "?", 50.0]]))
    sales = create_application(load_settings(models=tmp_path)).flask.test_client()
    rows = [["2", "flat", 7.0], ["1", "?", None], ["2", None, None]]
    expected = ask(sales, json.dumps({"instances": rows}).encode(), "application/json").get_json()["predictions"]
    text = b"rooms,roof,area\n2.0, flat,7\n1.0,?,N/A\n2,-,?\n"
    assert ask(sales, text, "text/csv").get_json()["predictions"] == expected


def test_without_pyarrow_arrow_is_refused_in_words(client: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused = ask(client, BODIES[ARROW], ARROW)
    assert refused.status_code == 415
    assert "pyarrow, which is not installed" in refused.get_json()["detail"]
    assert ask(client, BODIES[NPY], NPY, ARROW).status_code == 406


def test_a_dictionary_of_one_long_text_is_not_copied_for_each_row(client: Any) -> None:
    indices = pa.array(np.zeros(9000, np.int16))
    street = pa.DictionaryArray.from_arrays(indices, pa.array(["a" * 1_000_000]))
    body = arrow({"area": [1.0] * 9000, "street": street, "roof": ["1"] * 9000})
    answer = client.post("/models/houses/predict", data=body, headers={"Content-Type": ARROW})
    assert answer.status_code == 422
    assert len(answer.data) < 5000


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(BODIES)), data=st.data())
def test_a_damaged_body_is_answered_and_never_a_failure(kind: str, data: Any, client: Any) -> None:
    body = bytearray(BODIES[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    start = data.draw(st.integers(0, 8))
    end = data.draw(st.integers(len(body) - 8, len(body)))
    assert ask(client, bytes(body[start:end]), kind).status_code in {200, 400, 413, 422}
