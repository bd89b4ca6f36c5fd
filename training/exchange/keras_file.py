"""The dense layers of a Keras model: .h5 and .weights.h5 as Keras 2 and 3 write them, and .keras."""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import Predictor
from predictor.wording import shown
from training.exchange.dense import Dense, Meaning, check_known, in_order, modelled, read_file
from training.exchange.keras_config import sequential_activations
from training.exchange.needs import library

__all__ = ["from_keras"]

SIZE_LIMIT = 2**29
DEEPEST, MOST_OBJECTS = 12, 4096
MATRIX, DOUBLE = 2, 8
WHOLE = "model_weights"
KERNEL, BIAS = ("kernel", "kernel:0", "0"), ("bias", "bias:0", "1")
APART = ("optimizer", "optimizer_weights", "seed_generator", "top_level_model_weights")
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
    found, order, described = _dense_layers(data, layers, where)
    chosen = in_order(found, layers or order, where)
    if activations is None:
        activations = sequential_activations(config or described, where)
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


def _dense_layers(
    data: bytes, wanted: Sequence[str] | None, where: str
) -> tuple[dict[str, Dense], list[str] | None, str | None]:
    """Return the dense layers by name, their order and the model's description where the file says them."""
    h5py = library("h5py")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            described = file.attrs.get("model_config")
            walk = _Walk(h5py, where)
            root = walk.item(file, WHOLE, WHOLE) if WHOLE in file.keys() else file  # noqa: SIM118 - h5py's follows links
            arrays = dict(walk.arrays(root, "", 0))
            names = root.attrs.get("layer_names")
            found = _dense(arrays, wanted, where)
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise ValueError(f"{where}: expected a complete HDF5 file of Keras weights: {error}") from error
    given = None if names is None else [_text(name) for name in names]
    order = None if given is None else [name for name in given if name in found]
    return found, order, None if described is None else _text(described)


class _Walk:
    """Reads the numbers of a file in bounded time: plain links and plain floats only."""

    def __init__(self, h5py: Any, where: str) -> None:
        self._h5py = h5py
        self._where = where
        self._objects = self._numbers = 0

    def arrays(self, group: Any, path: str, depth: int) -> list[tuple[str, Matrix]]:
        """Return every array below a group with its path; ValueError for anything but groups and plain arrays."""
        found: list[tuple[str, Matrix]] = []
        for name in group:
            place = f"{path}/{name}" if path else name
            self._objects += 1
            if self._objects > MOST_OBJECTS or depth > DEEPEST:
                raise ValueError(f"{self._where}: has more, or deeper, groups than a model of dense layers")
            if name in APART:
                continue
            item = self.item(group, name, place)
            if isinstance(item, self._h5py.Group):
                found += self.arrays(item, place, depth + 1)
            else:
                found.append((place, self._numbers_of(item, place)))
        return found

    def item(self, group: Any, name: str, place: str) -> Any:
        """Return what a plain link leads to; ValueError for one to elsewhere."""
        link = group.get(name, getlink=True)
        if not isinstance(link, self._h5py.HardLink):
            what = type(link).__name__
            raise ValueError(f"{self._where}: {shown(place)} is a link ({what}), which is not followed")  # noqa: TRY004
        return group[name]

    def _numbers_of(self, item: Any, place: str) -> Matrix:
        is_array = isinstance(item, self._h5py.Dataset) and item.shape is not None
        if not is_array or item.dtype.kind != "f" or item.dtype.itemsize > DOUBLE:
            kind = getattr(item, "dtype", type(item).__name__)
            raise ValueError(f"{self._where}: {shown(place)}: expected float16, float32 or float64, found {kind}")
        if item.external or item.is_virtual:
            raise ValueError(f"{self._where}: {shown(place)} keeps its numbers in other files, which are not read")
        self._numbers += item.size
        if self._numbers * item.dtype.itemsize > SIZE_LIMIT:
            raise ValueError(f"{self._where}: {shown(place)} would fill more than {SIZE_LIMIT} bytes")
        is_double = item.dtype.itemsize == DOUBLE
        values: Matrix = np.asarray(item[()], np.float64 if is_double else np.float32)
        return values


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


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
