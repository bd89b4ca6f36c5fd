"""Rows that watch: what ends a fit, streams that stop, going on to the same bits, intervals and sets."""

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import balanced_accuracy_score, get_scorer, log_loss, make_scorer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from training import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(X)
XD, yd = load_diabetes(return_X_y=True)
WATCHED: dict[str, Any] = {
    "early_stopping": True, "max_iter": 300, "random_state": 0, "n_iter_no_change": 5, "learning_rate_init": 0.01,
}  # fmt: skip


def through_pickle(model: Any) -> Any:
    return pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes


def weights(model: Any) -> bytes:
    return b"".join(array.tobytes() for array in (*model.coefs_, *model.intercepts_))


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc_ovr", make_scorer(balanced_accuracy_score)])
def test_early_stopping_goes_by_the_score_of_choice(scoring: Any) -> None:
    names = np.array(["a", "b", "c"])[y]
    model = MLPClassifier(scoring=scoring, **WATCHED).fit(X[::2], names[::2], X_val=X[1::2], y_val=names[1::2])
    assert model.has_stopped_
    assert model.n_iter_ < 300
    scorer = scoring if callable(scoring) else get_scorer(scoring)
    assert scorer(model, X[1::2], names[1::2]) == pytest.approx(model.best_validation_score_, rel=1e-6)
    assert model.best_validation_score_ == max(model.validation_scores_)


def test_early_stopping_can_go_by_the_loss() -> None:
    model = MLPRegressor(scoring="loss", scale_target=True, **WATCHED).fit(XD, yd)
    assert model.validation_scores_ == [-loss for loss in model.validation_loss_curve_]
    assert model.best_validation_score_ == -min(model.validation_loss_curve_)


def test_a_scorer_sees_the_targets_own_units_and_its_weights() -> None:
    seen = []

    def scorer(model: Any, X: Any, y: Any, sample_weight: Any) -> float:
        seen.append((y.copy(), sample_weight))
        return float(-np.abs(model.predict(X) - y).mean())

    MLPRegressor(scoring=scorer, scale_target=True, **{**WATCHED, "max_iter": 2}).fit(
        XD[50:], yd[50:], X_val=XD[:50], y_val=yd[:50], sample_weight_val=np.ones(50)
    )
    assert len(seen) == 2
    np.testing.assert_allclose(seen[0][0], yd[:50], rtol=1e-6)
    assert seen[0][1].tolist() == [1.0] * 50


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        (
            "neg_log_los",
            "scoring: expected 'loss', a scorer or its name, found 'neg_log_los'; did you mean 'neg_log_loss'",
        ),
        (3, r"found '3'; sklearn.metrics.get_scorer_names\(\) lists the scorers"),
    ],
)
def test_an_unknown_score_is_refused(scoring: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MLPClassifier(scoring=scoring).fit(X, y)


def test_half_of_the_rows_that_watch_is_refused() -> None:
    with pytest.raises(ValueError, match="X_val, y_val: expected both or neither"):
        MLPClassifier().fit(X, y, X_val=X)


def test_a_stream_stops_when_the_rows_that_watch_see_no_progress() -> None:
    model = MLPClassifier((8,), **{**WATCHED, "max_iter": 1})
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True without X_val and y_val"):
        model.partial_fit(X, y, classes=[0, 1, 2])
    calls = 0
    while calls < 400:
        model.partial_fit(X[::2], y[::2], classes=[0, 1, 2], X_val=X[1::2], y_val=y[1::2])
        calls += 1
        if model.has_stopped_:
            break
    assert model.has_stopped_
    assert len(model.validation_scores_) == calls < 400
    assert model.score(X[1::2], y[1::2]) == max(model.validation_scores_)
    best = weights(model)
    score = model.best_validation_score_
    model.partial_fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert weights(model) == best or model.best_validation_score_ > score


@pytest.mark.parametrize("solver", ["adam", "sgd", "adamw", "rmsprop"])
def test_a_stream_goes_on_through_a_pickle_to_the_same_bits(solver: str) -> None:
    def learn(*, is_pickled: bool) -> bytes:
        model = MLPRegressor(solver=solver, random_state=0, dropout=0.2, scale_target=True, batch_size=50)
        for _ in range(5):
            model.partial_fit(XD, yd)
            model = through_pickle(model) if is_pickled else model
        return weights(model)

    assert learn(is_pickled=True) == learn(is_pickled=False)


def test_a_stream_with_rows_that_watch_goes_on_through_a_pickle_to_the_same_bits() -> None:
    def learn(*, is_pickled: bool) -> tuple[bytes, list[float]]:
        model = MLPClassifier((8,), **WATCHED)
        for _ in range(30):
            model.partial_fit(X[::2], y[::2], classes=[0, 1, 2], X_val=X[1::2], y_val=y[1::2])
            model = through_pickle(model) if is_pickled else model
        return weights(model), model.validation_scores_

    assert learn(is_pickled=True) == learn(is_pickled=False)


def test_a_fit_that_was_cut_short_goes_on_to_the_bits_of_the_whole_one() -> None:
    whole = MLPClassifier((8,), random_state=0, max_iter=10, dropout=0.1).fit(X, y)
    part = MLPClassifier((8,), random_state=0, max_iter=4, dropout=0.1).fit(X, y)
    part = through_pickle(part)
    for _ in range(6):
        part.partial_fit(X, y)
    assert weights(part) == weights(whole)
    assert part.loss_curve_ == whole.loss_curve_


def test_a_warm_start_goes_on_through_a_pickle_to_the_same_bits() -> None:
    def learn(*, is_pickled: bool) -> bytes:
        model = MLPClassifier((8,), random_state=0, max_iter=4, warm_start=True).fit(X, y)
        return weights((through_pickle(model) if is_pickled else model).fit(X, y))

    assert learn(is_pickled=True) == learn(is_pickled=False)


def test_the_target_is_scaled_inside_and_predictions_are_in_its_units() -> None:
    far = yd * 1000 + 1e6
    plain = MLPRegressor(random_state=0, max_iter=200).fit(XD, far)
    scaled = MLPRegressor(random_state=0, max_iter=200, scale_target=True).fit(XD, far)
    assert scaled.score(XD, far) > 0.4 > plain.score(XD, far)
    both = MLPRegressor(random_state=0, max_iter=200, scale_target=True).fit(XD, np.column_stack([far, yd, yd * 0]))
    assert both.predict(XD).shape == (442, 3)
    assert both.score(XD, np.column_stack([far, yd, yd * 0])) > 0.3  # of the constant it is 0
    with pytest.raises(ValueError, match="scale_target: this loss needs the target in its own units"):
        clone(scaled).set_params(loss="poisson").fit(XD, far)


def test_intervals_hold_what_was_asked() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(6000, 3))
    target = 100 * inputs[:, 0] + rng.normal(0, 20, 6000)
    X_fit, X_rest, y_fit, y_rest = train_test_split(inputs, target, test_size=4000, random_state=0)
    model = MLPRegressor(hidden_layer_sizes=32, random_state=0, max_iter=40, scale_target=True, learning_rate_init=0.01)
    model.fit(X_fit, y_fit, X_val=X_rest[:2000], y_val=y_rest[:2000])
    for coverage in (0.8, 0.9, 0.95):
        low, high = model.predict_interval(X_rest[2000:], coverage).T
        assert ((low <= y_rest[2000:]) & (y_rest[2000:] <= high)).mean() == pytest.approx(coverage, abs=0.02)
    watched = model.calibration_
    assert clone(model).fit(X_fit, y_fit).calibrate(X_rest[:2000], y_rest[:2000]).calibration_ == watched


