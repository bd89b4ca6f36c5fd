"""Models of every kind of column, layer and output, put together by chance: onnxruntime answers each of them alike."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

from network import ACTIVATIONS, INITIALIZERS, MLP, Architecture, Layer
from predictor import (
    CategoricalFeature,
    ClassOutputs,
    DateFeature,
    Feature,
    Golden,
    NumberOutputs,
    NumericFeature,
    Outputs,
    Predictor,
    Schema,
)
from predictor.dates import PARTS, iso
from training.exchange.onnx_columns import feeds
from training.exchange.onnx_file import onnx_bytes

Generator = np.random.Generator
ROWS = 40


def number(rng: Generator, name: str) -> Feature:
    scale = float(10 ** rng.uniform(-4, 4))
    offset = float(3 * scale * rng.normal())
    knots = sorted((offset + scale * rng.normal(size=rng.integers(2, 6))).tolist())
    missing = float(offset + scale * rng.normal()) if rng.random() < 0.6 else None
    return NumericFeature(
        name,
        offset=offset,
        scale=scale,
        missing=missing,
        low=-1e30,
        high=1e30,
        clip=float(rng.uniform(0.5, 5)) if rng.random() < 0.4 else None,
        knots=tuple(knots) if rng.random() < 0.4 else (),
        flags_missing=missing is not None and bool(rng.random() < 0.5),
    )


def category(rng: Generator, name: str) -> Feature:
    known = tuple(rng.choice(["a", "b", "Ω x", "", "0", "true"], rng.integers(1, 6), replace=False).tolist())
    missing = "" if "" in known else known[0] if rng.random() < 0.5 else None
    return CategoricalFeature(name, known, missing=missing, unknown="bucket", counts=(1,) * len(known))


def date(rng: Generator, name: str) -> Feature:
    parts = tuple(part for part in PARTS if rng.random() < 0.6) or ("week",)
    scaling: dict[str, Any] = {"offset": float(1e4 * rng.normal()), "scale": float(10 ** rng.uniform(1, 4))}
    missing: Any = "zeros" if rng.random() < 0.5 else None
    return DateFeature(name, parts=parts, **scaling, missing=missing, low="1990-01-01", high="2020-01-01")


def cell(rng: Generator, feature: Feature) -> float | str | None:
    if feature.missing is not None and rng.random() < 0.2:
        return None
    if isinstance(feature, NumericFeature):
        return float(np.float32(feature.offset + 2 * feature.scale * rng.normal()))
    if isinstance(feature, CategoricalFeature):
        return str(rng.choice([*filter(None, feature.categories), "unknown"]))
    return iso(float(rng.integers(0, 2 * 10**9)), "ymd")


def ending(rng: Generator) -> tuple[Layer, Outputs]:
    kind = rng.integers(3)
    if kind == 0:
        labels: Any = (1, 2, 3) if rng.random() < 0.5 else ("a", 2, "c")
        return Layer(3, str(rng.choice(["softmax", "identity", "sigmoid"]))), ClassOutputs(labels, "y")
    if kind == 1:
        return Layer(1, "sigmoid"), ClassOutputs(("no", "yes"), "y")
    count = int(rng.integers(1, 3))
    bounds = ((-20.0,) * count, (30.0,) * count) if rng.random() < 0.5 else ()
    targets = tuple(f"t{place}" for place in range(count))
    outputs = NumberOutputs(targets, (5.0,) * count, (2.0,) * count, *bounds)
    return Layer(count, str(rng.choice(["identity", "exp"]))), outputs


@pytest.mark.parametrize("seed", range(30))
def test_any_model_answers_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [number] if rng.random() < 0.3 else [number, category, date]
    features = tuple(kinds[rng.integers(len(kinds))](rng, f"c{place}") for place in range(rng.integers(1, 6)))
    schema = Schema(features)
    last, outputs = ending(rng)
    names = [name for name in ACTIVATIONS if name != "exp"]
    hidden = tuple(Layer(int(rng.integers(1, 9)), str(rng.choice(names))) for _ in range(rng.integers(0, 3)))
    architecture = Architecture(schema.width, (*hidden, last), members=int(rng.integers(1, 4)))
    network = MLP.initialized(architecture, INITIALIZERS["glorot_uniform"](), rng=rng)
    rows = [tuple(cell(rng, feature) for feature in features) for _ in range(ROWS)]
    A = network.infer(schema.encode_rows([list(row) for row in rows]).X)
    predictor = Predictor(schema, network, outputs, Golden(tuple(rows[:8]), A[:8]), {}, {}, {})
    found = onnxruntime.InferenceSession(onnx_bytes(predictor)).run(None, feeds(schema, rows))
    expected: Any = predictor.outputs.decode(A)
    if isinstance(outputs, NumberOutputs):
        np.testing.assert_allclose(found[0].reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)
        return
    labels, probabilities = expected
    assert sum(str(one) != str(other) for one, other in zip(found[0].tolist(), labels, strict=True)) <= 1  # a tie
    assert (probabilities is None) == (len(found) == 1)
    if probabilities is not None:
        np.testing.assert_allclose(found[1], probabilities, atol=2e-5)
