"""Weights that PyTorch and Keras wrote, by make_files.py: the same answers, and what is refused."""

import json
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from predictor import ClassOutputs, FolderRepository, Predictor, load_bytes
from training import from_keras, from_safetensors, publish, to_onnx
from training.cli import main
from training.exchange import hdf5, keras_file

FILES = Path(__file__).parent / "files"
ANSWERS = np.load(FILES / "answers.npz")
ROWS = ANSWERS["rows"]
KERAS = ["keras.keras", "keras.h5", "keras.weights.h5"]


def answers(predictor: Predictor, rows: Any = ROWS) -> Any:
    return predictor.network.infer(predictor.schema.encode_numbers(rows))


@pytest.mark.parametrize(
    ("file", "activations"),
    [
        ("torch-classes", ["relu", "silu", "softmax"]),
        ("torch-activations", ["gelu_tanh", "LeakyReLU", "elu", "mish", "tanh", "linear"]),
        ("torch-half", ["sigmoid", "identity"]),
    ],
)
def test_linear_layers_of_pytorch_answer_the_same(file: str, activations: list[str]) -> None:
    predictor = from_safetensors(FILES / f"{file}.safetensors", activations)
    np.testing.assert_allclose(answers(predictor), ANSWERS[f"{file}.safetensors"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("file", KERAS)
def test_dense_layers_of_keras_answer_the_same(file: str) -> None:
    activations = ["relu", "swish", "softmax"] if file == "keras.weights.h5" else None
    predictor = from_keras(FILES / file, activations, classes=["a", "b", "c"])
    np.testing.assert_allclose(answers(predictor), ANSWERS[file], rtol=1e-5, atol=1e-6)


def test_an_import_has_names_units_and_ranges_and_can_be_published(tmp_path: Path) -> None:
    raw = ROWS * [1, 10, 100, 1000] + 5
    scaler, target = StandardScaler().fit(raw), StandardScaler().fit(np.array([[1.0], [5.0], [9.0]]))
    predictor = from_safetensors(
        FILES / "torch-activations.safetensors", ["gelu_tanh", "leaky_relu", "elu", "mish", "tanh", "identity"],
        feature_names=["a", "b", "c", "d"], target="price", preprocess=scaler, target_scaler=target, X=raw,
    )  # fmt: skip
    assert publish(predictor, tmp_path, "prices") == 1
    found = load_bytes(FolderRepository(tmp_path).read("prices", 1), "prices")
    assert found.schema.names == ("a", "b", "c", "d")
    assert [feature.low for feature in found.schema.features] == pytest.approx(raw.min(axis=0))  # type: ignore[union-attr]
    assert found.reference is not None
    values: Any = found.outputs.decode(answers(found, raw))
    plain = from_safetensors(
        FILES / "torch-activations.safetensors", ["gelu_tanh", "leaky_relu", "elu", "mish", "tanh", "identity"]
    )
    np.testing.assert_allclose(
        values, target.inverse_transform(answers(plain, scaler.transform(raw).astype(np.float32))), rtol=1e-4
    )
    assert to_onnx(found, tmp_path / "prices.onnx").exists()


def test_an_import_without_rows_takes_any_value_and_makes_its_golden_rows() -> None:
    predictor = from_keras(FILES / "keras.keras", classes=["a", "b", "c"], target="kind")
    assert predictor.schema.names == ("x0", "x1", "x2", "x3")
    assert predictor.outputs == ClassOutputs(("a", "b", "c"), "kind")
    assert len(predictor.golden.rows) == 8
    assert predictor.reference is None
    assert not predictor.schema.out_of_range(np.full((1, 4), 1e30, np.float32))


def test_categories_before_the_network(tmp_path: Path) -> None:
    rows = np.array([["red", 1.0], ["blue", 3.0], ["green", 2.0]], object)
    split = ColumnTransformer([("c", OneHotEncoder(), [0]), ("n", StandardScaler(), [1])]).fit(rows)
    predictor = from_safetensors(
        FILES / "torch-classes.safetensors", ["relu", "silu", "softmax"],
        feature_names=["colour", "size"], classes=["x", "y", "z"], preprocess=split, X=rows,
    )  # fmt: skip
    plain = from_safetensors(FILES / "torch-classes.safetensors", ["relu", "silu", "softmax"])
    found = predictor.network.infer(predictor.schema.encode_rows(rows.tolist()).X)
    expected = answers(plain, np.asarray(split.transform(rows), np.float64))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def with_tensors(path: Path, tensors: dict[str, tuple[str, list[int]]]) -> Path:
    """A .safetensors file of zeros, put together by hand."""
    header, end = {}, 0
    size = {"F32": 4, "F64": 8, "I64": 8}
    for name, (kind, shape) in tensors.items():
        begin, end = end, end + size[kind] * int(np.prod(shape))
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    return path


@pytest.mark.parametrize(
    ("tensors", "options", "message"),
    [
        ({"0.weight": ("F32", [3, 4]), "1.weight": ("F32", [2, 5])}, {},
         r"layer '0' gives 3 values and '1', which comes next, takes 5; layers=\[...\] .* \(here: 0, 1\)"),
        ({"0.weight": ("I64", [3, 4])}, {}, r"w: tensor '0.weight': expected F32, F64, F16 or BF16, found I64"),
        ({"0.weight": ("F32", [3, 4, 2])}, {}, r"expected \(outputs, inputs\) of a linear layer, found \(3, 4, 2\)"),
        ({"0.weight": ("F32", [3, 4]), "0.bias": ("F32", [4])}, {}, r"tensor '0.bias': expected \(3,\), found \(4,\)"),
        ({"0.weight": ("F32", [3, 4]), "0.running_mean": ("F32", [4])}, {}, "'0.running_mean' is of no linear layer"),
        ({"0.bias": ("F32", [4])}, {}, "tensor '0.bias' is of no linear layer"),
        ({"fc1.weight": ("F32", [3, 4])}, {"layers": ["fc2"]}, "has no dense layer 'fc2'; did you mean 'fc1'"),
        ({}, {}, "w: holds no dense layer"),
        ({"0.weight": ("F32", [3, 4])}, {"activations": ["relu", "relu"]},
         r"activations: expected a list of 1, one for each layer \(0\), found 2"),
        ({"0.weight": ("F32", [3, 4])}, {"activations": "relu"}, "expected a list of 1, .* found one name"),
        ({"0.weight": ("F32", [3, 4])}, {"activations": ["rely"]}, "found 'rely'; did you mean 'relu'"),
        ({"0.weight": ("F32", [3, 4])}, {"activations": ["GELU"]}, r"by the error function .* is 'gelu_tanh'"),
        ({"0.weight": ("F32", [3, 4])}, {"feature_names": ["a"]}, "the first layer takes 4 columns, found 1"),
        ({"0.weight": ("F32", [3, 4])}, {"target": ["a"]}, "target: the last layer gives 3 values, found 1 names"),
        ({"0.weight": ("F32", [3, 4])}, {"classes": ["a", "b"]}, "outputs: do not fit the 3 units of the last layer"),
    ],
)  # fmt: skip
def test_safetensors_that_are_no_such_network_are_refused(
    tmp_path: Path, tensors: Any, options: dict[str, Any], message: str
) -> None:
    path = with_tensors(tmp_path / "w", tensors)
    with pytest.raises(ValueError, match=message):
        from_safetensors(path, **({"activations": ["identity"] * max(len(tensors), 1)} | options))


def test_layers_are_chosen_and_ordered_by_name(tmp_path: Path) -> None:
    tensors = {"out.weight": ("F32", [1, 3]), "into.weight": ("F32", [3, 4]), "norm.weight": ("F32", [3])}
    path = with_tensors(tmp_path / "w", tensors)
    predictor = from_safetensors(path, ["relu", "identity"], layers=["into", "out"])
    assert [layer.units for layer in predictor.network.architecture.layers] == [3, 1]
    many = {f"{i}.weight": ("F32", [i, i + 1]) for i in range(11, 0, -1)}
    path = with_tensors(tmp_path / "w", {f"{12 - int(k.split('.')[0])}.weight": v for k, v in many.items()})
    assert from_safetensors(path, ["relu"] * 11).network.architecture.outputs == 1


def test_a_truncated_file_is_refused_at_every_length(tmp_path: Path) -> None:
    data = (FILES / "torch-classes.safetensors").read_bytes()
    for length in range(0, len(data), 9):
        (tmp_path / "w").write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"w: expected a complete .safetensors file"):
            from_safetensors(tmp_path / "w", ["relu", "silu", "softmax"])


@pytest.mark.parametrize("file", KERAS)
def test_a_truncated_file_of_keras_is_refused(tmp_path: Path, file: str) -> None:
    data = (FILES / file).read_bytes()
    for length in (100, len(data) - 1):
        (tmp_path / "w").write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"w: expected a (complete HDF5 file|.keras archive)"):
            from_keras(tmp_path / "w", ["relu", "silu", "softmax"])


