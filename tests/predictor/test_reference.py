"""The training rows as a whole: what a file holds of them, and what it may not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from predictor import ArtifactError, Histogram, Reference, load_bytes, save_bytes
from tests.predictor.models import flowers, houses, rewritten

OF_NUMBERS = Reference(rows=12, missing=(0, 3, 1), values=(Histogram((0.0, 1.0, 2.0), (4, 8)),))
OF_CLASSES = Reference(rows=9, missing=(0, 2), labels=(2, 3, 4))


def test_a_reference_survives_the_file() -> None:
    for predictor, reference in ((houses(), OF_NUMBERS), (flowers(), OF_CLASSES)):
        data = save_bytes(replace(predictor, reference=reference))
        loaded = load_bytes(data, "x")
        assert loaded.reference == reference
        assert save_bytes(loaded) == data


def test_a_file_without_a_reference_is_read() -> None:
    assert load_bytes(save_bytes(houses()), "x").reference is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r.update(rows=0), "reference: rows: expected a whole number from 1"),
        (lambda r: r.update(rows=True), "reference: rows: expected a whole number"),
        (lambda r: r["missing"].append(0), "reference.missing: expected 3 of them, found 4"),
        (lambda r: r.update(missing=[0, 13, 0]), "reference: missing: expected at most 12"),
        (lambda r: r.update(missing=[0, -1, 0]), r"reference: missing\[1\]: expected a whole number"),
        (lambda r: r.update(missing=None), "missing: expected a list, found null"),
        (lambda r: r.update(labels=[1]), "reference.labels: expected 0 of them, found 1"),
        (lambda r: r.update(values=[]), "reference.values: expected 1 of them, found 0"),
        (lambda r: r.update(values=[{"edges": [1, 0], "counts": [1]}]), "reference: edges: expected rising values"),
        (lambda r: r.update(values=["x"]), r"reference: values\[0\]: expected an object"),
        (lambda r: r.update(more=1), "reference: has the unknown key 'more'"),
        (lambda r: r.pop("labels"), "reference: lacks the key 'labels'"),
    ],
)
def test_a_hostile_reference_is_refused_by_place(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    predictor = replace(houses(), reference=OF_NUMBERS)
    with pytest.raises(ArtifactError, match=reason):
        load_bytes(rewritten(lambda manifest: change(manifest["reference"]), predictor), "x")


def test_a_reference_that_is_none_is_refused() -> None:
    with pytest.raises(ArtifactError, match="reference: expected an object, found null"):
        load_bytes(rewritten(lambda manifest: manifest.update(reference=None)), "x")
