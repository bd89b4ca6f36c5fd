"""Records that are made together say what each request said."""

import json
from typing import Any

import numpy as np
import pytest

from service.truth.logrecords import asked_of, cells_json, outputs_json, shape_of
from tests.service.models import FLOWER_ROW

PAVED: list[list[Any]] = [[80.0], ["paved"], ["1"]]


@pytest.fixture
def served(build: Any) -> Any:
    """Return the version that serves under a name."""
    catalog = build().runtime.registry.catalog
    return lambda name: catalog.entry(name).serving["champion"]


def rows_of(*counts: int, dtype: Any = np.float32) -> list[Any]:
    numbers = np.random.default_rng(5)
    return [numbers.normal(0, 100, (count, 4)).astype(dtype) for count in counts]


def test_requests_to_several_versions_keep_their_order_and_their_rows(served: Any) -> None:
    flowers, houses = served("flowers"), served("houses")
    A = np.array([[0.2, 0.7, 0.1], [0.5, 0.2, 0.3], [0.1, 0.1, 0.8]], np.float32)
    first, second, third = rows_of(2, 1, 3)
    kept = [
        (flowers, "a", None, 1.0, first, A, 0),  # whose outputs are those of a larger batch
        (houses, "b", "ann", 2.0, PAVED, np.array([[0.5]], np.float32), 0),
        (flowers, "c", "bob", 3.0, second, A[2:], 0),
        (flowers, "d", None, 4.0, third, A, 0),
    ]
    found = asked_of(kept, shape_of, 1000.0)
    assert [(record.model, record.request_id, record.client, record.asked, record.size) for record in found] == [
        ("flowers", "a", None, 1001.0, 2), ("houses", "b", "ann", 1002.0, 1),
        ("flowers", "c", "bob", 1003.0, 1), ("flowers", "d", None, 1004.0, 3),
    ]  # fmt: skip
    assert {record.shape for record in found} == {shape_of(flowers).id, shape_of(houses).id}
    for record, cells in zip(found, (first, None, second, third), strict=True):
        if cells is not None:
            assert np.array_equal(np.array(json.loads(record.cells), np.float32), cells)
    assert json.loads(found[1].cells) == [[80.0, "paved", "1"]]
    assert json.loads(found[1].outputs) == {"predictions": [225.0]}
    labels = ["versicolor", "setosa", "virginica"]
    for record, start, end in ((found[0], 0, 2), (found[2], 2, 3), (found[3], 0, 3)):
        said = json.loads(record.outputs)
        assert said["predictions"] == labels[start:end]
        assert np.array_equal(np.array(said["probabilities"], np.float32), A[start:end])


def test_numbers_are_written_as_each_was_given(served: Any) -> None:
    whole, half, swapped = rows_of(1, dtype=np.int64)[0], *rows_of(1, dtype=np.float16), *rows_of(1, dtype=">f4")
    missing = np.array([[5.1, np.nan, 1.4, 0.2]], np.float32)
    given = [whole, half, swapped, missing, np.asfortranarray(rows_of(3)[0])]
    for cells, text in zip(given, cells_json(served("flowers"), given), strict=True):
        assert np.array_equal(np.array(json.loads(text), np.float64).astype(cells.dtype), cells, equal_nan=True)
    assert json.loads(cells_json(served("flowers"), [missing])[0]) == [
        [pytest.approx(5.1), None, pytest.approx(1.4), pytest.approx(0.2)]
    ]
    assert isinstance(json.loads(cells_json(served("flowers"), [whole, whole])[1])[0][0], int)


def test_very_many_rows_are_written_in_parts_without_loss(served: Any) -> None:
    flowers = served("flowers")
    given = rows_of(1, 7000, 2)
    for cells, text in zip(given, cells_json(flowers, given), strict=True):
        assert np.array_equal(np.array(json.loads(text), np.float32), cells)
    outputs = [cells[:, :3] for cells in given]
    for A, text in zip(outputs, outputs_json(flowers, outputs), strict=True):
        assert np.array_equal(np.array(json.loads(text)["probabilities"], np.float32), A)
        assert len(json.loads(text)["predictions"]) == len(A)


def test_a_row_alone_is_a_list_of_one(served: Any) -> None:
    assert cells_json(served("flowers"), [np.array([FLOWER_ROW])]) == ["[[5.1,3.5,1.4,0.2]]"]
    assert cells_json(served("houses"), [PAVED, np.array([[1.0, 2.0, 3.0]])]) == [
        '[[80.0,"paved","1"]]',
        "[[1.0,2.0,3.0]]",
    ]
    assert outputs_json(served("houses"), [np.zeros((2, 1), np.float32)]) == ['{"predictions":[200.0,200.0]}']