def test_a_damaged_file_that_makes_hdf5_loop_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "SECONDS", 1.5)
    data = bytearray((FILES / "keras.h5").read_bytes())
    data[5504] = 100  # in the heap of long attributes
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(ValueError, match=r"w: took more than 1\.5 s to read"):
        from_keras(tmp_path / "w")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none: cannot be read: No such file or directory"):
        from_safetensors(tmp_path / "none", ["relu"])


def written(path: Path, write: Callable[[Any], Any]) -> Path:
    """An HDF5 file with one good Dense layer, changed."""
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.ones((4, 2), np.float32)
        file["layers/dense/vars/1"] = np.ones(2, np.float32)
        write(file)
    return path


def vlen(file: Any) -> None:
    file.create_dataset("layers/dense_1/vars/0", data=["a"], dtype=h5py.string_dtype())


def outside(file: Any) -> None:
    file.create_dataset("layers/dense_1/vars/0", (2, 2), "f4", external=[("/etc/passwd", 0, 16)])


def huge(file: Any) -> None:
    file.create_dataset("layers/dense_1/vars/0", (2**20, 2**12), "f4", chunks=(2**10, 2**10), compression="gzip")


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((2, 2), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (2, 2))
    file.create_virtual_dataset("layers/dense_1/vars/0", layout)


