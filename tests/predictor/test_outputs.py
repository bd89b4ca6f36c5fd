"""Outputs decoded, and predictors whose parts do not fit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from network import Architecture, Layer
from predictor import ClassOutputs, Golden, NumberOutputs, NumericFeature, Predictor, Schema
from tests.predictor.models import flowers, houses, mlp


def _classifier(last: str, units: int, labels: tuple[str, ...]) -> ClassOutputs:
    """The outputs as a predictor with such a last layer has them."""
    schema = Schema((NumericFeature("x", low=0.0, high=1.0),))
    network = mlp(Architecture(1, (Layer(units, last),)))
    golden = Golden(((0.5,),), network.infer(np.array([[0.5]])))
    outputs = Predictor(schema, network, ClassOutputs(labels, "y"), golden, {}, {}, {}).outputs
    assert isinstance(outputs, ClassOutputs)
    return outputs


def test_softmax_outputs_are_probabilities_and_the_largest_names_the_class() -> None:
    A = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], np.float32)
    labels, probabilities = _classifier("softmax", 3, ("a", "b", "c")).decode(A)
    assert labels == ["b", "a"]
    assert probabilities is A


@pytest.mark.parametrize("rows", [7, 8, 9, 4095, 4096, 4097, 10_000])
def test_many_rows_have_the_labels_that_each_has_alone(rows: int) -> None:
    A = np.random.default_rng(rows).dirichlet([1, 1, 1], rows).astype(np.float32)
    labels, _ = _classifier("softmax", 3, ("a", "b", "c")).decode(A)
    assert labels == ["abc"[row] for row in A.argmax(axis=1)]


def test_one_sigmoid_output_is_the_probability_of_the_second_class() -> None:
    labels, probabilities = _classifier("sigmoid", 1, ("no", "yes")).decode(np.array([[0.25], [0.75]], np.float32))
    assert labels == ["no", "yes"]
    assert probabilities is not None
    assert probabilities.tolist() == [[0.75, 0.25], [0.25, 0.75]]


@pytest.mark.parametrize("last", ["identity", "relu", "sigmoid"])
def test_other_outputs_name_a_class_without_probabilities(last: str) -> None:
    labels, probabilities = _classifier(last, 3, ("a", "b", "c")).decode(np.array([[0.1, 0.2, 0.9]]))
    assert labels == ["c"]
    assert probabilities is None


def test_numbers_come_back_in_the_targets_units() -> None:
    outputs = NumberOutputs(("price", "rent"), (100.0, 0.0), (50.0, 2.0))
    values = outputs.decode(np.array([[1, -1], [0, 0.5]], np.float32))
    assert values.dtype == np.float32
    assert values.tolist() == [[150, -2], [100, 1]]


def test_a_bounded_number_stays_inside_its_bounds() -> None:
    outputs = NumberOutputs(("price", "rent"), (100.0, 0.0), (50.0, -2.0), (0.0, -1.0), (120.0, 1.0))
    assert outputs.decode(np.array([[-9, -9], [9, 9], [0, 0.25]], np.float32)).tolist() == [
        [0, 1],
        [120, -1],
        [100, -0.5],
    ]


def test_a_number_beyond_float32_is_infinite_and_warns_of_nothing() -> None:
    assert NumberOutputs(("y",), (0.0,), (1e30,)).decode(np.array([[1e20]], np.float32)).tolist() == [[np.inf]]


def test_what_numbers_are_made_of_is_kept_as_floats() -> None:
    outputs = NumberOutputs(["y"], [0], [1], [0], [1])  # type: ignore[arg-type]
    assert outputs == NumberOutputs(("y",), (0.0,), (1.0,), (0.0,), (1.0,))
    assert {type(value[0]) for value in (outputs.offset, outputs.scale, outputs.low, outputs.high)} == {float}


def test_labels_reach_as_far_as_every_reader_of_json_does() -> None:
    assert ClassOutputs((-(2**53), 2**53), "y").labels == (-(2**53), 2**53)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClassOutputs(("a",), "y"), "labels: expected at least two, and no duplicates"),
        (lambda: ClassOutputs(("a", "a"), "y"), "labels: expected at least two, and no duplicates"),
        (lambda: ClassOutputs(("a", 1.5), "y"), r"labels\[1\]: expected a string, found float"),  # type: ignore[arg-type]
        (lambda: ClassOutputs(("a", True), "y"), r"labels\[1\]: expected a string, found bool"),
        (lambda: ClassOutputs((0, 2**53 + 1), "y"), r"labels\[1\]: expected a whole number from"),
        (lambda: ClassOutputs((0, -(2**53) - 1), "y"), r"labels\[1\]: expected a whole number from"),
        (lambda: ClassOutputs(("a", "b"), ""), "target: expected 1 to 256 characters"),
        (lambda: NumberOutputs((), (), ()), "targets: expected at least one"),
        (
            lambda: NumberOutputs(("y", "y"), (0.0, 0.0), (1.0, 1.0)),
            "targets: expected at least one, and no duplicates",
        ),
        (lambda: NumberOutputs(("y",), (0.0,), (1.0,), (2.0,), (1.0,)), "low: expected at most high"),
        (lambda: NumberOutputs(("y",), (0.0,), (1.0,), (2.0,)), "low, high: expected none, or one each for 1 targets"),
        (lambda: NumberOutputs(("y",), (0.0, 1.0), (1.0,)), "offset, scale: expected one each for 1 targets"),
        (lambda: NumberOutputs(("y",), (0.0,), (0.0,)), "scale: expected numbers other than 0"),
        (lambda: NumberOutputs(("y",), (float("nan"),), (1.0,)), r"offset\[0\]: expected a finite number"),
        (lambda: replace(flowers(), outputs=NumberOutputs(("y",), (0.0,), (1.0,))), "outputs: do not fit the 3 units"),
        (lambda: replace(flowers(), schema=houses().schema), "architecture.inputs: the schema encodes 6 columns"),
        (lambda: replace(flowers(), golden=houses().golden), "golden.outputs: expected 3 columns"),
        (lambda: replace(houses(), metrics={"r2": float("nan")}), "metrics.r2: expected a finite number"),
        (lambda: replace(houses(), recipe={"rate": float("nan")}), "recipe.rate: JSON cannot hold float 'nan'"),
        (lambda: replace(houses(), recipe={"when": object()}), "recipe.when: JSON cannot hold object"),
        (lambda: Golden((), np.zeros((0, 1))), "rows: expected 1 to 64, found 0"),
        (lambda: Golden(((1.0,),), np.zeros((2, 1))), r"outputs: expected \(1, outputs\) numbers, found \(2, 1\)"),
        (lambda: Golden(((True,),), np.zeros((1, 1))), r"rows\[0\]\[0\]: expected a number, found bool"),
    ],
)
def test_parts_that_cannot_be_are_refused_by_place(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
