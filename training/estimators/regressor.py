"""The regressor."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from network import LOSSES, Loss
from predictor.wording import hint, shown
from training.estimators.base import Matrix, Perceptron
from training.estimators.conformal import threshold
from training.estimators.watching import given_rows

__all__ = ["MLPRegressor"]

KNOWN = {
    "squared_error": "half_squared",
    "poisson": "poisson",
    "absolute_error": "mean_absolute",
    "huber": "huber",
    "quantile": "quantile",
}


class MLPRegressor(RegressorMixin, Perceptron):
    """A multilayer perceptron that predicts numbers, a drop-in for scikit-learn's of the same name.

    Parameters and attributes are those of `sklearn.neural_network.MLPRegressor` 1.9, with the same first weights for
    the same ``random_state``. Beyond it: ``loss`` may be "absolute_error", "huber" (with ``delta``), "quantile" (with
    ``quantile``) or a loss of your own (see `network.Loss`); ``scale_target`` standardises the target for the fit, and
    predictions stay in its own units; ``activation`` and ``dropout`` may be lists, one entry for each hidden layer, of
    any activation of `network`; ``solver`` may be "adamw" or "rmsprop"; ``scoring`` is what early stopping goes by;
    `fit` takes rows that watch; `predict_interval` gives bounds. Inputs are (rows, features), float32 or float64, and
    so are the weights then.
    """

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Sequence[str] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: float | Sequence[float] = 0.0,
        delta: float = 1.0,
        quantile: float = 0.5,
        scale_target: bool = False,
        scoring: str | Callable[..., float] | None = None,
        members: int = 1,
        encode: bool | Literal["auto"] | Mapping[str, Any] = "auto",
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.dropout = dropout
        self.delta = delta
        self.quantile = quantile
        self.scale_target = scale_target
        self.scoring = scoring
        self.members = members
        self.encode = encode

    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Fit to inputs (rows, features) and targets (rows,) or (rows, outputs).

        With X_val and y_val, those rows watch: their loss is in ``validation_loss_curve_``, they calibrate
        `predict_interval`, and with ``early_stopping`` their R2, or what ``scoring`` names, ends the fit. Raises
        ValueError for data or parameters that do not fit.
        """
        return self._fit(X, y, sample_weight, given_rows(X_val, y_val, sample_weight_val))

    @available_if(lambda self: self._has_partial_fit())
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Take one epoch over the given rows; ``scale_target`` goes by those of the first call.

        With ``early_stopping``, rows must watch: ``has_stopped_`` says when they have seen no progress for
        ``n_iter_no_change`` calls, and the weights are then those that they scored best.
        """
        return self._fit(X, y, sample_weight, given_rows(X_val, y_val, sample_weight_val), incremental=True)

    def predict(self, X: Any) -> Matrix:
        """Return the value of each row, (rows,), or (rows, outputs) for several targets."""
        return self._answers(self._activations(X))

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Matrix:
        """Return the bounds within which each row's value lies with probability ``coverage``, (rows, 2).

        Split-conformal intervals (Lei et al., 2018). Raises ValueError when no rows calibrated the estimator, or too
        few, and for several targets.
        """
        margin = threshold(self, coverage)
        values = self.predict(X)
        return np.column_stack([values - margin, values + margin])

    def _answers(self, A: Matrix) -> Matrix:
        values = A if self.target_scale_ is None else (A * self.target_scale_ + self.target_offset_).astype(A.dtype)
        return values.ravel() if values.shape[1] == 1 else values

    def _has_one_answer(self) -> bool:
        return int(self.n_outputs_) == 1

    def _misses(self, A: Matrix, Y: Matrix) -> NDArray[np.float64]:
        """Return the distance of each row's value from the truth, in the target's units."""
        return np.abs(self._answers(A).astype(np.float64) - self._answers(Y))

    def _objective(self) -> tuple[Loss, str]:
        own: Any = self.loss
        if all(hasattr(own, name) for name in ("link", "prepare", "rows")):
            return own, own.link or "identity"
        if not isinstance(own, str) or own not in KNOWN:
            known, found = ", ".join(KNOWN), str(own)
            message = f"loss: expected one of {known}, or an object with link, prepare and rows, found {shown(found)}"
            is_size = isinstance(own, (int, list, tuple))
            raise ValueError(message + ("; name hidden_layer_sizes=" if is_size else hint(found, KNOWN)))
        options = {"huber": {"delta": self.delta}, "quantile": {"quantile": self.quantile}}.get(own, {})
        loss = LOSSES[KNOWN[own]](**options)
        return loss, loss.link or "identity"

    def _encoded(self, X: Any, y: Any, *, is_first: bool, incremental: bool) -> tuple[Matrix, Matrix]:  # noqa: ARG002
        X, y = self._checked(X, y, is_first=is_first, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:  # noqa: PLR2004 - a matrix
            y = column_or_1d(y, warn=True)
        return X, self._scaled(np.asarray(y).reshape(len(X), -1), is_first=is_first).astype(X.dtype, copy=False)

    def _scaled(self, Y: Matrix, *, is_first: bool) -> Matrix:
        """Standardise targets (rows, outputs), by the mean and deviation of those of the first fit."""
        if is_first:
            self.target_offset_: Matrix | None = None
            self.target_scale_: Matrix | None = None
        if is_first and self.scale_target:
            if self._objective()[0].link is not None:
                raise ValueError("scale_target: this loss needs the target in its own units")
            deviation = Y.std(axis=0, dtype=np.float64)
            self.target_offset_ = Y.mean(axis=0, dtype=np.float64)
            self.target_scale_ = np.where(deviation > 0, deviation, 1.0)
        return Y if self.target_scale_ is None else (Y - self.target_offset_) / self.target_scale_
