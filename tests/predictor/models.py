"""Small predictors, and archives that are put together by hand."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from network import INITIALIZERS, MLP, Architecture, Layer
from predictor import (
    CategoricalFeature,
    ClassOutputs,
    DateFeature,
    Golden,
    Histogram,
    NumberOutputs,
    NumericFeature,
    Predictor,
    Schema,
    save_bytes,
)
from predictor.archive import read_archive, write_archive

ROWS: tuple[tuple[float | str | None, ...], ...] = ((80.0, "paved", None), (30.5, "gravel", "b/c"), (300.0, None, "Ω"))


def mlp(architecture: Architecture, seed: int = 0, dtype: type = np.float32) -> MLP:
    """A network with drawn weights."""
    return MLP.initialized(architecture, INITIALIZERS["he_normal"](), rng=np.random.default_rng(seed), dtype=dtype)


def houses(seed: int = 0, dtype: type = np.float32) -> Predictor:
    """A number and two categories to a price."""
    schema = Schema(
        (
            NumericFeature(
                "area",
                offset=100.0,
                scale=50.0,
                low=20.0,
                high=300.0,
                histogram=Histogram((20.0, 100.0, 300.0), (5, 7)),
            ),
            CategoricalFeature("street", ("gravel", "paved"), missing="paved", counts=(3, 9)),
            CategoricalFeature("roof", ("a", "b/c", "Ω"), missing="a", unknown="bucket", counts=(2, 3, 7)),
        )
    )
    network = mlp(Architecture(6, (Layer(4, "relu", dropout=0.25), Layer(1, "identity"))), seed, dtype)
    golden = Golden(ROWS, network.infer(schema.encode_rows([list(row) for row in ROWS]).X))
    return Predictor(
        schema,
        network,
        NumberOutputs(("price",), (200.0,), (50.0,)),
        golden,
        recipe={"seed": seed, "fit": {"epochs": 3, "layers": [1, 2.5, None, True]}},
        metrics={"test.r2": 0.75},
        lineage={"data": "0" * 64, "revision": None, "seed": seed},
    )


def flowers() -> Predictor:
    """Two numbers to three classes."""
    schema = Schema(
        (NumericFeature("length", low=0.0, high=8.0), NumericFeature("width", low=0.0, high=3.0, missing=1.0))
    )
    network = mlp(Architecture(2, (Layer(5, "tanh", bias=False), Layer(3, "softmax"))))
    rows = ((1.0, 2.0), (7.5, None))
    golden = Golden(rows, network.infer(schema.encode_rows([list(row) for row in rows]).X))
    return Predictor(schema, network, ClassOutputs(("setosa", 7, "-1"), "species"), golden, {}, {}, {})


def juries() -> Predictor:
    """Two numbers to two classes, by an ensemble of three."""
    schema = Schema((NumericFeature("x", low=0.0, high=8.0), NumericFeature("y", low=0.0, high=3.0)))
    network = mlp(Architecture(2, (Layer(5, "tanh", bias=False), Layer(1, "sigmoid")), 3))
    rows = ((1.0, 2.0), (7.5, 0.0))
    golden = Golden(rows, network.infer(schema.encode_rows([list(row) for row in rows]).X))
    return Predictor(schema, network, ClassOutputs(("no", "yes"), "verdict"), golden, {}, {}, {})


def tides() -> Predictor:
    """Numbers encoded in every way, around a category, to a bounded number."""
    schema = Schema(
        (
            NumericFeature("hour", offset=12.0, scale=6.0, low=0.0, high=24.0, knots=(0.0, 6.0, 12.5, 24.0)),
            NumericFeature("wind", scale=3.0, missing=4.0, low=0.0, high=90.0, clip=2.5, flags_missing=True),
            CategoricalFeature("moon", ("full", "new"), missing="new", unknown="bucket", counts=(3, 9), others=2),
            NumericFeature("depth", low=-1.0, high=1.0, missing=0.0, clip=3.0, knots=(-1.0, 1.0), flags_missing=True),
            NumericFeature("plain", low=-1.0, high=1.0),
        )
    )
    network = mlp(Architecture(12, (Layer(4, "silu"), Layer(1, "identity"))))
    rows = ((3.0, 80.0, "full", 0.5, 1.0), (25.5, None, None, None, -1.0))
    golden = Golden(rows, network.infer(schema.encode_rows([list(row) for row in rows]).X))
    outputs = NumberOutputs(("level",), (1.0,), (2.0,), (-3.0,), (4.5,))
    return Predictor(schema, network, outputs, golden, {}, {}, {})


def visits() -> Predictor:
    """A date, a time of day and a number to how many come."""
    parts = ("trend", "year", "month", "week", "day")
    dates: dict[str, Any] = {"low": "2020-01-01", "high": "2023-12-31T18:00:00"}
    schema = Schema(
        (
            DateFeature("on", form="dmy", parts=parts, offset=19000.0, scale=400.0, missing="zeros", **dates),
            DateFeature("at", form="clock", parts=("day",), low="08:00:00", high="17:30:00"),
            NumericFeature("guests", low=0.0, high=8.0),
        ),
        left_out=("ticket", "visits"),
    )
    network = mlp(Architecture(schema.width, (Layer(4, "relu"), Layer(1, "identity"))))
    rows = (("24/12/2022 12:30", "9:15", 2.0), (None, "17:30", 3.0), ("2021-02-28", "08:00:00", 8.0))
    golden = Golden(rows, network.infer(schema.encode_rows([list(row) for row in rows]).X))
    return Predictor(schema, network, NumberOutputs(("visits",), (0.0,), (1.0,)), golden, {}, {}, {})


def answers(predictor: Predictor) -> bytes:
    """What a predictor infers for its golden rows, to the bit."""
    rows = [list(row) for row in predictor.golden.rows]
    return predictor.network.infer(predictor.schema.encode_rows(rows).X).tobytes()


def rewritten(change: Callable[[dict[str, Any]], object], predictor: Predictor | None = None) -> bytes:
    """A model file whose manifest went through ``change``, with all checksums right."""
    members = {name: bytes(view) for name, view in read_archive(save_bytes(predictor or houses())).items()}
    manifest = json.loads(members["manifest"])
    change(manifest)
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return repacked(members | {"manifest": text.encode()})


def repacked(members: Mapping[str, bytes]) -> bytes:
    """An archive of any members, with all checksums right."""
    return write_archive(members.items())


def members_of(data: bytes) -> dict[str, bytes]:
    """The members of a model file."""
    return {name: bytes(view) for name, view in read_archive(data).items()}
