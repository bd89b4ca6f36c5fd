"""The estimators among scikit-learn's tools, beside scikit-learn's own, and what they do beyond them."""

import pickle
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import load_diabetes, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the next import possible
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import training
from training import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
XD, yd = load_diabetes(return_X_y=True)
XD = StandardScaler().fit_transform(XD)
yd = StandardScaler().fit_transform(yd[:, None])[:, 0]


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_the_first_weights_and_the_first_steps_are_scikit_learns(solver: str, activation: str) -> None:
    common: dict[str, Any] = {
        "hidden_layer_sizes": (7, 5), "activation": activation, "solver": solver, "random_state": 3, "max_iter": 3,
        "batch_size": 150, "shuffle": False, "epsilon": 1e-20,
    }  # fmt: skip
    ours, other = MLPClassifier(**common).fit(X, y), theirs.MLPClassifier(**common).fit(X, y)
    if solver == "lbfgs":  # another line search: the same optimum, by other steps
        assert ours.coefs_[0].shape == other.coefs_[0].shape
        return
    np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_, rtol=1e-6)
    for mine, its in zip([*ours.coefs_, *ours.intercepts_], [*other.coefs_, *other.intercepts_], strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-7)
    ours_r, other_r = MLPRegressor(**common).fit(X, y), theirs.MLPRegressor(**common).fit(X, y)
    np.testing.assert_allclose(ours_r.predict(X), other_r.predict(X), rtol=1e-5)


def test_every_parameter_of_scikit_learns_estimators_is_there_with_its_default() -> None:
    for ours, other in ((MLPClassifier(), theirs.MLPClassifier()), (MLPRegressor(), theirs.MLPRegressor())):
        assert other.get_params().items() <= ours.get_params().items()


def test_they_work_inside_scikit_learns_tools() -> None:
    model = MLPClassifier(hidden_layer_sizes=8, solver="lbfgs", random_state=0)
    assert cross_val_score(make_pipeline(StandardScaler(), model), X, y).mean() > 0.9
    grid = GridSearchCV(model, {"alpha": [1e-4, 1.0], "activation": ["relu", "gelu"]}, cv=3).fit(X, y)
    assert grid.best_score_ > 0.9
    search = HalvingRandomSearchCV(
        clone(model), {"alpha": [1e-4, 1e-2, 1.0]}, cv=3, random_state=0, min_resources=60, n_candidates=2
    )
    assert search.fit(X, y).best_score_ > 0.8
    probabilities = CalibratedClassifierCV(model, cv=3).fit(X, y).predict_proba(X)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(150))


def test_callbacks_see_every_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    monitor = ScoringMonitor(scoring="accuracy")
    model = MLPClassifier(max_iter=4, random_state=0).set_callbacks(monitor, ProgressBar()).fit(X, y)
    records = monitor.get_logs().data
    assert [record["task_name"] for record in records][:4] == ["epoch 1", "epoch 2", "epoch 3", "epoch 4"]
    assert records[3]["accuracy"] == model.score(X, y)
    assert "100%" in capsys.readouterr().out


def test_an_estimator_survives_pickling_with_its_optimizer() -> None:
    def learn(through_pickle: bool) -> bytes:
        model = MLPRegressor(solver="adam", random_state=0, shuffle=False)
        for _ in range(6):
            model.partial_fit(XD, yd)
            if through_pickle:
                model = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
        weights: bytes = model.coefs_[0].tobytes()
        return weights

    assert learn(through_pickle=True) == learn(through_pickle=False)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile", "squared_error"])
def test_a_regressor_minimises_the_loss_of_choice(loss: str) -> None:
    model = MLPRegressor(
        loss, hidden_layer_sizes=16, random_state=0, max_iter=80, quantile=0.9, learning_rate_init=0.01
    )
    error = yd - model.fit(XD, yd).predict(XD)
    assert model.loss_curve_[-1] < 0.8 * model.loss_curve_[0]
    assert (error < 0).mean() > 0.7 if loss == "quantile" else abs(np.median(error)) < 0.2


def test_a_loss_of_ones_own_is_taken() -> None:
    @dataclass(frozen=True)
    class LogCosh:
        link: ClassVar[str | None] = None

        def prepare(self, Y: Any) -> Any:
            return Y

        def rows(self, P: Any, Y: Any, out: Any) -> Any:
            np.tanh(P - Y, out=out)
            return np.log(np.cosh(P - Y)).sum(axis=1)

    model = MLPRegressor(LogCosh(), hidden_layer_sizes=16, random_state=0, max_iter=80).fit(XD, yd)
    assert model.score(XD, yd) > 0.4


@pytest.mark.parametrize("loss", ["hubr", 16, [16, 8], None])
def test_what_is_no_loss_is_refused(loss: Any) -> None:
    with pytest.raises(
        ValueError, match=r"loss: expected one of squared_error, .*, or an object with link, prepare and"
    ):
        MLPRegressor(loss).fit(XD, yd)
    with pytest.raises(ValueError, match=r"found '\(16, 8\)'; name hidden_layer_sizes="):
        MLPRegressor((16, 8)).fit(XD, yd)


def test_class_weights_move_the_boundary() -> None:
    Xc, yc = make_classification(400, weights=[0.9], flip_y=0.1, random_state=0)
    plain = MLPClassifier(random_state=0, max_iter=60).fit(Xc, yc)
    balanced = MLPClassifier(random_state=0, max_iter=60, class_weight="balanced").fit(Xc, yc)
    assert balanced.predict(Xc).sum() > plain.predict(Xc).sum()


def test_layers_have_activations_and_dropout_of_their_own() -> None:
    model = MLPClassifier(
        (16, 8),
        ["gelu", "silu"],
        dropout=[0.2, 0.0],
        random_state=0,
        solver="adamw",
        max_iter=150,
        learning_rate_init=0.01,
    )
    assert model.fit(X, y).score(X, y) > 0.9


def test_given_rows_watch_the_fit_and_end_it() -> None:
    model = MLPClassifier(
        early_stopping=True, max_iter=300, random_state=0, n_iter_no_change=5, learning_rate_init=0.01
    )
    model.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert model.n_iter_ < 300
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == model.n_iter_
    assert model.score(X[1::2], y[1::2]) == max(model.validation_scores_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "adm"}, "solver: expected one of lbfgs, sgd, .*, found 'adm'; did you mean 'adam'?"),
        ({"activation": "rely"}, "activation: expected one of .*, found 'rely'; did you mean 'relu'?"),
        (
            {"activation": ["relu", "tanh"]},
            "activation: expected one value, or one for each of 1 hidden layers, found 2",
        ),
        ({"alpha": -1.0}, "alpha: expected at least 0, found -1.0"),
        ({"max_iter": 0}, "max_iter: expected at least 1, found 0"),
        ({"batch_size": 0}, "batch_size: expected 'auto' or at least 1, found 0"),
        ({"hidden_layer_sizes": (5, 0)}, r"hidden_layer_sizes must be > 0, got \[5, 0\]"),
        ({"dropout": 1.0}, "dropout: expected a fraction of at least 0 and under 1, found 1.0"),
        ({"learning_rate_init": 0.0}, "learning_rate: expected a number above 0, found 0.0"),
    ],
)
def test_parameters_that_cannot_be_are_refused_in_words(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**parameters).fit(X, y)


def test_an_unfinished_fit_warns() -> None:
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        MLPClassifier(max_iter=2).fit(X, y)


def test_the_package_names_nothing_else() -> None:
    with pytest.raises(AttributeError, match="module 'training' has no attribute 'MLP'"):
        _ = training.MLP
