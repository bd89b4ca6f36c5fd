"""Schemas of few columns, and what is read off their findings."""

from collections.abc import Callable
from typing import Any

import pytest

from predictor import CategoricalFeature, InputError, NumericFeature, Schema

NUMBERS = Schema(
    (
        NumericFeature("length", offset=2.0, scale=4.0, low=0.0, high=8.0),
        NumericFeature("width", offset=-1.0, scale=0.5, low=0.0, high=3.0, missing=1.0),
    )
)
MIXED = Schema(
    (
        CategoricalFeature("street", ("gravel", "paved"), counts=(3, 9)),
        NumericFeature("area", offset=100.0, scale=50.0, low=20.0, high=300.0),
        CategoricalFeature("roof", ("tin", "a/b~c", "Ω"), missing="tin", unknown="bucket", counts=(2, 3, 7)),
    )
)
CODED = Schema(
    (
        CategoricalFeature("class", ("1", "2.5", ""), missing="", unknown="bucket", counts=(3, 9, 0), others=4),
        CategoricalFeature("paid", ("False", "True"), counts=(3, 9)),
        CategoricalFeature("zip", ("01067", "10115"), counts=(3, 9)),
    )
)
SPREAD = Schema(
    (
        NumericFeature("hour", offset=12.0, scale=6.0, low=0.0, high=24.0, clip=2.0, knots=(0.0, 6.0, 12.5, 24.0)),
        CategoricalFeature("moon", ("full", "new"), missing="new", counts=(3, 9)),
        NumericFeature("wind", scale=3.0, low=0.0, high=90.0, missing=4.5, knots=(0.0, 9.0), flags_missing=True),
        NumericFeature("depth", low=-1.0, high=1.0, missing=0.0, flags_missing=True),
        NumericFeature("plain", offset=1.0, low=-1.0, high=1.0),
    )
)


def wide(width: int) -> Schema:
    return Schema(
        tuple(NumericFeature(f"x{i}", offset=40 + i % 7, scale=3 + i % 5, low=0, high=100) for i in range(width))
    )


def pointers(findings: Any) -> list[str]:
    return [fault.pointer for fault in findings]


def refused(encode: Callable[[], object]) -> InputError:
    with pytest.raises(InputError) as caught:
        encode()
    return caught.value
