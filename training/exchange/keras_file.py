"""The dense layers of a Keras model: .h5 and .weights.h5 as Keras 2 and 3 write them, and .keras."""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from predictor import Predictor
from predictor.wording import shown
from training.exchange.dense import Dense, Meaning, check_known, in_order, modelled, read_file
from training.exchange.hdf5 import read_weights
from training.exchange.keras_config import sequential_activations

__all__ = ["from_keras"]

SIZE_LIMIT = 2**29
MATRIX = 2
KERNEL, BIAS = ("kernel", "kernel:0", "0"), ("bias", "bias:0", "1")
Matrix = NDArray[Any]


def from_keras(
    path: str | Path,
    activations: Sequence[str] | None = None,
    *,
    layers: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    classes: Sequence[str | int] | None = None,
    target: str | Sequence[str] = "target",
    preprocess: Any = None,
    target_scaler: Any = None,
    X: Any = None,
) -> Predictor:
    """Return the Dense layers of a Keras model's file as a predictor that gives equal answers.

    ``activations`` has a name for each Dense layer; it may be left out where the file describes a Sequential model.
    ``layers`` names the layers in order by the groups of the file ("dense", "dense_1"); without it all weights must be
    of Dense layers. For the others see `from_safetensors`.

    Raises ValueError for a file that is not such a network, and ImportError without the extra `exchange`.
    """
    where = Path(path).name
    data, config = _opened(read_file(path), where)
    if activations is None and config is not None:
        activations = sequential_activations(config, where)
    weights = read_weights(data, where)
    found = _dense(weights.arrays, layers, where)
    order = [name for name in weights.layer_names if name in found]
    chosen = in_order(found, layers or order or None, where)
    if activations is None:
        activations = sequential_activations(weights.model_config or None, where)
    meaning = Meaning(feature_names, classes, target, preprocess, target_scaler, X)
    return modelled(chosen, activations, meaning, where)


def _opened(data: bytes, where: str) -> tuple[bytes, str | None]:
    """Return the HDF5 part of a file, and the description beside it in a .keras archive."""
    if not data.startswith(b"PK"):
        return data, None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            weights, config = (_member(archive, name) for name in ("model.weights.h5", "config.json"))
            return weights, config.decode()
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{where}: expected a .keras archive with config.json and model.weights.h5: {error}"
        ) from error


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        data = file.read(SIZE_LIMIT + 1)
    if len(data) > SIZE_LIMIT:
        raise ValueError(f"{name} is more than {SIZE_LIMIT} bytes long")
    return data


def _dense(arrays: Mapping[str, Matrix], wanted: Sequence[str] | None, where: str) -> dict[str, Dense]:
    """Put kernels and biases together; anything else is refused unless the caller chose layers."""
    found: dict[str, Dense] = {}
    parts = [path.rpartition("/") for path in arrays]
    check_known(wanted or (), (_layer_of(folder) for folder, _, kind in parts if kind in KERNEL), where)
    for path, array in arrays.items():
        folder, _, kind = path.rpartition("/")
        layer = _layer_of(folder)
        if wanted is not None and layer not in wanted:
            continue
        kernel = next((f"{folder}/{name}" for name in KERNEL if f"{folder}/{name}" in arrays), None)
        is_known = kind in (*KERNEL, *BIAS) and (kind not in ("0", "1") or wanted is not None or _is_dense(layer))
        if kernel is None or not is_known:
            raise ValueError(f"{where}: {shown(path)} is of no Dense layer; layers=[...] chooses the layers")
        if path == kernel and layer in found:
            raise ValueError(f"{where}: {shown(layer)} holds more than one Dense layer")
        if path == kernel:
            bias = next((arrays[f"{folder}/{name}"] for name in BIAS if f"{folder}/{name}" in arrays), None)
            found[layer] = _checked(layer, array, bias, where)
    return found


def _layer_of(folder: str) -> str:
    """Return the name of a layer: "dense_1" of "layers/dense_1/vars", "first" of "first/sequential/first"."""
    parts = folder.removesuffix("/vars").split("/")
    if parts[0] != "layers":
        return parts[0]
    return parts[1] if len(parts) == len(("layers", "dense")) else "/".join(parts)


def _is_dense(layer: str) -> bool:
    """Tell by the name of a group: Keras 3 names it after the layer's class."""
    return re.fullmatch(r"(.*/)?dense(_\d+)?", layer, re.ASCII) is not None


def _checked(layer: str, W: Matrix, b: Matrix | None, where: str) -> Dense:
    if W.ndim != MATRIX or 0 in W.shape:
        raise ValueError(f"{where}: layer {shown(layer)}: expected a kernel (inputs, outputs), found {W.shape}")
    if b is not None and b.shape != W.shape[1:]:
        raise ValueError(f"{where}: layer {shown(layer)}: expected a bias {W.shape[1:]}, found {b.shape}")
    return Dense(layer, W, b)