@pytest.mark.parametrize("classes", [2, 4])
def test_sets_hold_the_true_class_as_often_as_asked(classes: int) -> None:
    inputs, labels = make_classification(
        6000, 6, n_informative=4, n_classes=classes, flip_y=0.2, class_sep=0.8, random_state=0
    )
    names = np.array(["a", "b", "c", "d"])[labels]
    model = MLPClassifier(16, random_state=0, max_iter=30, early_stopping=True, validation_fraction=0.4)
    model.fit(inputs[:3000], names[:3000])
    sets = model.predict_set(inputs[3000:], 0.9)
    assert sets.shape == (3000, classes)
    assert sets[np.arange(3000), labels[3000:]].mean() == pytest.approx(0.9, abs=0.03)


def test_intervals_without_rows_to_tell_them_by_are_refused() -> None:
    model = MLPRegressor(hidden_layer_sizes=4, max_iter=2)
    with pytest.raises(NotFittedError):
        model.predict_interval(XD)
    model.fit(XD, yd)
    with pytest.raises(
        ValueError, match="need at least 10 rows that the fit did not use: fit with early_stopping=True"
    ):
        model.predict_interval(XD)
    with pytest.raises(ValueError, match="calibrate: expected at least 10 rows of one target, found 9 rows"):
        model.calibrate(XD[:9], yd[:9])
    model.calibrate(XD[:20], yd[:20])
    with pytest.raises(ValueError, match=r"coverage: 0\.99 needs more rows than the 20"):
        model.predict_interval(XD, 0.99)
    with pytest.raises(ValueError, match="coverage: expected a number between 0 and 1, found 90"):
        model.predict_interval(XD, 90)
    both = MLPRegressor(hidden_layer_sizes=4, max_iter=2).fit(
        XD, np.column_stack([yd, yd]), X_val=XD, y_val=np.column_stack([yd, yd])
    )
    assert both.calibration_ is None
    with pytest.raises(ValueError, match="intervals and sets are of one target, and this estimator predicts several"):
        both.predict_interval(XD)
    labels = MLPClassifier(4, max_iter=2).fit(X, np.column_stack([y == 0, y > 0]).astype(int))
    with pytest.raises(ValueError, match="intervals and sets are of one target"):
        labels.predict_set(X)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_temperature_makes_probabilities_mean_what_they_say(classes: int) -> None:
    inputs, labels = make_classification(
        1500, 6, n_informative=4, n_classes=classes, flip_y=0.3, class_sep=0.5, random_state=0
    )
    X_fit, X_val, y_fit, y_val = train_test_split(inputs[:1000], labels[:1000], random_state=0)
    plain = MLPClassifier((64, 64), random_state=0, max_iter=60, learning_rate_init=0.01)
    plain.fit(X_fit, y_fit, X_val=X_val, y_val=y_val)
    cooled = clone(plain).set_params(temperature=True).fit(X_fit, y_fit, X_val=X_val, y_val=y_val)
    assert cooled.temperature_ > 1.2
    assert cooled.predict(inputs).tolist() == plain.predict(inputs).tolist()
    losses = [log_loss(labels[1000:], model.predict_proba(inputs[1000:])) for model in (plain, cooled)]
    assert losses[1] < losses[0]
    with pytest.raises(ValueError, match="temperature: needs rows that watch"):
        cooled.fit(X_fit, y_fit)
    with pytest.raises(ValueError, match="partial_fit does not support temperature=True"):
        cooled.partial_fit(X_fit, y_fit)


def test_another_solver_begins_at_the_present_weights() -> None:
    model = MLPClassifier((8,), random_state=0, max_iter=20).fit(X, y)
    before = model.loss_curve_[-1]
    for solver in ("sgd", "rmsprop", "adam"):
        model.set_params(solver=solver).partial_fit(X, y)
    assert model.loss_curve_[-1] < before
