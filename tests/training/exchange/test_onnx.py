"""Models as ONNX files: onnxruntime gives the answers that the model gives."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn import neural_network as theirs
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from network import ACTIVATIONS, Architecture, Layer
from predictor import (
    CategoricalFeature,
    ClassOutputs,
    DateFeature,
    Golden,
    NumberOutputs,
    NumericFeature,
    Predictor,
    Schema,
    save_bytes,
)
from predictor.dates import LIMITS, moment
from tests.predictor.models import flowers, houses, mlp
from training import MLPClassifier, MLPRegressor, from_sklearn, publish, to_onnx
from training.cli import main

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
XD, yd = load_diabetes(return_X_y=True)


def run(path: Path, feeds: dict[str, Any]) -> list[Any]:
    answers: list[Any] = onnxruntime.InferenceSession(path.read_bytes()).run(None, feeds)
    return answers


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_activation_answers_the_same(tmp_path: Path, activation: str, dtype: type) -> None:
    schema = Schema(tuple(NumericFeature(name, offset=0.5, scale=2.0, low=-9.0, high=9.0) for name in "abc"))
    network = mlp(Architecture(3, (Layer(6, activation), Layer(2, activation, bias=False))), dtype=dtype)
    rows = np.random.default_rng(0).normal(0, 2, (40, 3)).astype(np.float32)
    golden = Golden(((1.0, 2.0, 3.0),), network.infer(schema.encode_rows([[1.0, 2.0, 3.0]]).X))
    predictor: Any = Predictor(schema, network, NumberOutputs(("u", "v"), (1.0, 2.0), (3.0, 4.0)), golden, {}, {}, {})
    [found] = run(to_onnx(predictor, tmp_path / "model.onnx"), {"X": rows})
    expected = predictor.outputs.decode(network.infer(schema.encode_numbers(rows)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("last", ["identity", "softmax"])
def test_an_ensemble_answers_with_the_mean_of_its_members(tmp_path: Path, last: str) -> None:
    schema = Schema(tuple(NumericFeature(name, low=-9.0, high=9.0) for name in "abc"))
    network = mlp(Architecture(3, (Layer(6, "silu"), Layer(5, "relu", bias=False), Layer(2, last)), 4))
    rows = np.random.default_rng(0).normal(0, 2, (40, 3)).astype(np.float32)
    golden = Golden(((1.0, 2.0, 3.0),), network.infer(schema.encode_rows([[1.0, 2.0, 3.0]]).X))
    predictor: Any = Predictor(schema, network, NumberOutputs(("u", "v"), (0.0, 0.0), (1.0, 1.0)), golden, {}, {}, {})
    [found] = run(to_onnx(predictor, tmp_path / "model.onnx"), {"X": rows})
    np.testing.assert_allclose(found, network.infer(rows), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("labels", [(0, 1, 2), (0, 1), ("no", "yes"), ("a", "b", "c")])
def test_a_classifier_answers_labels_and_probabilities(tmp_path: Path, labels: tuple[Any, ...]) -> None:
    some = y < len(labels)
    names = np.array(labels)[y[some]]
    model = make_pipeline(StandardScaler(), MLPClassifier(8, max_iter=30, random_state=0)).fit(X[some], names)
    path = to_onnx(from_sklearn(model, X[some]), tmp_path / "model.onnx")
    found, probabilities = run(path, {"X": X[some].astype(np.float32)})
    assert found.tolist() == model.predict(X[some]).tolist()
    np.testing.assert_allclose(probabilities, model.predict_proba(X[some]), atol=1e-6)


def test_a_regressor_answers_in_the_targets_units(tmp_path: Path) -> None:
    inner = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=8, max_iter=30, random_state=0))
    model = TransformedTargetRegressor(inner, transformer=StandardScaler()).fit(XD, yd)
    path = to_onnx(from_sklearn(model, XD), tmp_path / "model.onnx")
    np.testing.assert_allclose(run(path, {"X": XD.astype(np.float32)})[0], model.predict(XD), rtol=1e-5)


def test_an_estimator_writes_itself(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = MLPClassifier(8, "gelu", max_iter=30, random_state=0).fit(frame, y)
    path = model.to_onnx(tmp_path / "model.onnx", target="species")
    assert run(path, {"X": X.astype(np.float32)})[0].tolist() == model.predict(frame).tolist()
    about = onnxruntime.InferenceSession(path.read_bytes()).get_modelmeta().custom_metadata_map
    assert json.loads(about["features"]) == list("abcd")
    assert (json.loads(about["target"]), json.loads(about["classes"])) == ("species", [0, 1, 2])


def test_categories_are_inputs_of_text_with_gaps_and_unknown_ones(tmp_path: Path) -> None:
    predictor: Any = houses()
    path = to_onnx(predictor, tmp_path / "model.onnx")
    rows: list[Any] = [[80.0, "gravel", "b/c"], [20.5, None, None], [250.0, "paved", "tin"]]
    A = predictor.network.infer(predictor.schema.encode_rows(rows).X)
    feeds = {
        "area": np.array([[80], [20.5], [250]], np.float32),
        "street": np.array([["gravel"], [""], ["paved"]], object),
        "roof": np.array([["b/c"], [""], ["tin"]], object),
    }
    np.testing.assert_allclose(run(path, feeds)[0], predictor.outputs.decode(A)[:, 0], rtol=1e-5)


def test_missing_numbers_are_filled(tmp_path: Path) -> None:
    predictor: Any = flowers()
    rows = np.array([[1, np.nan], [3, 0.5]], np.float32)
    labels, probabilities = predictor.outputs.decode(predictor.network.infer(predictor.schema.encode_numbers(rows)))
    found = run(to_onnx(predictor, tmp_path / "model.onnx"), {"X": rows})
    assert found[0].tolist() == [str(label) for label in labels]
    np.testing.assert_allclose(found[1], probabilities, atol=1e-6)


def test_clipped_values_knots_flags_and_bounded_answers(tmp_path: Path) -> None:
    spread: dict[str, Any] = {"low": -9.0, "high": 9.0}
    numbers = (
        NumericFeature(
            "a", offset=1.0, scale=2.0, clip=3.0, knots=(-1.0, 0.0, 2.5), missing=0.5, flags_missing=True, **spread
        ),
        NumericFeature("b", **spread),
        NumericFeature("c", knots=(0.0, 1.0), **spread),
        NumericFeature("d", missing=2.0, flags_missing=True, **spread),
    )
    text = CategoricalFeature("e", ("x", "y"), counts=(1, 1))
    rows = np.random.default_rng(0).normal(0, 3, (50, 4)).astype(np.float32)
    rows[::3, 0] = rows[::4, 3] = np.nan
    for features in (numbers, (*numbers[:2], text, *numbers[2:])):
        schema = Schema(features)
        network = mlp(Architecture(schema.width, (Layer(1, "identity"),)))
        cells = [1.0, 2.0, *(["x"] if text in features else []), 0.5, None]
        golden = Golden((tuple(cells),), network.infer(schema.encode_rows([cells]).X))
        outputs = NumberOutputs(("u",), (1.0,), (3.0,), (-4.0,), (9.0,))
        path = to_onnx(Predictor(schema, network, outputs, golden, {}, {}, {}), tmp_path / "model.onnx")
        columns: dict[str, Any] = dict(zip("abcd", rows.T[:, :, None], strict=True))
        feeds = {"X": rows} if schema.is_numeric else columns | {"e": np.array([["x"]] * 50, object)}
        by_name = columns | {"e": np.array(["x"] * 50, object)}
        X = schema.encode_columns([by_name[name].ravel() for name in schema.names])
        np.testing.assert_allclose(run(path, feeds)[0], outputs.decode(network.infer(X))[:, 0], rtol=1e-5, atol=1e-5)


def test_columns_may_have_any_names(tmp_path: Path) -> None:
    names = ("predictions", "ganglion/0", "X", "probabilities", "rows")
    features = tuple(CategoricalFeature(name, ("a", "b"), counts=(1, 1)) for name in names)
    network = mlp(Architecture(10, (Layer(2, "softmax"),)))
    schema = Schema(features)
    golden = Golden((("a", "b", "a", "b", "a"),), network.infer(schema.encode_rows([["a", "b", "a", "b", "a"]]).X))
    predictor = Predictor(schema, network, ClassOutputs((1, 2), "y"), golden, {}, {}, {})
    session = onnxruntime.InferenceSession(to_onnx(predictor, tmp_path / "model.onnx").read_bytes())
    assert [value.name for value in session.get_inputs()] == list(names)
    assert [value.name for value in session.get_outputs()] == ["output_predictions", "output_probabilities"]
    feeds = dict(zip(names, (np.array([[cell]], object) for cell in "ababa"), strict=True))
    np.testing.assert_allclose(session.run(None, feeds)[1], golden.outputs, atol=1e-6)


def test_the_command_writes_a_file_or_says_why_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(source: Path, target: Path) -> tuple[int, str]:
        return main(["export", str(source), str(target)]), capsys.readouterr().err

    model, out = tmp_path / "model.npz", tmp_path / "out.onnx"
    model.write_bytes(save_bytes(houses()))
    assert export(model, out) == (0, "")
    assert onnxruntime.InferenceSession(out.read_bytes()).get_outputs()[0].name == "predictions"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.npz", "out.onnx"]
    publish(houses(), tmp_path / "models", "houses")
    assert main(["export", "houses@1", str(out), "--models", str(tmp_path / "models")]) == 0
    assert main(["export", "horses", str(out), "--models", str(tmp_path / "models")]) == 2
    assert "did you mean 'houses'?" in capsys.readouterr().err
    nowhere = tmp_path / "no" / "out.onnx"
    assert export(tmp_path / "none.npz", out) == (
        2, f"error: {tmp_path / 'none.npz'}: cannot be read: No such file or directory\n"
    )  # fmt: skip
    assert export(model, nowhere) == (2, f"error: {nowhere}: cannot be written: No such file or directory\n")
    monkeypatch.setitem(sys.modules, "onnx.helper", None)
    assert export(model, out) == (2, "error: onnx is not installed: pip install onnx\n")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"expected a fitted MLP.*, perhaps behind others, found StandardScaler",
    ):
        to_onnx(StandardScaler(), tmp_path / "model.onnx")


def test_a_pipeline_of_scikit_learns_own_is_written_as_it_is(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), theirs.MLPClassifier(8, max_iter=30, random_state=0)).fit(X, y)
    found, probabilities = run(to_onnx(model, tmp_path / "model.onnx"), {"X": X.astype(np.float32)})
    assert found.tolist() == model.predict(X).tolist()
    np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("missing", ["zeros", None])
def test_dates_are_inputs_in_seconds(tmp_path: Path, missing: Any) -> None:
    parts = ("trend", "year", "month", "week", "day")
    dates = DateFeature(
        "when", parts=parts, offset=9e3, scale=4e3, missing=missing, low="1999-01-01", high="2031-01-01"
    )
    schema = Schema((dates, CategoricalFeature("c", ("a", "b"), counts=(1, 1))))
    network = mlp(Architecture(schema.width, (Layer(schema.width, "identity", bias=False),)))
    network.parameters["layers.0.W"][...] = np.eye(schema.width)
    golden = Golden(
        (("2024-02-29T13:14:15", "a"),), network.infer(schema.encode_rows([["2024-02-29T13:14:15", "a"]]).X)
    )
    outputs = NumberOutputs(tuple(f"u{i}" for i in range(schema.width)), (0.0,) * schema.width, (1.0,) * schema.width)
    path = to_onnx(Predictor(schema, network, outputs, golden, {}, {}, {}), tmp_path / "model.onnx")
    rng = np.random.default_rng(0)
    edges = [
        f"{year}-{day}" for year in (1000, 1600, 1900, 2000, 2023, 2024, 9999) for day in ("01-01", "12-31", "03-01")
    ]
    edges += ["1600-02-29", "2024-02-29", "2024-02-29T23:59:59", "2023-02-28T23:59:59", "1969-12-31T23:59:59"]
    seconds = np.array([*(moment(edge, "ymd") for edge in edges), *rng.uniform(*LIMITS, 2000).round()])
    found = run(path, {"when": seconds[:, None], "c": np.array([["b"]] * len(seconds), object)})[0]
    np.testing.assert_allclose(found[:, :-2], dates.encode(seconds), rtol=1e-5, atol=1e-5)
    gone = run(path, {"when": np.array([[np.nan]]), "c": np.array([["b"]], object)})[0]
    assert np.isnan(gone[0, 0]) == (missing is None)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    model = MLPClassifier(4, max_iter=2, random_state=0).fit(X, y)
    with pytest.raises(FileNotFoundError) as caught:
        model.to_onnx(tmp_path / "nowhere" / "flowers.onnx")
    assert caught.value.filename == str(tmp_path / "nowhere" / "flowers.onnx")
