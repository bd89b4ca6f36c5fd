"""One fit as a recipe describes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from network import (
    MLP,
    Architecture,
    EarlyStopping,
    EpochRecord,
    FitOptions,
    FitResult,
    Keep,
    Layer,
    Parts,
    Rows,
    State,
    check_options,
    fit_parts,
    training_rows,
)
from predictor.wording import hint, shown
from training.compiled import compiled
from training.errors import RecipeError
from training.evaluation import CLASS_METRICS, NUMBER_METRICS, Evaluator, evaluator
from training.prepared import Prepared, Side
from training.recipe import Fit, Recipe
from training.temperature import tempered

__all__ = ["Fitted", "fit_recipe"]

SHOWN_TIMES = 50  # how often a metric that nothing waits for is computed in a fit
WATCHED_ROWS = 2000
STEPS = 100  # of an epoch, for as long as the batches stay reasonable
SMALLEST_BATCH, LARGEST_BATCH = 16, 256


@dataclass(frozen=True, eq=False)
class Fitted:
    """The fitted network, with the evaluator that its metrics are to be computed by.

    Where a temperature divides the logits, `untempered` is the network as it came out of the fit.
    """

    result: FitResult
    evaluate: Evaluator
    temperature: float | None = None
    untempered: MLP | None = None


def fit_recipe(
    prepared: Prepared,
    recipe: Recipe,
    on_epoch: Callable[[EpochRecord], None],
    *,
    keep: Keep | None = None,
    resume: State | None = None,
) -> Fitted:
    """Initialise and fit the recipe's network on the training side; `keep` and `resume` are those of `network.fit`.

    Raises RecipeError and DivergenceError.
    """
    initial, shuffling = np.random.default_rng(recipe.seed).spawn(2)
    architecture, options = _architecture(prepared, recipe), _options(prepared, recipe)
    try:
        check_options(architecture, options)
    except ValueError as error:
        raise RecipeError(f"network: {error}") from error
    mlp = MLP.initialized(architecture, recipe.network.initializer.make(), rng=initial)
    options = compiled(options, mlp, prepared.count("train"))
    evaluate = evaluator(prepared.goal.outputs)
    validation = prepared.validation
    result = fit_parts(
        mlp,
        _rows(prepared, mlp, options),
        options,
        rng=shuffling,
        validation=None if validation is None else (validation.X, validation.y),
        metrics=_watched(prepared, recipe.fit, evaluate),
        metrics_every=1 if _is_metric(recipe.fit) else max(1, recipe.fit.epochs // SHOWN_TIMES),
        on_epoch=on_epoch,
        keep=keep,
        resume=resume,
    )
    return _tempered(Fitted(result, evaluate), prepared, recipe)


def _rows(prepared: Prepared, mlp: MLP, options: FitOptions) -> Rows | Parts:
    """Return what is fitted: rows in memory, or more than that in parts."""
    if prepared.stream is not None:
        return prepared.stream.parts(options.loss, options.batch_size)
    return training_rows(mlp, options.loss, prepared.train.X, prepared.train.y)


def _tempered(fitted: Fitted, prepared: Prepared, recipe: Recipe) -> Fitted:
    """Divide the logits by a temperature where the recipe says so and the task has any."""
    side, mlp = prepared.validation, fitted.result.mlp
    if not recipe.fit.temperature or side is None or not prepared.problem.target.labels:
        return fitted
    found = tempered(mlp, side.X, side.values)
    if found is None:
        return fitted
    cooled, temperature = found
    return Fitted(replace(fitted.result, mlp=cooled), fitted.evaluate, temperature, mlp)


def _architecture(prepared: Prepared, recipe: Recipe) -> Architecture:
    hidden = (
        Layer(layer.units, layer.activation, bias=layer.bias, dropout=layer.dropout) for layer in recipe.network.hidden
    )
    return Architecture(prepared.schema.width, (*hidden, prepared.goal.layer), recipe.network.members)


def _options(prepared: Prepared, recipe: Recipe) -> FitOptions:
    settings = recipe.fit
    try:
        return FitOptions(
            loss=prepared.goal.loss.make(),
            optimizer=settings.optimizer.make(),
            schedule=settings.schedule.make(),
            epochs=settings.epochs,
            batch_size=_batch_size(settings, prepared.count("train")),
            shuffle=settings.shuffle,
            l2=settings.l2,
            clip_norm=settings.clip_norm,
            stopping=_stopping(prepared, settings),
        )
    except ValueError as error:
        raise RecipeError(f"fit: {error}") from error


def _batch_size(settings: Fit, rows: int) -> int | None:
    """Return the rows of a step; "auto" is the power of two nearest to a hundredth of all, within bounds."""
    if settings.batch_size == "full":
        return None
    if settings.batch_size == "auto":
        return min(rows, int(np.clip(2 ** round(np.log2(rows / STEPS)), SMALLEST_BATCH, LARGEST_BATCH)))
    return min(settings.batch_size, rows)


def _stopping(prepared: Prepared, settings: Fit) -> EarlyStopping | None:
    stopping = settings.stopping
    if stopping is None:
        return None
    metrics = CLASS_METRICS if prepared.problem.target.task == "classes" else NUMBER_METRICS
    known = ("loss", "validation_loss", *metrics)
    if stopping.monitor not in known:
        near = hint(stopping.monitor, known) or f"; known: {', '.join(known)}"
        raise RecipeError(f"fit.stopping.monitor: unknown metric {shown(stopping.monitor)}{near}")
    if stopping.monitor == "validation_loss" and prepared.validation is None:
        raise RecipeError("fit.stopping.monitor: validation_loss needs rows that watch: set split.validation, say 0.1")
    return EarlyStopping(**stopping.model_dump())


def _is_metric(settings: Fit) -> bool:
    return settings.stopping is not None and settings.stopping.monitor not in {"loss", "validation_loss"}


def _watched(prepared: Prepared, settings: Fit, evaluate: Evaluator) -> Mapping[str, Callable[[MLP], float]]:
    """Return the one metric that is followed during the fit, on the rows that watch or else the training rows."""
    side = prepared.validation or prepared.train
    classes = prepared.problem.target.task == "classes"
    name = "accuracy" if classes else "mse_standardised"
    if _is_metric(settings) and settings.stopping is not None:
        name = settings.stopping.monitor
    rows = slice(None) if _is_metric(settings) else slice(WATCHED_ROWS)
    part = Side(side.rows[rows], side.X[rows], side.y[rows], side.values[rows])

    def metric(mlp: MLP) -> float:
        return evaluate(mlp, part.X, part.values)[name]

    return {name: metric}
