"""From a fitted estimator to a model that the service answers with."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline

from network import MLP, Architecture, Layer, Parameters
from predictor import Calibration, ClassOutputs, FolderRepository, NumberOutputs, Predictor, Schema, save_bytes
from training.estimators.assembling import Cell, Seen, SeenCells, assembled, cells_of, made_up, schema_of
from training.estimators.choices import OTHER_NAMES
from training.estimators.columns import Tracked, raw_cells, transformed, unscaled
from training.estimators.frames import Encoder, columns_in

__all__ = ["from_sklearn", "publish"]

MATRIX = 2


def from_sklearn(model: Any, X: Any = None, *, names: Iterable[str] | None = None, target: str = "target") -> Predictor:
    """Return a fitted perceptron, scikit-learn's or ours, as a predictor that gives equal answers.

    ``model`` may be the best of a search, and stand behind a Pipeline of scalers, imputers, one-hot encoders and
    column transformers, and in a TransformedTargetRegressor with a scaler. ``X`` holds rows like those it was
    fitted to, an array or a DataFrame of (rows, features): they give the ranges, the histograms and the golden
    rows. Without it an estimator of ours that stands alone gives rows of its own; of any other, any value is in
    range and the golden rows are made up. ``names`` names the columns of an array, ``target`` what is predicted.
    Raises ValueError for what a model file has no words for.
    """
    if names is None and not hasattr(X, "columns"):
        names = getattr(model, "feature_names_in_", None)
    steps, offset, scale = _taken_apart(model)
    mlp = _best(steps.pop())
    _check_fitted(mlp, "coefs_")
    if X is None and not steps:
        X = getattr(mlp, "_seen", None)
    encoder: Encoder | None = getattr(mlp, "_encoder", None)
    if encoder is not None and steps:
        raise ValueError("an estimator that encodes its own columns cannot be converted behind other steps")
    inputs = _of_matrix(X, names, steps, mlp) if encoder is None else _of_table(X, encoder, mlp)
    network = _network(mlp)
    return assembled(
        inputs.schema,
        inputs.cells,
        network,
        _outputs(mlp, target, network.architecture.outputs, offset, scale),
        source=type(mlp).__name__,
        rows=inputs.rows,
        calibration=_calibration(mlp, scale),
        others=inputs.others,
    )


def _taken_apart(model: Any) -> tuple[list[Any], NDArray[np.float64], NDArray[np.float64]]:
    """Return the steps of a model, its perceptron last, and the offset and scale of its target, both (1,)."""
    offset, scale = np.zeros(1), np.ones(1)
    model = _best(model)
    if isinstance(model, TransformedTargetRegressor):
        _check_fitted(model, "regressor_")
        offset, scale = unscaled(model.transformer_, 1)
        model = _best(model.regressor_)
    steps = [part for _, part in model.steps] if isinstance(model, Pipeline) else [model]
    return steps, offset, scale


class _Inputs(NamedTuple):
    """What a perceptron was fitted to, as `assembled` takes it."""

    schema: Schema
    cells: Sequence[tuple[Cell, ...]]
    rows: int
    others: Sequence[str]


def _of_table(X: Any, encoder: Encoder, mlp: Any) -> _Inputs:
    """Describe the table of an estimator that encodes its own columns."""
    seen = X if isinstance(X, SeenCells) else encoder.seen(columns_in(X))
    others = [str(name) for name in getattr(mlp, "feature_names_in_", ())]
    return _Inputs(encoder.schema, seen.cells, seen.count, others)


def _of_matrix(X: Any, names: Iterable[str] | None, steps: Sequence[Any], mlp: Any) -> _Inputs:
    """Describe what goes into the first of the steps before a perceptron, or into itself without any."""
    raw, columns = _columns(X, names, steps[0] if steps else mlp)
    others = [column.name for column in columns]
    for step in steps:
        columns = transformed(step, columns)
    schema = schema_of(columns, raw, X if isinstance(X, Seen) else None)
    cells = made_up(columns) if raw is None else cells_of(columns, raw)
    rows = X.count if isinstance(X, Seen) else 0 if raw is None else len(raw)
    return _Inputs(schema, cells, rows, others)


def _best(model: Any) -> Any:
    """Return what a search, such as GridSearchCV, has found to be best; any other model as it is."""
    return getattr(model, "best_estimator_", model)


def _check_fitted(model: Any, attribute: str) -> None:
    """Raise ValueError for what is no perceptron, or none yet."""
    if hasattr(model, attribute):
        return
    name = type(model).__name__
    known = hasattr(model, "hidden_layer_sizes") or hasattr(model, "refit") or hasattr(model, "regressor")
    found = f"a {name} that was not fitted" if known else name
    raise ValueError(f"expected a fitted MLPClassifier or MLPRegressor, perhaps behind others, found {found}")


def _columns(X: Any, names: Iterable[str] | None, first: Any) -> tuple[NDArray[Any] | None, Sequence[Tracked]]:
    """Return the raw cells, (rows, features), where there are rows, and the raw columns, which ``first`` takes."""
    if X is None:
        raw, found = None, [f"x{place}" for place in range(first.n_features_in_)]
    else:
        raw, found = raw_cells(X.rows if isinstance(X, Seen) else X)
    return raw, [Tracked(str(name), place) for place, name in enumerate(found if names is None else names)]


def publish(
    model: Any,
    models: str | Path,
    name: str,
    X: Any = None,
    *,
    names: Iterable[str] | None = None,
    target: str = "target",
    promote: bool = True,
) -> int:
    """Publish a predictor or a fitted estimator as the next version of a model, and return the version.

    See `from_sklearn` for an estimator's ``X``, ``names`` and ``target``. With ``promote`` the version answers from
    now on. Raises ValueError for what cannot be converted and RepositoryError for what cannot be written.
    """
    predictor = model if isinstance(model, Predictor) else from_sklearn(model, X, names=names, target=target)
    repository = FolderRepository(Path(models))
    version = repository.publish(name, {"model.npz": save_bytes(predictor)})
    if promote:
        repository.promote(name, version)
    return version


def _network(mlp: Any) -> MLP:
    """Return the weights of a fitted perceptron as a network of the same type."""
    count = len(mlp.coefs_)
    hidden = [mlp.activation] * (count - 1) if isinstance(mlp.activation, str) else list(mlp.activation)
    names = [OTHER_NAMES.get(name, name) for name in (*hidden, mlp.out_activation_)]
    layers = tuple(Layer(W.shape[-1], name) for W, name in zip(mlp.coefs_, names, strict=True))
    arrays = {f"layers.{i}.W": W for i, W in enumerate(mlp.coefs_)}
    arrays |= {f"layers.{i}.b": b for i, b in enumerate(mlp.intercepts_)}
    members = len(mlp.coefs_[0]) if mlp.coefs_[0].ndim > MATRIX else 1
    architecture = Architecture(mlp.coefs_[0].shape[-2], layers, members)
    return MLP(architecture, Parameters.from_arrays(architecture, arrays))


def _calibration(mlp: Any, scale: NDArray[np.float64]) -> Calibration | None:
    """Return the calibration of a fit in the target's own units."""
    found: Calibration | None = getattr(mlp, "calibration_", None)
    factor = 1.0 if is_classifier(mlp) else abs(float(scale[0]))
    return None if found is None else Calibration(tuple(score * factor for score in found.scores))


def _outputs(
    mlp: Any, target: str, outputs: int, offset: NDArray[np.float64], scale: NDArray[np.float64]
) -> ClassOutputs | NumberOutputs:
    if not is_classifier(mlp):
        if (own := getattr(mlp, "target_scale_", None)) is not None:
            offset, scale = mlp.target_offset_ * scale + offset, own * scale
        names = (target,) if outputs == 1 else tuple(f"{target} {place}" for place in range(outputs))
        return NumberOutputs(
            names, tuple(np.resize(offset, outputs).tolist()), tuple(np.resize(scale, outputs).tolist())
        )
    if mlp.out_activation_ == "logistic" and outputs > 1:
        raise ValueError("a classifier of several labels at once cannot be converted")
    labels = tuple(label if isinstance(label, str) else int(label) for label in mlp.classes_.tolist())
    return ClassOutputs(labels, target)