def put(place: str, value: Any) -> Callable[[Any], Any]:
    return lambda file: file.update({place: value})


SECOND = "layers/dense_1/vars/0"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (put("layers/dense_1", h5py.ExternalLink("/etc/passwd", "/")), r"'layers/dense_1' is a link \(ExternalLink\)"),
        (put("layers/dense_1", h5py.SoftLink("/layers/dense")), r"is a link \(SoftLink\)"),
        (put("model_weights", h5py.ExternalLink("/etc/passwd", "/")), r"'model_weights' is a link"),
        (vlen, "'layers/dense_1/vars/0': expected float16, float32 or float64, found object"),
        (outside, "keeps its numbers in other files"),
        (virtual, "keeps its numbers in other files"),
        (huge, "would fill more than 536870912 bytes"),
        (put(SECOND, np.ones((2, 2), "i8")), "expected float16, .*, found int64"),
        (put(SECOND, h5py.Empty("f4")), "expected float16"),
        (put(SECOND, np.ones((2, 2, 1), "f4")), r"expected a kernel \(inputs, outputs\)"),
        (put(SECOND, np.full((2, 2), np.nan, "f4")), "layer 'dense_1': expected finite"),
        (put("layers/embedding/vars/0", np.ones((9, 2), "f4")), "'layers/embedding/vars/0' is of no Dense layer"),
        (put("layers/dense_1/vars/2", np.ones(2, "f4")), "'layers/dense_1/vars/2' is of no Dense layer"),
        (lambda file: file.__setitem__("layers/dense/again", file["layers"]), "has more, or deeper, groups"),
    ],
)  # fmt: skip
def test_hdf5_that_is_no_such_network_is_refused(tmp_path: Path, write: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_keras(written(tmp_path / "w.weights.h5", write), ["relu", "relu"])


def test_keras_layers_are_chosen_by_name(tmp_path: Path) -> None:
    def more(file: Any) -> None:
        file["layers/embedding/vars/0"] = np.ones((9, 2), "f4")
        file["layers/sequential/layers/dense/vars/0"] = np.ones((2, 3), "f4")

    path = written(tmp_path / "w.weights.h5", more)
    predictor = from_keras(path, ["relu", "identity"], layers=["dense", "layers/sequential/layers/dense"])
    assert predictor.network.architecture.outputs == 3


def test_the_files_of_keras_2_are_read_in_their_own_order(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for name, kernel in (("second", np.ones((3, 1), "f4")), ("first", np.full((2, 3), 2, "f4"))):
            file[f"{name}/{name}/kernel:0"] = kernel
            file[f"{name}/{name}/bias:0"] = np.zeros(kernel.shape[1], "f4")
        file.create_group("drop")
        file.attrs["layer_names"] = [b"first", b"drop", b"second"]
    predictor = from_keras(tmp_path / "w.h5", ["relu", "identity"])
    assert predictor.network.infer([[1.0, 2.0]]).tolist() == [[18.0]]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("keras-gelu.keras", "'gelu', by the error function, where this project's is the tanh approximation"),
        ("keras-normed.keras", "layer 'batch_normalization' is a 'BatchNormalization', which cannot be imported"),
        ("keras.weights.h5", "activations: keras.weights.h5 holds weights only; name one for each Dense layer"),
    ],
)  # fmt: skip
def test_keras_models_that_have_no_equal_are_refused(file: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_keras(FILES / file)


def changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The .keras archive with another description."""
    with zipfile.ZipFile(FILES / "keras.keras") as archive:
        config, weights = json.loads(archive.read("config.json")), archive.read("model.weights.h5")
    config = change(config) or config
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    return path


def layers_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = config["config"]["layers"]
    return layers


def layer_options(config: dict[str, Any], place: int) -> dict[str, Any]:
    options: dict[str, Any] = layers_of(config)[place]["config"]
    return options


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config | {"class_name": "Functional"}, "is no Sequential model"),
        (lambda config: [config], "cannot be read"),
        (lambda config: {"config": {"layers": 3}}, "cannot be read"),
        (lambda config: layer_options(config, 1).update(activation="leaky_relu"), "with a slope of 0.2"),
        (lambda config: layer_options(config, 1).update(activation={"class_name": "X"}), "the activation an object"),
        (lambda config: layers_of(config)[2].update(class_name="Normalization"), "is a 'Normalization'"),
        (lambda config: layers_of(config)[4].update(class_name="LeakyReLU", config={"negative_slope": 0.3}),
         "expected negative_slope 0.01, found 0.3"),
        (lambda config: layers_of(config).insert(1, layers_of(config)[4]), "follows no Dense layer without an"),
        (lambda config: layers_of(config).insert(1, layers_of(config)[1]), "expected a list of 3, .* found 4"),
    ],
)  # fmt: skip
def test_descriptions_that_have_no_equal_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        from_keras(changed(tmp_path / "w.keras", change))


def test_an_archive_without_its_parts_or_with_a_bomb_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=r"expected a .keras archive with config.json and model.weights.h5"):
        from_keras(tmp_path / "w.keras")
    with (
        zipfile.ZipFile(tmp_path / "w.keras", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("model.weights.h5", "w", force_zip64=True) as file,
    ):
        file.write(bytes(2**20 + 1))
    monkeypatch.setattr(keras_file, "SIZE_LIMIT", 2**20)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 is more than 1048576 bytes long"):
        from_keras(tmp_path / "w.keras")


@pytest.mark.parametrize("package", ["safetensors", "h5py"])
def test_a_missing_library_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    read: Callable[..., Any] = from_safetensors if package == "safetensors" else from_keras
    file = "torch-classes.safetensors" if package == "safetensors" else "keras.h5"
    with pytest.raises(ImportError, match=f"{package} is not installed: pip install {package}$"):
        read(FILES / file, ["relu", "silu", "softmax"])


def test_the_command_imports_and_publishes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: str) -> tuple[int, str]:
        code = main(["import", *words, "--models", str(tmp_path)])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    file = str(FILES / "torch-classes.safetensors")
    named = [
        "--activations",
        "relu,silu,softmax",
        "--features",
        'a,b,"c, d",e',
        "--classes",
        "0,1,2",
        "--name",
        "kinds",
    ]
    assert run(file, *named, "--target", "kind") == (0, f"Published kinds version 1: {tmp_path / 'kinds' / '1'}\n")
    found = load_bytes(FolderRepository(tmp_path).read("kinds", 1), "kinds")
    assert found.schema.names == ("a", "b", "c, d", "e")
    assert found.outputs == ClassOutputs((0, 1, 2), "kind")
    assert run(str(FILES / "keras.keras"), "--classes", "x,y,z", "--no-promote")[0] == 0
    assert FolderRepository(tmp_path).aliases("keras") == {}
    code, text = run(file)
    assert (code, text) == (
        2,
        "error: a .safetensors file holds weights only: name --activations, one for each layer\n",
    )
    assert run(file, "--activations", "relu,rely,softmax")[0] == 2
    code, text = run(file, *named[:-1], "a/b")
    assert code == 2
    assert text.startswith("error: 'a/b' cannot be a model's name: expected 1 to 64 letters")
