"""DataFrames as they come: categories, dates, holes, text; in scikit-learn's tools, and out into service."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import ScoringMonitor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from predictor import FolderRepository, load_bytes, prove
from training import MLPClassifier, MLPRegressor, from_sklearn, publish, to_onnx

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ROWS = 400
rng = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "size": np.where(rng.random(ROWS) < 0.1, np.nan, rng.normal(50, 9, ROWS)),
        "colour": pd.Categorical(rng.choice(["red", "blue"], ROWS)),
        "town": rng.choice(np.array(["Rome", "Oslo", None], dtype=object), ROWS),
        "is_new": rng.random(ROWS) < 0.5,
        "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1000, ROWS), "D"),
        "rooms": pd.array(rng.choice(np.array([1, 2, 5, None], dtype=object), ROWS), dtype="Int64"),
        "note": rng.choice(np.array([1, "x", 2.5], dtype=object), ROWS),
        "row": np.arange(ROWS),
    }
)
PRICE = (
    100 * (TABLE["colour"] == "red") + 50 * TABLE["is_new"] + TABLE["size"].fillna(50) + rng.normal(0, 3, ROWS)
).to_numpy()
KIND = np.where(np.median(PRICE) < PRICE, "dear", "cheap")
FAST: dict[str, Any] = {"hidden_layer_sizes": 16, "max_iter": 60, "random_state": 0, "learning_rate_init": 0.01}


def answers(predictor: Any, table: pd.DataFrame) -> Any:
    cells = table.astype(object).where(table.notna(), None)
    columns = {}
    for name in predictor.schema.names:
        column = cells[name].tolist()
        columns[name] = [cell.isoformat() if isinstance(cell, pd.Timestamp) else cell for cell in column]
    columns |= {"note": [None if cell is None else str(cell) for cell in cells["note"]]}
    return predictor.outputs.decode(predictor.network.infer(predictor.schema.encode_named_columns(columns).X))


def test_a_table_is_encoded_as_it_comes() -> None:
    model = MLPRegressor(scale_target=True, **FAST).fit(TABLE, PRICE)
    assert model.score(TABLE, PRICE) > 0.9
    assert model.n_features_in_ == 8
    assert model.feature_names_in_.tolist() == list(TABLE.columns)
    assert model.schema_.names == ("size", "colour", "town", "is_new", "sold", "rooms", "note")
    assert "left out  'row': it numbers the rows" in model.decisions_
    assert not any("--set" in line for line in model.decisions_)


def test_cells_that_the_fit_did_not_see_are_answered() -> None:
    table = TABLE.drop(columns=["town", "size", "rooms"])
    model = MLPClassifier(**FAST).fit(table, KIND)
    odd = table.iloc[:3].copy()
    odd["colour"] = ["green", None, "red"]
    odd["sold"] = [pd.NaT, pd.Timestamp("2031-01-01", tz="UTC"), pd.Timestamp("1999-01-01", tz="UTC")]
    odd["row"] = [None, 1, 2]
    assert set(model.predict(odd)) <= {"dear", "cheap"}
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table[["colour", "sold"]])
    with pytest.raises(ValueError, match="column 'sold': expected numbers, text, categories or dates, found list"):
        model.predict(odd.assign(sold=[[1], [2], [3]]))


def test_rows_that_watch_and_callers_scores_may_be_tables() -> None:
    model = MLPClassifier(early_stopping=True, scoring="neg_log_loss", **FAST)
    model.fit(TABLE[:300], KIND[:300], X_val=TABLE[300:], y_val=KIND[300:])
    assert model.calibration_ is not None
    assert model.predict_set(TABLE[:5]).shape == (5, 2)
    for _ in range(2):
        model.partial_fit(TABLE[:300], KIND[:300], X_val=TABLE[300:], y_val=KIND[300:])


def test_tables_work_inside_scikit_learns_tools() -> None:
    model = MLPClassifier(**FAST)
    assert cross_val_score(model, TABLE, KIND, cv=3, error_score="raise").mean() > 0.85
    grid = GridSearchCV(
        make_pipeline("passthrough", model), {"mlpclassifier__encode": ["auto", {"bins": 0}]}, cv=2, error_score="raise"
    )
    assert grid.fit(TABLE, KIND).best_score_ > 0.8
    assert CalibratedClassifierCV(model, cv=2).fit(TABLE, KIND).score(TABLE, KIND) > 0.85


def test_a_pipeline_may_hand_on_pandas() -> None:
    plain = TABLE[["row"]].assign(other=PRICE)
    model = make_pipeline(StandardScaler(), MLPClassifier(**FAST)).set_output(transform="pandas").fit(plain, KIND)
    assert model[-1].feature_names_in_.tolist() == ["row", "other"]
    assert model.score(plain, KIND) > 0.9


def test_numbers_without_holes_are_left_alone_unless_asked() -> None:
    plain = TABLE[["row", "is_new"]]
    raw = MLPRegressor(**FAST).fit(plain, PRICE)
    matrix = plain.to_numpy(float)
    np.testing.assert_array_equal(raw.predict(plain), MLPRegressor(**FAST).fit(matrix, PRICE).predict(matrix))
    assert not hasattr(raw, "schema_")
    with pytest.raises(ValueError, match="contains NaN"):
        raw.predict(pd.DataFrame({"row": [1.0, np.nan], "is_new": [True, False]}))
    thin = plain.astype(float).astype(pd.SparseDtype("float", 0.0))
    np.testing.assert_array_equal(MLPRegressor(**FAST).fit(thin, PRICE).predict(thin), raw.predict(plain))
    holes = np.where(rng.random((ROWS, 2)) < 0.1, np.nan, rng.normal(size=(ROWS, 2)))
    with pytest.raises(ValueError, match="contains NaN") as refused:
        MLPRegressor(**FAST).fit(holes, PRICE)
    assert ["encode=True" in note for note in refused.value.__notes__] == [True]
    model = MLPRegressor(encode=True, **FAST).fit(holes, PRICE)
    assert np.isfinite(model.predict(np.full((1, 2), np.nan))).all()
    assert model.__sklearn_tags__().input_tags.allow_nan
    assert not raw.__sklearn_tags__().input_tags.allow_nan
    with pytest.raises(ValueError, match="could not convert string to float"):
        MLPRegressor(encode=False, **FAST).fit(TABLE[["town"]].fillna("x"), PRICE)


def test_callbacks_score_tables() -> None:
    monitor = ScoringMonitor(scoring="accuracy")
    model = MLPClassifier(**{**FAST, "max_iter": 3}).set_callbacks(monitor).fit(TABLE, KIND)
    assert monitor.get_logs().data[2]["accuracy"] == model.score(TABLE, KIND)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": np.inf}, "column 'size': expected finite numbers, found an infinity"),
        ({"size": 1j}, "column 'size': expected numbers, text or dates"),
        ({"size": pd.Timedelta(1, "D")}, "column 'size': expected numbers, text, categories or dates, found duration"),
    ],
)
def test_cells_of_no_use_are_refused(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**FAST).fit(TABLE.assign(**change), KIND)


def test_tables_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        MLPClassifier(**FAST).fit(TABLE[:0], KIND[:0])
    with pytest.raises(ValueError, match=r"no column is left to learn from:\s+left out  'a': every cell [^;]*$"):
        MLPClassifier(**FAST).fit(pd.DataFrame({"a": [None] * 9}), KIND[:9])


def test_lists_of_mixed_cells_are_taken_when_asked() -> None:
    model = MLPClassifier(encode=True, **FAST).fit([["a", 1.0], ["b", None]] * 20, [0, 1] * 20)
    assert model.predict([["a", None], ["b", 2.0]]).tolist() == [0, 1]


def test_text_that_spells_numbers_is_numbers() -> None:
    spelled = TABLE[["size"]].astype(object).map(lambda cell: " " if pd.isna(cell) else f"{cell:.3f}")
    model = MLPRegressor(**FAST).fit(spelled, PRICE)
    assert model.decisions_[0].startswith("number    'size'")
    rounded = MLPRegressor(encode=True, **FAST).fit(TABLE[["size"]].round(3), PRICE)
    np.testing.assert_allclose(model.predict(spelled), rounded.predict(TABLE[["size"]].round(3)), rtol=1e-6)
    assert np.isfinite(model.predict(pd.DataFrame({"size": ["50.5", None, "?"]}))).all()
    with pytest.raises(ValueError, match="column 'size': expected a number, found 'big'"):
        model.predict(pd.DataFrame({"size": ["50.5", "big"]}))
    codes = MLPRegressor(encode={"kinds": {"size": "category"}, "rare": 1}, **FAST).fit(spelled, PRICE)
    assert codes.decisions_[0].startswith("category  'size': as asked")


def test_a_new_fit_forgets_what_the_last_one_knew() -> None:
    model = MLPClassifier(early_stopping=True, temperature=True, **FAST).fit(TABLE, KIND)
    model.set_params(temperature=False).fit(PRICE[:, None], KIND)
    assert not {"schema_", "decisions_", "temperature_", "feature_names_in_"} & vars(model).keys()
    assert model.predict(PRICE[:3, None]).shape == (3,)


def test_arrow_tables_are_taken_too() -> None:
    table = pa.Table.from_pandas(TABLE.drop(columns="note"))
    views = pa.DictionaryArray.from_arrays(
        pa.array(TABLE["colour"].cat.codes, pa.uint32()), pa.array(TABLE["colour"].cat.categories, pa.string_view())
    )
    as_polars = table.set_column(1, "colour", views).set_column(2, "town", table["town"].cast(pa.string_view()))
    model = MLPClassifier(**FAST).fit(table, KIND)
    assert model.score(table, KIND) == model.score(as_polars, KIND) > 0.85


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        ("yes", "encode: expected 'auto', True, False or options of the encoding, found 'yes'"),
        ({"bin": 3}, "encode: expected keys among .*, found 'bin'; did you mean 'bins'"),
        ({"bins": -1}, r"encode: encoding\.bins|recipe encode.*bins"),
        ({"keep": ["rwo"]}, "encode: there is no column 'rwo'; did you mean 'row'"),
        ({"kinds": {"town": "number"}}, "'town': expected a number"),
    ],
)
def test_options_of_the_encoding_that_cannot_be_are_refused(encode: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLPClassifier(encode=encode, **FAST).fit(TABLE, KIND)


def test_options_of_the_encoding_decide() -> None:
    options = {"bins": 0, "keep": ["row"], "drop": ["note"], "kinds": {"rooms": "category"}}
    schema = MLPClassifier(encode=options, **FAST).fit(TABLE, KIND).schema_
    assert schema.names == ("size", "colour", "town", "is_new", "sold", "rooms", "row")
    assert schema.features[5].categories[0] in {"1", "2", "5"}
    assert schema.features[0].knots == ()


@pytest.mark.parametrize("members", [1, 3])
def test_what_is_published_takes_the_raw_columns(tmp_path: Path, members: int) -> None:
    model = MLPClassifier(early_stopping=True, members=members, **FAST).fit(TABLE, KIND)
    assert model.publish(tmp_path, "flats", target="kind") == 1
    assert publish(model, tmp_path, "flats", TABLE, promote=False) == 2
    for version in (1, 2):
        found = load_bytes(FolderRepository(tmp_path).read("flats", version), "flats")
        prove(found)
        labels, probabilities = answers(found, TABLE)
        assert labels == model.predict(TABLE).tolist()
        np.testing.assert_allclose(probabilities, model.predict_proba(TABLE), atol=1e-6)
        assert found.calibration == model.calibration_
        assert found.reference is not None
        assert found.lineage["rows"] == ROWS
    with pytest.raises(ValueError, match="cannot be converted behind other steps"):
        from_sklearn(make_pipeline("passthrough", model), TABLE)


def test_a_table_goes_to_onnx_with_its_text_and_its_dates(tmp_path: Path) -> None:
    table = TABLE.drop(columns=["rooms", "note", "is_new"])
    model = MLPRegressor(scale_target=True, **FAST).fit(table, PRICE)
    session = onnxruntime.InferenceSession(to_onnx(model, tmp_path / "flats.onnx").read_bytes())
    feeds = {
        "size": table[["size"]].to_numpy(np.float32),
        "colour": table[["colour"]].to_numpy(object),
        "town": table[["town"]].fillna("").to_numpy(object),
        "sold": table[["sold"]].to_numpy("datetime64[s]").astype(np.float64),
    }
    np.testing.assert_allclose(session.run(None, feeds)[0], model.predict(table), rtol=1e-4, atol=1e-2)


def test_members_answer_with_their_mean(tmp_path: Path) -> None:
    X = rng.normal(size=(300, 3))
    y = X[:, 0] ** 2 + rng.normal(0, 0.3, 300)
    model = MLPRegressor(members=4, **FAST).fit(X, y)
    assert model.coefs_[0].shape == (4, 3, 16)
    apart = []
    for member in range(4):
        one = clone(model).set_params(members=1, max_iter=1).fit(X, y)
        one.coefs_ = [W[member] for W in model.coefs_]
        one.intercepts_ = [b[member] for b in model.intercepts_]
        apart.append(one.predict(X))
    np.testing.assert_allclose(model.predict(X), np.mean(apart, axis=0), rtol=1e-6)
    assert np.std(apart, axis=0).max() > 0
    predictor = from_sklearn(model, X)
    A = predictor.outputs.decode(predictor.network.infer(predictor.schema.encode_numbers(X)))
    np.testing.assert_allclose(np.ravel(A), model.predict(X), rtol=1e-4, atol=1e-5)
    session = onnxruntime.InferenceSession(model.to_onnx(tmp_path / "m.onnx").read_bytes())
    np.testing.assert_allclose(
        session.run(None, {"X": X.astype(np.float32)})[0], model.predict(X), rtol=1e-4, atol=1e-5
    )
    with pytest.raises(ValueError, match="members: lbfgs searches along one line"):
        MLPRegressor(members=2, solver="lbfgs").fit(X, y)
    with pytest.raises(ValueError, match="members: expected a whole number from 1 to 256, found 0"):
        MLPRegressor(members=0).fit(X, y)
