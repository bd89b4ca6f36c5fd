"""The regressor."""

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.callback import with_callbacks
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d, validate_data

from network import LOSSES, Loss
from predictor.wording import hint, shown
from training.estimators.base import Held, Matrix, Perceptron, dense

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
    ``quantile``) or a loss of your own (see `network.Loss`); ``activation`` and ``dropout`` may be lists, one entry for
    each hidden layer, of any activation of `network`; ``solver`` may be "adamw" or "rmsprop"; `fit` takes rows that
    watch. Inputs are (rows, features), float32 or float64, and so are the weights then.
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

        With X_val and y_val, those rows watch: their loss is in ``validation_loss_curve_``, and with
        ``early_stopping`` their R2 ends the fit. Raises ValueError for data or parameters that do not fit.
        """
        self._held = None if X_val is None else (X_val, y_val, sample_weight_val)
        try:
            return self._fit(X, y, sample_weight)
        finally:
            del self._held

    @available_if(lambda self: self._has_partial_fit())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Take one epoch over the given rows."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Matrix:
        """Return the value of each row, (rows,), or (rows, outputs) for several targets."""
        A = self._activations(X)
        return A.ravel() if A.shape[1] == 1 else A

    def _objective(self) -> tuple[Loss, str]:
        if not isinstance(self.loss, str):
            return self.loss, self.loss.link or "identity"
        if self.loss not in KNOWN:
            known = ", ".join(KNOWN)
            raise ValueError(f"loss: expected one of {known}, found {shown(self.loss)}{hint(self.loss, KNOWN)}")
        options = {"huber": {"delta": self.delta}, "quantile": {"quantile": self.quantile}}.get(self.loss, {})
        loss = LOSSES[KNOWN[self.loss]](**options)
        return loss, loss.link or "identity"

    def _encoded(self, X: Any, y: Any, *, is_first: bool, incremental: bool) -> tuple[Matrix, Matrix]:  # noqa: ARG002
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=(np.float64, np.float32),
            reset=is_first,
        )
        if y.ndim == 2 and y.shape[1] == 1:  # noqa: PLR2004 - a matrix
            y = column_or_1d(y, warn=True)
        X = dense(X)
        return X, np.asarray(y, X.dtype).reshape(len(X), -1)

    def _score_of(self, A: Matrix, held: Held) -> float:
        return float(r2_score(held.Y, A, sample_weight=held.weight))
