"""What the classifier and the regressor share: parameters, the fit by epochs, stopping, attributes."""

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, check_X_y, validate_data

from network import MLP, Architecture, Loss, Parameters, Rows, Trainer, training_rows
from predictor import Calibration, Predictor
from training.compiled import compiled
from training.estimators.assembling import Seen, SeenCells
from training.estimators.choices import Pace, architecture_of, check_parameters, options_of
from training.estimators.conformal import FEWEST_ROWS, calibrated
from training.estimators.frames import Encoder, columns_in, is_frame, wants_encoding
from training.estimators.watching import Given, Held, held_out, validation_loss, watching_score
from training.table import Column

__all__ = ["Matrix", "Perceptron"]

Matrix = NDArray[Any]
SLOWEST_RATE = 1e-6
OF_ANOTHER_FIT = ("schema_", "decisions_", "temperature_")
UNFINISHED = "Stochastic Optimizer: Maximum iterations ({}) reached and the optimization hasn't converged yet."
NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


@dataclass(frozen=True)
class Run:
    """One call of fit or partial_fit: what moves, on which rows, and who watches."""

    trainer: Trainer
    data: Rows
    held: Held | None
    context: Any
    X: Any  # as they were given, for callbacks
    y: Any
    is_incremental: bool


class Perceptron(CallbackSupportMixin, BaseEstimator):
    """The engine of `network` behind the interface of scikit-learn's multilayer perceptrons."""

    _best: Matrix | None = None  # the weights that the rows that watch scored best, while a fit is under way
    _encoder: Encoder | None = None  # where inputs are a table
    _trainer_state: tuple[str, dict[str, Any] | None] = ("", None)  # the solver, and where it was when the trainer went
    _solver: str
    _seen: Seen | SeenCells  # rows that what is published is described and proven by

    @abstractmethod
    def _encoded(self, X: Any, y: Any, *, is_first: bool, incremental: bool) -> tuple[Matrix, Matrix]:
        """Check inputs and targets; return X and the targets as (rows, outputs)."""

    @abstractmethod
    def _objective(self) -> tuple[Loss, str]:
        """Return the loss and the name of the output activation."""

    @abstractmethod
    def _answers(self, A: Matrix) -> Matrix:
        """Turn activations of the last layer, or encoded targets, into what `predict` returns."""

    @abstractmethod
    def _has_one_answer(self) -> bool:
        """Tell whether the answer to a row is one number, or one class of several: what an interval or a set is of."""

    @abstractmethod
    def _misses(self, A: Matrix, Y: Matrix) -> NDArray[np.float64]:
        """Return how far the activations of each row are off from its one answer, (rows,)."""

    def _fit(self, X: Any, y: Any, sample_weight: Any, given: Given | None, *, incremental: bool = False) -> Self:
        check_parameters(self)
        if incremental and self.early_stopping and given is None:
            raise ValueError("partial_fit does not support early_stopping=True without X_val and y_val")
        is_first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        given_X = X
        X, Y = self._encoded(X, y, is_first=is_first, incremental=incremental)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        random = check_random_state(self.random_state)
        if is_first:
            self._initialize(X, Y, random)
        if self._encoder is None:
            before = None if is_first else self.__dict__.get("_seen")
            self._seen = Seen.of(X, before)
        held = None if given is None else self._held(given)
        if self.early_stopping and held is None and self.solver != "lbfgs":
            X, Y, weight, held = held_out(self, X, Y, weight, random)
        trainer = self._trainer_for(X, weight, random, incremental=incremental)
        data = training_rows(trainer.mlp, trainer.options.loss, X, Y, sample_weight=weight)
        context = self._init_callback_context(max_subtasks=1 if incremental else self.max_iter)
        self._run(Run(trainer, data, held, context, given_X, y, incremental))
        mlp = self._settled(trainer.mlp, held)
        self._take(mlp.parameters)
        if not all(np.isfinite(array).all() for array in (*self.coefs_, *self.intercepts_)):
            raise ValueError(NOT_FINITE)
        if not incremental:  # what goes on needs no more than the state, and certainly not these rows
            self._trainer_state = (self.solver, self.__dict__.pop("_trainer").checkpoint())
        self.calibration_ = None if held is None else self._calibrated(mlp.infer(held.X), held.Y)
        return self

    def _run(self, run: Run) -> None:
        run.context.call_on_fit_task_begin(estimator=self, X=run.X, y=run.y)
        (self._minimise if self.solver == "lbfgs" else self._descend)(run)
        run.context.call_on_fit_task_end(estimator=self, X=run.X, y=run.y)

    def _initialize(self, X: Matrix, Y: Matrix, random: np.random.RandomState) -> None:
        """Draw the first weights as scikit-learn does (Glorot and Bengio, 2010, eq. 16), biases included."""
        _, self.out_activation_ = self._objective()
        self.n_outputs_ = Y.shape[1]
        architecture = self._architecture(X.shape[1])
        self.n_layers_ = len(architecture.layers) + 1
        self.coefs_, self.intercepts_ = [], []
        factor = 2.0 if self.activation == "logistic" else 6.0
        lead = (architecture.members,) if architecture.members > 1 else ()
        fan_in = X.shape[1]
        for layer in architecture.layers:
            bound = np.sqrt(factor / (fan_in + layer.units))
            self.coefs_.append(random.uniform(-bound, bound, (*lead, fan_in, layer.units)).astype(X.dtype, copy=False))
            self.intercepts_.append(random.uniform(-bound, bound, (*lead, layer.units)).astype(X.dtype, copy=False))
            fan_in = layer.units
        self.n_iter_ = self.t_ = self._no_improvement_count = 0
        self.loss_curve_: list[float] = []
        self.validation_loss_curve_: list[float] | None = None
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_: Any = -np.inf if self.early_stopping else None
        self.best_loss_: Any = None if self.early_stopping else np.inf
        self._best = None

    def _held(self, given: Given) -> Held:
        """Encode the rows that the caller lets watch."""
        X, Y = self._encoded(given.X, given.y, is_first=False, incremental=True)
        return Held(X, Y, None if given.weight is None else _check_sample_weight(given.weight, X, dtype=np.float64))

    def _settled(self, mlp: MLP, held: Held | None) -> MLP:  # noqa: ARG002 - the classifier's needs them
        """Return the network that answers, when the fit is over."""
        return mlp

    def _architecture(self, inputs: int) -> Architecture:
        return architecture_of(self, inputs, self.n_outputs_, self.out_activation_)

    def _trainer_for(
        self, X: Matrix, weight: Matrix | None, random: np.random.RandomState, *, incremental: bool
    ) -> Trainer:
        """Go on with the optimizer of the last `partial_fit`, or begin with a new one at the present weights."""
        before: Trainer | None = getattr(self, "_trainer", None) if incremental else None
        solver, state = self._trainer_state if before is None else (self._solver, before.checkpoint())
        if not incremental or not hasattr(self, "_pace"):
            self._pace = Pace()
        loss, _ = self._objective()
        if self.batch_size != "auto" and self.batch_size > len(X):
            warnings.warn("Got `batch_size` larger than sample size. It is going to be clipped", stacklevel=5)
        mean_weight = 1.0 if weight is None else float(weight.mean()) or 1.0
        options = options_of(self, loss, self._pace, rows=len(X), mean_weight=mean_weight)
        if before is not None and before.options == options and before.mlp.parameters.dtype == X.dtype:
            return before
        rng = np.random.default_rng(random.randint(2**31, size=4))
        mlp = self._mlp()
        trainer = Trainer(mlp, options if incremental else compiled(options, mlp, len(X)), rng)
        if state is not None and incremental and solver == self.solver:
            trainer.resume(state)
        self._trainer, self._solver = trainer, self.solver
        self.__dict__.pop("_trainer_state", None)
        return trainer

    def _mlp(self) -> MLP:
        """Return the network of the present weights."""
        architecture = self._architecture(self.coefs_[0].shape[-2])
        arrays = {f"layers.{i}.W": W for i, W in enumerate(self.coefs_)}
        arrays |= {f"layers.{i}.b": np.asarray(b) for i, b in enumerate(self.intercepts_)}
        return MLP(architecture, Parameters.from_arrays(architecture, arrays))

    def _take(self, parameters: Parameters) -> None:
        kept = parameters.copy()
        layers = range(self.n_layers_ - 1)
        self.coefs_ = [kept[f"layers.{i}.W"] for i in layers]
        self.intercepts_ = [kept[f"layers.{i}.b"] for i in layers]

    # The solvers

    def _minimise(self, run: Run) -> None:
        """Run L-BFGS until it has converged or is out of iterations or evaluations."""
        self.n_iter_ = 0
        wants_end = False
        while self.n_iter_ < self.max_iter and run.trainer.finished is None and not wants_end:
            wants_end = self._epoch(run)
        self.has_stopped_ = run.trainer.has_converged or wants_end
        if not self.has_stopped_:
            reason = run.trainer.finished or f"{self.max_iter} iterations are done"
            warnings.warn(f"lbfgs failed to converge: {reason}.", ConvergenceWarning, stacklevel=6)

    def _descend(self, run: Run) -> None:
        """Run epochs until neither loss nor score gets better, or all are done; restore the best where rows watch."""
        theta = run.trainer.mlp.parameters.flat
        if self.early_stopping and self._best is None:
            self._best = theta.copy()
        self.n_iter_ = 0
        self.has_stopped_ = False
        try:
            while not self.has_stopped_ and self.n_iter_ < (1 if run.is_incremental else self.max_iter):
                wants_end = self._epoch(run)
                if self._judged(run):
                    self._best = theta.copy()
                self._set_pace()
                self.has_stopped_ = wants_end or (self._no_improvement_count > self.n_iter_no_change and self._ends())
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=6)
            self.has_stopped_ = True
        if not self.has_stopped_ and not run.is_incremental:
            warnings.warn(UNFINISHED.format(self.max_iter), ConvergenceWarning, stacklevel=6)
        if self._best is not None and (self.has_stopped_ or not run.is_incremental):
            np.copyto(theta, self._best)
            self._best = None

    def _epoch(self, run: Run) -> bool:
        """Run one epoch and note it; True when a callback wants the fit to end."""
        task = run.context.subcontext(task_name=f"epoch {self.n_iter_ + 1}")
        task.call_on_fit_task_begin(estimator=self, X=run.X, y=run.y)
        self.loss_ = run.trainer.epoch(run.data)
        self.n_iter_ += 1
        self.t_ += len(run.data)
        self.loss_curve_.append(self.loss_)
        if run.held is not None:
            value = validation_loss(run.trainer, run.held)
            self.validation_loss_curve_ = [*(self.validation_loss_curve_ or []), value]
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
        if not hasattr(self, "_skl_callbacks"):
            return False
        self._take(run.trainer.mlp.parameters)
        fitted = {name: value for name, value in vars(self).items() if name.endswith("_") or name == "_label_binarizer"}
        ended = task.call_on_fit_task_end(estimator=self, X=run.X, y=run.y, reconstruction_attributes=lambda: fitted)
        return bool(ended)

    def _judged(self, run: Run) -> bool:
        """Count epochs without progress, by the score of the rows that watch or else by the loss; True for a best."""
        held = run.held
        if not self.early_stopping or held is None:
            is_better = not self.loss_curve_[-1] > self.best_loss_ - self.tol
            self._no_improvement_count = 0 if is_better else self._no_improvement_count + 1
            self.best_loss_ = min(self.best_loss_, self.loss_curve_[-1])
            return False
        score = watching_score(self, run.trainer.mlp, held)
        self.validation_scores_ = [*(self.validation_scores_ or []), score]
        if self.verbose:
            print(f"Validation score: {score:f}")
        is_worse = score < self.best_validation_score_ + self.tol
        self._no_improvement_count = self._no_improvement_count + 1 if is_worse else 0
        if is_best := score > self.best_validation_score_:
            self.best_validation_score_ = score
        return bool(is_best)

    def _set_pace(self) -> None:
        if self.solver == "sgd" and self.learning_rate == "invscaling":
            self._pace.value = (self.t_ + 1) ** -self.power_t

    def _ends(self) -> bool:
        """Say that there is no more progress; an adaptive rate is lowered first, while it is not tiny."""
        is_adaptive = self.solver == "sgd" and self.learning_rate == "adaptive"
        if is_adaptive and self.learning_rate_init * self._pace.value > SLOWEST_RATE:
            self._pace.value /= 5.0
            self._no_improvement_count = 0
            return False
        if self.verbose:
            what = "Validation score" if self.early_stopping else "Training loss"
            print(f"{what} did not improve more than tol={self.tol} for {self.n_iter_no_change} consecutive epochs.")
        return True

    # What every estimator does

    def to_predictor(self, *, target: str = "target") -> Predictor:
        """Return the fitted network as a predictor, what a model file holds.

        The ranges of its features are those of all rows that it was fitted to, its golden rows and histograms are of
        rows of the last call.
        """
        from training.estimators.serving import from_sklearn  # noqa: PLC0415 - only those who publish need all of it

        check_is_fitted(self)
        return from_sklearn(self, target=target)

    def publish(self, models: str | Path, name: str, *, target: str = "target", promote: bool = True) -> int:
        """Publish the fitted network as the next version of a model, and return the version.

        See `to_predictor`. A Pipeline publishes by `training.publish`.
        """
        from training.estimators.serving import publish  # noqa: PLC0415 - only those who publish need all of it

        return publish(self.to_predictor(target=target), models, name, promote=promote)

    def to_onnx(self, path: str | Path, *, target: str = "target") -> Path:
        """Write the fitted network as an ONNX file and return its path. See `training.to_onnx`."""
        from training.exchange.onnx_file import to_onnx  # noqa: PLC0415 - only those who exchange models need it

        return to_onnx(self.to_predictor(target=target), path)

    def calibrate(self, X: Any, y: Any) -> Self:
        """Learn from rows that the fit did not use how far predictions are off; intervals and sets need it.

        Rows that watched the fit have calibrated it already. Raises ValueError for too few rows.
        """
        check_is_fitted(self)
        X, Y = self._encoded(X, y, is_first=False, incremental=True)
        self.calibration_ = self._calibrated(self._mlp().infer(X), Y)
        if self.calibration_ is None:
            raise ValueError(f"calibrate: expected at least {FEWEST_ROWS} rows of one target, found {len(X)} rows")
        return self

    def _calibrated(self, A: Matrix, Y: Matrix) -> Calibration | None:
        return calibrated(self._misses(A, Y)) if self._has_one_answer() else None

    def _activations(self, X: Any) -> Matrix:
        """Return the activations of the last layer, (rows, outputs)."""
        check_is_fitted(self)
        if self._encoder is None:
            with _advising():
                X = dense(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False))
        else:
            X = self._encoder.encode(self._columns(X, is_first=False))
        return self._mlp().infer(X)

    def _checked(self, X: Any, y: Any, *, is_first: bool, y_numeric: bool = False) -> tuple[Matrix, Matrix]:
        """Check inputs, encode them where they are a table, and check targets against them."""
        if is_first:
            self._encoder = None
            for name in OF_ANOTHER_FIT:
                self.__dict__.pop(name, None)
        kinds = {"multi_output": True, "y_numeric": y_numeric}
        if self._encoder is None and not (is_first and wants_encoding(self.encode, X)):
            types = (np.float64, np.float32)
            with _advising():
                X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], dtype=types, reset=is_first, **kinds)
            return dense(X), y
        columns = self._columns(X, is_first=is_first)
        if is_first or self._encoder is None:
            self._encoder = Encoder.fitted(columns, self.encode)
            self.schema_, self.decisions_ = self._encoder.schema, self._encoder.decisions
            self._seen = self._encoder.seen(columns)
        X, y = check_X_y(self._encoder.encode(columns), y, dtype=np.float32, estimator=self, **kinds)
        return X, y

    def _columns(self, X: Any, *, is_first: bool) -> tuple[Column, ...]:
        """Check the names and the number of the columns of a table, and return them."""
        if is_frame(X):
            validate_data(self, X, skip_check_array=True, reset=is_first)
            return columns_in(X)
        X = validate_data(self, X, dtype=None, ensure_all_finite=False, reset=is_first)
        return columns_in(X, getattr(self, "feature_names_in_", None))

    def _has_partial_fit(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(f"partial_fit is only available for stochastic optimizers. {self.solver} is not one.")
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        is_table = self.encode not in (False, "auto")
        tags.input_tags.sparse = not is_table
        tags.input_tags.allow_nan = tags.input_tags.categorical = tags.input_tags.string = is_table
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        trainer: Trainer | None = state.pop("_trainer", None)
        if trainer is not None:
            state["_trainer_state"] = (self._solver, trainer.checkpoint())
        return state


def dense(X: Any) -> Matrix:
    """Return the array itself, or a sparse matrix as an array."""
    found: Matrix = X.toarray() if hasattr(X, "toarray") else X
    return found


@contextmanager
def _advising() -> Iterator[None]:
    """Add to what scikit-learn says of missing cells that these estimators can take them."""
    try:
        yield
    except ValueError as error:
        if "Input X contains NaN" in str(error):
            error.add_note(
                "With encode=True missing cells are taken: as the median, and seen as such where there are enough."
            )
        raise
