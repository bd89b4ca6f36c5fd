"""Estimators as models: the same answers from the file as from scikit-learn."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import neural_network as theirs
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from predictor import CategoricalFeature, FolderRepository, Predictor, load_bytes, prove
from training import MLPClassifier, MLPRegressor, from_sklearn, publish

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
XD, yd = load_diabetes(return_X_y=True)


def answers(predictor: Predictor, rows: list[list[Any]]) -> Any:
    A = predictor.network.infer(predictor.schema.encode_rows(rows).X)
    return predictor.outputs.decode(A)


def test_raw_rows_of_the_table_may_hold_its_target_and_columns_that_were_left_out() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"]).assign(id=range(len(X)), kind=y.astype(str))
    table = frame.drop(columns="kind")
    model = MLPClassifier(8, max_iter=5, random_state=0, encode=True).fit(table, frame["kind"])
    dropping = ColumnTransformer([("all", StandardScaler(), ["a", "b", "c", "d"])])
    piped = make_pipeline(dropping, MLPClassifier(8, max_iter=5, random_state=0)).fit(table, frame["kind"])
    number = MLPRegressor(hidden_layer_sizes=(8,), max_iter=5, random_state=0).fit(table[["a", "b", "c", "d"]], y)
    for one, extra in ((model, {"id", "kind"}), (piped, {"id", "kind"}), (number, {"kind"})):
        predictor = from_sklearn(one, table[list(one.feature_names_in_)], target="kind")
        assert set(predictor.schema.left_out) == extra
        records = frame[[*predictor.schema.names, *extra]].head(3).to_dict("records")
        known = [[record[name] for name in predictor.schema.names] for record in records]
        np.testing.assert_array_equal(predictor.schema.encode_records(records).X, predictor.schema.encode_rows(known).X)


@pytest.mark.parametrize("kind", [MLPClassifier, theirs.MLPClassifier])
@pytest.mark.parametrize(
    "scaler", [StandardScaler(), MinMaxScaler((-1, 1)), MaxAbsScaler(), RobustScaler(), "passthrough"]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_behind_a_scaler_answers_the_same(kind: type, scaler: Any, classes: int) -> None:
    some = y < classes
    model = make_pipeline(scaler, kind(8, max_iter=30, random_state=0)).fit(X[some], y[some])
    labels, probabilities = answers(from_sklearn(model, X[some]), X[some].tolist())
    assert labels == model.predict(X[some]).tolist()
    np.testing.assert_allclose(probabilities, model.predict_proba(X[some]), atol=1e-5)


@pytest.mark.parametrize("kind", [MLPRegressor, theirs.MLPRegressor])
def test_a_regressor_with_a_scaled_target_answers_in_its_units(kind: type) -> None:
    inner = make_pipeline(StandardScaler(), kind(hidden_layer_sizes=8, max_iter=50, random_state=0))
    model = TransformedTargetRegressor(inner, transformer=StandardScaler()).fit(XD, yd)
    predictor = from_sklearn(model, XD, target="progression")
    np.testing.assert_allclose(answers(predictor, XD.tolist())[:, 0], model.predict(XD), rtol=1e-4)
    assert predictor.outputs.targets == ("progression",)


def test_a_pipeline_over_mixed_columns_answers_the_same_with_holes_and_unknown_categories() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": np.where(rng.random(200) < 0.1, np.nan, rng.normal(40, 9, 200)),
            "town": rng.choice(["Rome", "Oslo", "Lima"], 200),
            "pay": rng.normal(3000, 500, 200),
        }
    )
    target = (table["pay"] > 3000).map({True: "high", False: "low"})
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    split = ColumnTransformer([("n", numeric, ["pay", "age"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["town"])])
    model = make_pipeline(split, MLPClassifier(8, max_iter=40, random_state=0)).fit(table, target)
    predictor = from_sklearn(model, table, target="level")
    assert predictor.schema.names == ("pay", "age", "town")
    assert predictor.reference is not None
    assert predictor.reference.missing == (0, int(table["age"].isna().sum()), 0)
    assert sum(predictor.reference.labels) == 200
    asked = pd.DataFrame(
        {"age": [30.0, np.nan, 50.0], "town": ["Oslo", "Lima", "Paris"], "pay": [2000.0, 3500.0, 2900.0]}
    )
    records = [
        {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in record.items()}
        for record in asked.to_dict("records")
    ]
    A = predictor.network.infer(predictor.schema.encode_records(records).X)
    labels, probabilities = predictor.outputs.decode(A)
    assert list(labels) == model.predict(asked).tolist()
    np.testing.assert_allclose(probabilities, model.predict_proba(asked), atol=1e-5)


@pytest.mark.parametrize("hole", [None, np.nan])
def test_a_one_hot_encoder_that_saw_missing_cells_answers_them_the_same(hole: float | None) -> None:
    towns = np.array(["Rome", "Oslo", hole] * 40, dtype=object)
    table = pd.DataFrame({"town": pd.Series(towns, dtype=object)})
    target = pd.Series(["far" if town == "Oslo" else "near" if town == "Rome" else "?" for town in towns])
    model = make_pipeline(
        ColumnTransformer([("c", OneHotEncoder(handle_unknown="ignore"), ["town"])]),
        MLPClassifier(8, max_iter=60, random_state=0),
    ).fit(table, target)
    predictor = from_sklearn(model, table, target="distance")
    town = predictor.schema.features[0]
    assert isinstance(town, CategoricalFeature)
    assert (town.categories, town.missing, town.counts) == (("Oslo", "Rome", ""), "", (40, 40, 40))
    rows: list[list[Any]] = [["Oslo"], ["Rome"], [None], ["Lima"]]
    _, probabilities = answers(predictor, rows)
    asked = pd.DataFrame({"town": pd.Series(["Oslo", "Rome", hole, "Lima"], dtype=object)})
    np.testing.assert_allclose(probabilities, model.predict_proba(asked), atol=1e-6)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1, 2, None], "the categories of 'town' are not all text: found 1; convert the column first"),
        (["", "Rome", None], "the categories of 'town' tell empty text, None and NaN apart: use one of them"),
    ],
)
def test_categories_that_no_model_file_tells_apart_are_refused(cells: list[Any], message: str) -> None:
    table = pd.DataFrame({"town": pd.Series(cells * 10, dtype=object)})
    model = make_pipeline(OneHotEncoder(), MLPClassifier(4, max_iter=5, random_state=0)).fit(table, [0, 1, 1] * 10)
    with pytest.raises(ValueError, match=re.escape(message)):
        from_sklearn(model, table)


def test_an_estimator_publishes_itself(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = MLPClassifier(8, max_iter=30, random_state=0).fit(frame, y)
    assert model.publish(tmp_path, "flowers") == 1
    assert publish(model, tmp_path, "flowers", frame, promote=False) == 2
    repository = FolderRepository(tmp_path)
    assert repository.aliases("flowers") == {"champion": 1}
    predictor = load_bytes(repository.read("flowers", 1), "flowers")
    prove(predictor)
    assert predictor.schema.names == ("a", "b", "c", "d")
    assert predictor.schema.left_out == ("target",)
    assert [(f.low, f.high) for f in predictor.schema.features] == list(zip(X.min(0), X.max(0), strict=True))  # type: ignore[union-attr]
    assert answers(predictor, X.tolist())[0] == model.predict(frame).tolist()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            make_pipeline(PolynomialFeatures(), MLPClassifier(4, max_iter=2)),
            "PolynomialFeatures cannot be converted; known: ",
        ),
        (
            make_pipeline(SimpleImputer(add_indicator=True), MLPClassifier(4, max_iter=2)),
            r"SimpleImputer\(add_indicator=True\) cannot be converted",
        ),
        (make_pipeline(StandardScaler(), LogisticRegression()), "perhaps behind others, found LogisticRegression"),
    ],
)
def test_what_a_file_has_no_words_for_is_refused_by_name(model: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_sklearn(model.fit(X, y), X)


def test_what_a_search_found_best_is_published() -> None:
    steps = make_pipeline(StandardScaler(), MLPClassifier(4, max_iter=20, random_state=0))
    search = GridSearchCV(steps, {"mlpclassifier__alpha": [1e-4, 1.0]}, cv=2).fit(X, y)
    inner = make_pipeline(StandardScaler(), GridSearchCV(steps[-1], {"alpha": [1e-4, 1.0]}, cv=2)).fit(X, y)
    for model in (search, inner):
        assert answers(from_sklearn(model, X), X.tolist())[0] == model.predict(X).tolist()


@pytest.mark.parametrize(
    "model",
    [
        MLPClassifier(),
        make_pipeline(StandardScaler(), MLPClassifier()),
        GridSearchCV(MLPClassifier(), {"alpha": [1.0]}),
        TransformedTargetRegressor(MLPRegressor(), transformer=StandardScaler()),
    ],
)
def test_what_was_not_fitted_is_refused_by_name(model: Any) -> None:
    with pytest.raises(ValueError, match=r"found a [A-Za-z]+ that was not fitted"):
        from_sklearn(model, X)


def test_intervals_and_a_scaled_target_are_published_in_the_targets_units() -> None:
    model = MLPRegressor(hidden_layer_sizes=8, max_iter=60, random_state=0, scale_target=True, early_stopping=True)
    model.fit(XD, yd)
    predictor = from_sklearn(model, XD)
    np.testing.assert_allclose(answers(predictor, XD.tolist())[:, 0], model.predict(XD), rtol=1e-4)
    assert predictor.calibration == model.calibration_
    outer = TransformedTargetRegressor(model, transformer=StandardScaler()).fit(XD, yd)
    inner_scores = outer.regressor_.calibration_.scores
    found = from_sklearn(outer, XD)
    assert found.calibration is not None
    np.testing.assert_allclose(found.calibration.scores, np.array(inner_scores) * yd.std())
    np.testing.assert_allclose(answers(found, XD.tolist())[:, 0], outer.predict(XD), rtol=1e-4)


def test_without_rows_a_model_has_any_range_and_rows_that_are_made_up() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    for model in (theirs.MLPClassifier(8, max_iter=30), make_pipeline(StandardScaler(), MLPClassifier(8, max_iter=30))):
        predictor = from_sklearn(model.fit(frame, y))
        assert predictor.schema.names == ("a", "b", "c", "d")
        assert (len(predictor.golden.rows), predictor.reference) == (8, None)
        assert answers(predictor, X.tolist())[0] == model.predict(frame).tolist()
    alone = from_sklearn(MLPClassifier(8, max_iter=30).fit(X, y))
    assert alone.schema.names == ("x0", "x1", "x2", "x3")
    assert [feature.low for feature in alone.schema.features] == X.min(axis=0).tolist()
    assert alone.reference is not None
