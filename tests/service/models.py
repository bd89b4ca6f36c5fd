"""Small models with known weights, published into a real repository."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network import MLP, Architecture, Layer, Parameters
from predictor import (
    CategoricalFeature,
    ClassOutputs,
    FolderRepository,
    Golden,
    Histogram,
    NumberOutputs,
    NumericFeature,
    Predictor,
    Schema,
    save_bytes,
)  # fmt: skip

FLOWER_NAMES = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
FLOWER_ROW = [5.1, 3.5, 1.4, 0.2]
DEADLINE_S = 100.0  # of services in tests: the first request of a form waits for an import, for long on a busy machine


def network_of(inputs: int, units: tuple[int, ...], last: str, seed: int) -> MLP:
    rng = np.random.default_rng(seed)
    layers = tuple(Layer(n, "relu" if i < len(units) - 1 else last) for i, n in enumerate(units))
    arrays = {}
    for i, (fan_in, fan_out) in enumerate(zip((inputs, *units), units, strict=False)):
        arrays[f"layers.{i}.W"] = rng.normal(0, 0.5, (fan_in, fan_out)).astype(np.float32)
        arrays[f"layers.{i}.b"] = rng.normal(0, 0.1, fan_out).astype(np.float32)
    architecture = Architecture(inputs, layers)
    return network_with(architecture, arrays)


def network_with(architecture: Architecture, arrays: Mapping[str, NDArray[Any]]) -> MLP:
    return MLP(architecture, Parameters.from_arrays(architecture, arrays))


def predictor_of(
    schema: Schema, network: MLP, outputs: ClassOutputs | NumberOutputs, rows: list[list[Any]]
) -> Predictor:
    golden = Golden(tuple(map(tuple, rows)), network.infer(schema.encode_rows(rows).X))
    lineage = {"data": "0" * 64, "revision": None, "seed": 1}
    return Predictor(schema, network, outputs, golden, {"epochs": 1}, {"accuracy": 0.9}, lineage)


def flowers(seed: int = 1) -> Predictor:
    """Four numbers to three classes; the petal width may be missing."""
    histogram = Histogram((0.0, 4.0, 8.0), (50, 50))
    features = tuple(
        NumericFeature(name, low=0.0, high=8.0, histogram=histogram, missing=1.2 if i == 3 else None)
        for i, name in enumerate(FLOWER_NAMES)
    )
    schema = Schema(features)
    network = network_of(4, (16, 3), "softmax", seed)
    return predictor_of(schema, network, ClassOutputs(("setosa", "versicolor", "virginica"), "species"), [FLOWER_ROW])


def houses() -> Predictor:
    """A number and two categories to a price; unknown streets are refused, unknown roofs go to the bucket."""
    features = (
        NumericFeature("area", offset=100.0, scale=50.0, low=20.0, high=300.0),
        CategoricalFeature("street", ("gravel", "paved"), missing="paved", counts=(3, 7)),
        CategoricalFeature("roof", ("1", "flat", "gable"), unknown="bucket", counts=(2, 3, 5)),
    )
    network = network_of(6, (8, 1), "identity", 2)
    return predictor_of(Schema(features), network, NumberOutputs(("price",), (200.0,), (50.0,)), [[80.0, "paved", "1"]])


def bursting(slope: float = 1.0) -> Predictor:
    """One number to the exponential of a multiple of it, which overflows for large inputs."""
    architecture = Architecture(1, (Layer(1, "exp"),))
    arrays = {"layers.0.W": np.full((1, 1), slope, np.float32), "layers.0.b": np.zeros(1, np.float32)}
    network = network_with(architecture, arrays)
    schema = Schema((NumericFeature("x", low=0.0, high=1.0),))
    return predictor_of(schema, network, NumberOutputs(("y",), (0.0,), (1.0,)), [[0.1]])


def one_class(code: int) -> Predictor:
    """Flowers of which all are of one class."""
    usual = flowers()
    arrays = {name: np.zeros_like(value) for name, value in usual.network.parameters.items()}
    arrays["layers.1.b"][code] = 9.0
    network = network_with(usual.network.architecture, arrays)
    return predictor_of(usual.schema, network, usual.outputs, [FLOWER_ROW])


def other_columns() -> Predictor:
    """Flowers whose last two columns have other names."""
    usual = flowers()
    schema = Schema(tuple(replace(f, name=f.name.replace("petal", "leaf")) for f in usual.schema.features))
    return predictor_of(schema, usual.network, usual.outputs, [FLOWER_ROW])


def heavy() -> Predictor:
    """Flowers by a network that takes its time."""
    usual = flowers()
    return predictor_of(usual.schema, network_of(4, (1500, 1500, 3), "softmax", 1), usual.outputs, [FLOWER_ROW])


def publish(repository: FolderRepository, name: str, predictor: Predictor) -> int:
    version: int = repository.publish(name, {"model.npz": save_bytes(predictor)})
    repository.promote(name, version)
    return version


def filled_repository(root: Path) -> FolderRepository:
    """Publish `flowers` with three versions, two aliased as champion and previous, `houses` and `bursting`."""
    repository = FolderRepository(root)
    for seed in (1, 2, 3):
        publish(repository, "flowers", flowers(seed))
    publish(repository, "houses", houses())
    publish(repository, "bursting", bursting())
    return repository
