"""Dense layers from elsewhere: in order, checked against each other, and made into a model."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from network import ACTIVATIONS, MLP, Architecture, Layer, Parameters
from predictor import ClassOutputs, NumberOutputs, Outputs, Predictor
from predictor.artifact import read_bounded
from predictor.wording import hint, shown
from training.estimators.assembling import assembled, cells_of, made_up, schema_of
from training.estimators.columns import Tracked, raw_cells, transformed, unscaled

__all__ = ["Dense", "Meaning", "activation_named", "check_known", "in_order", "modelled", "read_file"]

OTHER_NAMES = {
    "linear": "identity",
    "none": "identity",
    "logistic": "sigmoid",
    "swish": "silu",
    "leakyrelu": "leaky_relu",
    "exponential": "exp",
    "gelu_tanh": "gelu",
}
OTHER_GELU = (
    "activations: 'gelu' is by the error function in PyTorch and Keras, which has no equal here; the tanh "
    "approximation, GELU('tanh'), is 'gelu_tanh'"
)
NAMES_SHOWN = 20
Matrix = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dense:
    """One layer under its name in the file: W (fan_in, fan_out), b (fan_out,) or None."""

    name: str
    W: Matrix
    b: Matrix | None


@dataclass(frozen=True)
class Meaning:
    """What weights alone do not say; see `from_safetensors`."""

    feature_names: Sequence[str] | None = None
    classes: Sequence[str | int] | None = None
    target: str | Sequence[str] = "target"
    preprocess: Any = None
    target_scaler: Any = None
    X: Any = None


def read_file(path: str | Path) -> bytes:
    """Return the bytes of a file of at most 512 MiB; ValueError says why they cannot be read."""
    try:
        return read_bounded(Path(path).resolve())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from error


def activation_named(name: object) -> str:
    """Return this project's name of an activation; ValueError for one that it does not have."""
    folded = str(name).lower()
    if folded == "gelu":
        raise ValueError(OTHER_GELU)
    found = OTHER_NAMES.get(folded, folded)
    if found not in ACTIVATIONS:
        near = hint(folded, [*ACTIVATIONS, *OTHER_NAMES])
        raise ValueError(f"activations: expected names among {', '.join(ACTIVATIONS)}, found {shown(str(name))}{near}")
    return found


def check_known(wanted: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise ValueError for a wanted layer that the file does not have."""
    names = sorted(set(known), key=_numbered)
    for name in wanted:
        if name not in names:
            has = ", ".join(map(shown, names[:NAMES_SHOWN])) or "none"
            raise ValueError(f"{where}: has no dense layer {shown(str(name))}{hint(str(name), names)}; it has {has}")


def in_order(layers: Mapping[str, Dense], names: Sequence[str] | None, where: str) -> list[Dense]:
    """Return the layers in the order of ``names``, or of the numbers in their own; ValueError unless they chain."""
    chosen = [layers[name] for name in (sorted(layers, key=_numbered) if names is None else names)]
    if not chosen:
        raise ValueError(f"{where}: holds no dense layer")
    for before, after in pairwise(chosen):
        if before.W.shape[1] != after.W.shape[0]:
            order = ", ".join(layer.name for layer in chosen)
            raise ValueError(
                f"{where}: layer {shown(before.name)} gives {before.W.shape[1]} values and {shown(after.name)}, which "
                f"comes next, takes {after.W.shape[0]}; layers=[...] names the layers in order (here: {order})"
            )
    return chosen


def modelled(layers: Sequence[Dense], activations: Sequence[str], meaning: Meaning, source: str) -> Predictor:
    """Make a proven predictor of dense layers. Raises ValueError for what does not fit."""
    network = _network(layers, activations)
    columns = _columns(meaning, network.architecture.inputs)
    outputs = _outputs(meaning, network.architecture.outputs)
    if meaning.X is None:
        return assembled(schema_of(columns, None), made_up(columns), network, outputs, source=source, rows=0)
    raw, _ = raw_cells(meaning.X)
    schema = schema_of(columns, raw)
    return assembled(schema, cells_of(columns, raw), network, outputs, source=source, rows=len(raw))


def _network(layers: Sequence[Dense], activations: Sequence[str]) -> MLP:
    if isinstance(activations, str) or len(activations) != len(layers):
        count = "one name" if isinstance(activations, str) else str(len(activations))
        names = ", ".join(layer.name for layer in layers)
        raise ValueError(f"activations: expected a list of {len(layers)}, one for each layer ({names}), found {count}")
    arrays: dict[str, Matrix] = {}
    made = []
    for index, (layer, name) in enumerate(zip(layers, activations, strict=True)):
        made.append(Layer(layer.W.shape[1], activation_named(name), bias=layer.b is not None))
        arrays[f"layers.{index}.W"] = layer.W
        if layer.b is not None:
            arrays[f"layers.{index}.b"] = layer.b
        if not all(array is None or np.isfinite(array).all() for array in (layer.W, layer.b)):
            raise ValueError(f"layer {shown(layer.name)}: expected finite numbers")
    architecture = Architecture(layers[0].W.shape[0], tuple(made))
    return MLP(architecture, Parameters.from_arrays(architecture, arrays))


def _columns(meaning: Meaning, inputs: int) -> list[Tracked]:
    names = meaning.feature_names
    if names is None and meaning.X is not None:
        names = raw_cells(meaning.X)[1]
    if names is None:
        width = inputs if meaning.preprocess is None else int(meaning.preprocess.n_features_in_)
        names = [f"x{place}" for place in range(width)]
    columns = [Tracked(str(name), place) for place, name in enumerate(names)]
    if meaning.preprocess is not None:
        columns = transformed(meaning.preprocess, columns)
    width = sum(len(column.categories) if column.categories is not None else 1 for column in columns)
    if width != inputs:
        raise ValueError(f"feature_names: the first layer takes {inputs} columns, found {width}")
    return columns


def _outputs(meaning: Meaning, outputs: int) -> Outputs:
    if meaning.classes is not None:
        return ClassOutputs(tuple(meaning.classes), str(meaning.target))
    target = meaning.target
    names = [target] if isinstance(target, str) and outputs == 1 else target
    if isinstance(names, str):
        names = [f"{target} {place}" for place in range(outputs)]
    offset, scale = np.zeros(outputs), np.ones(outputs)
    if meaning.target_scaler is not None:
        offset, scale = unscaled(meaning.target_scaler, outputs)
    if not len(names) == len(offset) == outputs:
        raise ValueError(f"target: the last layer gives {outputs} values, found {len(names)} names")
    return NumberOutputs(tuple(names), tuple(offset.tolist()), tuple(scale.tolist()))


def _numbered(name: str) -> list[tuple[bool, int, str]]:
    """Sort "layer10" after "layer9"."""
    return [
        (part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name, flags=re.ASCII)
    ]
