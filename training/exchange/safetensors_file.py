"""The dense layers of a PyTorch model that was saved as .safetensors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import Predictor
from predictor.wording import shown
from training.exchange.dense import Dense, Meaning, check_known, in_order, modelled, read_file
from training.exchange.needs import library

__all__ = ["from_safetensors"]

WEIGHT, BIAS = "weight", "bias"
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}
MATRIX = 2
Matrix = NDArray[Any]


def from_safetensors(
    path: str | Path,
    activations: Sequence[str],
    *,
    layers: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    classes: Sequence[str | int] | None = None,
    target: str | Sequence[str] = "target",
    preprocess: Any = None,
    target_scaler: Any = None,
    X: Any = None,
) -> Predictor:
    """Return the `torch.nn.Linear` layers of a .safetensors file as a predictor that gives equal answers.

    ``activations`` has a name for each layer, the last included: "softmax" where PyTorch's loss takes logits.
    ``layers`` names the layers in order ("0", "2" for the tensors "0.weight", "2.weight"); without it all tensors must
    be of linear layers, in the order of their numbers. ``classes`` says what the outputs mean, two of them for one
    sigmoid; without it they are numbers, ``target`` by name. ``preprocess`` is a fitted scaler, or what else
    `from_sklearn` knows, that stood before the network, and ``target_scaler`` one that scaled the target. ``X``,
    (rows, features), are rows like the training rows: ranges, histograms and golden rows come from them.

    Raises ValueError for a file that is not such a network, and ImportError without the extra `exchange`.
    """
    where = Path(path).name
    tensors = _tensors(read_file(path), where)
    meaning = Meaning(feature_names, classes, target, preprocess, target_scaler, X)
    return modelled(in_order(_linear(tensors, layers, where), layers, where), activations, meaning, where)


def _tensors(data: bytes, where: str) -> Mapping[str, Mapping[str, Any]]:
    safetensors = library("safetensors")
    try:
        return dict(safetensors.deserialize(data))
    except safetensors.SafetensorError as error:
        raise ValueError(f"{where}: expected a complete .safetensors file: {error}") from error


def _linear(tensors: Mapping[str, Mapping[str, Any]], wanted: Sequence[str] | None, where: str) -> dict[str, Dense]:
    """Return the linear layers by name; a tensor of anything else is refused unless the caller chose layers."""
    found: dict[str, Dense] = {}
    parts = [name.rpartition(".") for name in tensors]
    check_known(wanted or (), (layer for layer, _, kind in parts if kind == WEIGHT), where)
    for name in tensors:
        layer, _, kind = name.rpartition(".")
        if wanted is not None and layer not in wanted:
            continue
        has_weight = (f"{layer}." if layer else "") + WEIGHT in tensors
        if kind not in (WEIGHT, BIAS) or not has_weight:
            raise ValueError(f"{where}: tensor {shown(name)} is of no linear layer; layers=[...] chooses the layers")
        if kind == WEIGHT:
            found[layer] = _dense(layer, tensors, name, where)
    return found


def _dense(layer: str, tensors: Mapping[str, Mapping[str, Any]], name: str, where: str) -> Dense:
    weight, bias_name = tensors[name], name[: -len(WEIGHT)] + BIAS
    bias = tensors.get(bias_name)
    W = _array(weight, name, where)
    if W.ndim != MATRIX or 0 in W.shape:
        raise ValueError(
            f"{where}: tensor {shown(name)}: expected (outputs, inputs) of a linear layer, found {W.shape}"
        )
    b = None if bias is None else _array(bias, bias_name, where)
    if b is not None and b.shape != W.shape[:1]:
        raise ValueError(f"{where}: tensor {shown(bias_name)}: expected {W.shape[:1]}, found {b.shape}")
    return Dense(layer, np.ascontiguousarray(W.T), b)


def _array(tensor: Mapping[str, Any], name: str, where: str) -> Matrix:
    """Return a tensor as float32, or float64 where it is such."""
    kind, data = tensor["dtype"], bytes(tensor["data"])
    if kind == "BF16":  # the upper half of a float32
        values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    elif kind in TYPES:
        values = np.frombuffer(data, TYPES[kind])
    else:
        raise ValueError(f"{where}: tensor {shown(name)}: expected F32, F64, F16 or BF16, found {kind}")
    return values.reshape(tensor["shape"]).astype(np.float64 if kind == "F64" else np.float32)
