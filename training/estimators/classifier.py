"""The classifier."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.callback import with_callbacks
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from network import LOSSES, MLP, Loss
from predictor.calibration import likely
from training.estimators.base import Matrix, Perceptron
from training.estimators.conformal import threshold
from training.estimators.watching import Held, given_rows
from training.temperature import tempered

__all__ = ["MLPClassifier"]


class MLPClassifier(ClassifierMixin, Perceptron):
    """A multilayer perceptron that classifies, a drop-in for scikit-learn's of the same name.

    Parameters and attributes are those of `sklearn.neural_network.MLPClassifier` 1.9, with the same first weights for
    the same ``random_state``. Beyond it: ``activation`` and ``dropout`` may be lists, one entry for each hidden layer,
    of any activation of `network`; ``solver`` may be "adamw" or "rmsprop"; ``class_weight`` and ``label_smoothing``;
    ``scoring`` is what early stopping goes by; `fit` takes rows that watch; `predict_set` says which classes are
    likely. Inputs are (rows, features), float32 or float64, and so are the weights then.
    """

    def __init__(
        self,
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
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        label_smoothing: float = 0.0,
        scoring: str | Callable[..., float] | None = None,
        members: int = 1,
        encode: bool | Literal["auto"] | Mapping[str, Any] = "auto",
        temperature: bool = False,
    ) -> None:
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
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.scoring = scoring
        self.members = members
        self.encode = encode
        self.temperature = temperature

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
        """Fit to inputs (rows, features) and labels (rows,), or an indicator matrix (rows, labels).

        With X_val and y_val, those rows watch: their loss is in ``validation_loss_curve_``, they calibrate
        `predict_set`, and with ``early_stopping`` their accuracy, or what ``scoring`` names, ends the fit. Raises
        ValueError for data or parameters that do not fit.
        """
        given = given_rows(X_val, y_val, sample_weight_val)
        if self.temperature and given is None and (self.solver == "lbfgs" or not self.early_stopping):
            raise ValueError("temperature: needs rows that watch: early_stopping=True, or X_val and y_val")
        return self._fit(X, y, self._weights(y, sample_weight), given)

    @available_if(lambda self: self._has_partial_fit())
    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Take one epoch over the given rows; ``classes`` names all classes at the first call.

        With ``early_stopping``, rows must watch: ``has_stopped_`` says when they have seen no progress for
        ``n_iter_no_change`` calls, and the weights are then those that they scored best.
        """
        if self.temperature:
            raise ValueError("partial_fit does not support temperature=True: it changes the weights that go on")
        if not hasattr(self, "classes_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            self._label_binarizer = LabelBinarizer()
            self._label_binarizer.fit(y if type_of_target(y).startswith("multilabel") else classes)
            self.classes_ = self._label_binarizer.classes_
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit, {self.classes_!r}")
        given = given_rows(X_val, y_val, sample_weight_val)
        return self._fit(X, y, self._weights(y, sample_weight), given, incremental=True)

    def predict(self, X: Any) -> Matrix:
        """Return the label of each row, (rows,), or the indicator matrix of several labels."""
        return self._answers(self._activations(X))

    def predict_proba(self, X: Any) -> Matrix:
        """Return the probability of each class, (rows, classes)."""
        A = self._activations(X)
        return np.hstack([1 - A, A]) if self.n_outputs_ == 1 else A

    def predict_log_proba(self, X: Any) -> Matrix:
        """Return the logarithms of the probabilities."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict_set(self, X: Any, coverage: float = 0.9) -> NDArray[np.bool_]:
        """Say which classes each row may well belong to, (rows, classes).

        The true class is among them with probability ``coverage`` (split-conformal sets; Sadinle et al., 2019). Raises
        ValueError when no rows calibrated the estimator, or too few.
        """
        return likely(self.predict_proba(X), threshold(self, coverage))

    def _answers(self, A: Matrix) -> Matrix:
        labels: Matrix = self._label_binarizer.inverse_transform(A.ravel() if self.n_outputs_ == 1 else A)
        return labels

    def _weights(self, y: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        by_class = compute_sample_weight(self.class_weight, y)
        return by_class if sample_weight is None else by_class * np.asarray(sample_weight)

    def _objective(self) -> tuple[Loss, str]:
        is_one_of_several = self._label_binarizer.y_type_ == "multiclass"
        name, activation = ("categorical", "softmax") if is_one_of_several else ("binary", "logistic")
        return LOSSES[f"{name}_cross_entropy"](label_smoothing=self.label_smoothing), activation  # type: ignore[call-arg]

    def _encoded(self, X: Any, y: Any, *, is_first: bool, incremental: bool) -> tuple[Matrix, Matrix]:
        X, y = self._checked(X, y, is_first=is_first)
        if y.ndim == 2 and y.shape[1] == 1:  # noqa: PLR2004 - a matrix
            y = column_or_1d(y, warn=True)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        else:
            self._check_classes(unique_labels(y))
        return X, self._label_binarizer.transform(y).astype(X.dtype)

    def _check_classes(self, classes: Matrix) -> None:
        if self.warm_start and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has {classes}."
            )

    def _settled(self, mlp: MLP, held: Held | None) -> MLP:
        """Divide the logits by the temperature that the rows that watch find."""
        if not self.temperature or held is None:
            return mlp
        codes = held.Y.argmax(axis=1) if self.n_outputs_ > 1 else np.rint(held.Y[:, 0])
        found = tempered(mlp, held.X, codes.astype(np.int64))
        self.temperature_ = 1.0 if found is None else found[1]
        return mlp if found is None else found[0]

    def _has_one_answer(self) -> bool:
        return not self._label_binarizer.y_type_.startswith("multilabel")

    def _misses(self, A: Matrix, Y: Matrix) -> NDArray[np.float64]:
        """Return 1 minus the probability of the true class of each row."""
        P, is_true = (np.hstack([1 - A, A]), np.hstack([1 - Y, Y])) if self.n_outputs_ == 1 else (A, Y)
        of_truth: NDArray[np.float64] = P[np.arange(len(P)), is_true.argmax(axis=1)].astype(np.float64)
        return 1 - of_truth

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
