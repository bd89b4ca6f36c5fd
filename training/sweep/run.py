"""The search itself: trial after trial, until there are enough, time is up, or somebody interrupts."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, TextIO

from network import DivergenceError, EpochRecord
from predictor.wording import shortened
from training.errors import RecipeError, TrainingError
from training.job import Order, ordered_name, ordered_recipe
from training.recipe import Axis, Recipe
from training.signals import Held, held_back
from training.sweep.bench import Bench
from training.sweep.progress import Told, told
from training.sweep.space import check_axes, choose, default_axes, recipe_with
from training.sweep.study import Settings, Study, Tried, file_url, opened

__all__ = ["Found", "SweepOrder", "run_sweep"]

FINISHING = "Interrupted: ending this trial; the others are kept."
WATCHED = 0.2  # of the training rows, where the recipe lets none watch
REPORTS = 15  # how often a trial is compared with others; each costs a write to the database
CHANGES_LOSS = ("fit.loss", "encoding.target")


@dataclass(frozen=True)
class SweepOrder:
    """What the user asked for; see ``python -m training sweep --help``."""

    job: Order
    trials: int = 50
    timeout_s: float | None = None
    storage: str | None = None
    study: str | None = None
    pruner: str = "median"
    metric: str | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class Found:
    """What a search found: `best` is the recipe to use, `best_trial` made it; None where no trial beats the base."""

    name: str
    folder: Path
    metric: str
    is_higher_better: bool
    rows: int
    base: float
    best: Recipe
    best_trial: Tried | None
    tried: tuple[Tried, ...]
    importance: Mapping[str, float]
    is_interrupted: bool


def run_sweep(order: SweepOrder, err: TextIO) -> Found:
    """Search, telling progress to `err`. Raises TrainingError; what was tried stays in the study, whatever happens."""
    recipe = _watched(ordered_recipe(order.job), err)
    name = order.study or ordered_name(order.job)
    folder = order.folder or order.job.models.parent / "sweeps" / name
    with ExitStack() as stack:
        bench = Bench(order.job, recipe, order.metric, stack)
        axes = recipe.search or default_axes(recipe, bench.train_rows)
        check_axes(recipe, axes)
        settings = Settings(
            name=name,
            url=order.storage or _own_database(folder),
            identity=_identity(recipe, axes, bench),
            is_higher_better=bench.is_higher_better,
            pruner=_pruner(order.pruner, axes, err),
            epochs=recipe.fit.epochs,
            seed=recipe.seed,
        )
        held, study = stack.enter_context(held_back(err, FINISHING)), stack.enter_context(opened(settings))
        search = _Search(bench, recipe, axes, study, held, is_pruned=settings.pruner != "none")
        base = search.base()
        if base is not None:
            err.write(f"the recipe as it is: {bench.metric} {base:.4g}\n")
            with told(order.trials, bench, err) as tell:
                search.run(order, tell)
        return search.found(name, folder)


def _watched(recipe: Recipe, err: TextIO) -> Recipe:
    """Let some rows watch where the recipe lets none: they are what trials are judged by."""
    if recipe.split.validation:
        return recipe
    err.write(f"note: {WATCHED:.0%} of the training rows watch, as trials are judged by them: split.validation\n")
    return recipe.model_copy(update={"split": recipe.split.model_copy(update={"validation": WATCHED})})


def _identity(recipe: Recipe, axes: Mapping[str, Axis], bench: Bench) -> dict[str, Any]:
    """Return what two runs must have in common for their scores to be comparable."""
    decided = {key: value for key, value in recipe.record().items() if key not in {"about", "gate", "card"}}
    search = {key: axis.model_dump(mode="json") for key, axis in axes.items()}
    return {"data": bench.digest, "recipe": decided, "search": search, "metric": bench.metric}


def _pruner(wanted: str, axes: Mapping[str, Axis], err: TextIO) -> str:
    if wanted != "none" and any(key.startswith(CHANGES_LOSS) for key in axes):
        err.write("note: nothing is pruned, as the losses of different trials cannot be compared\n")
        return "none"
    return wanted


def _own_database(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be made: {error.strerror or error}") from error
    return file_url(folder / "study.db")


class _Pruned(Exception):  # noqa: N818 - no error
    """A trial that others have left behind."""


@dataclass
class _Search:
    """One run over a study."""

    _bench: Bench
    _recipe: Recipe
    _axes: Mapping[str, Axis]
    _study: Study
    _held: Held
    _: KW_ONLY
    is_pruned: bool
    _last: EpochRecord | None = None

    def base(self) -> float | None:
        """Return the score of the recipe as it is, once for all runs; None when interrupted."""
        if self._study.base is None:
            try:
                self._study.set_base(self._bench.score(self._recipe, self._check).value)
            except KeyboardInterrupt:
                return None
            except DivergenceError as error:
                raise TrainingError(f"the recipe as it is: {error}") from error
        return self._study.base

    def run(self, order: SweepOrder, tell: Told) -> None:
        """Try until as many trials as asked for are in the study."""
        end = None if order.timeout_s is None else time.monotonic() + order.timeout_s
        tried = self._study.tried(self._axes)
        tell(tried)
        while sum(one.counts for one in tried) < order.trials and not self._held.is_interrupted:
            if end is not None and time.monotonic() >= end:
                return
            self._try(self._study.ask())
            tried = self._study.tried(self._axes)
            tell(tried)

    def found(self, name: str, folder: Path) -> Found:
        """Return what is known at the end of the run."""
        tried = self._study.tried(self._axes)
        base, bench = self._study.base, self._bench
        if base is None:
            raise KeyboardInterrupt
        sign = -1 if bench.is_higher_better else 1
        better = [one for one in tried if one.value is not None and sign * one.value < sign * base]
        best = min(better, key=lambda one: sign * (one.value or 0.0), default=None)
        recipe = self._recipe if best is None else recipe_with(self._recipe, best.chosen)
        return Found(
            name=name,
            folder=folder,
            metric=bench.metric,
            is_higher_better=bench.is_higher_better,
            rows=bench.rows,
            base=base,
            best=recipe,
            best_trial=best,
            tried=tuple(tried),
            importance=self._study.importance(),
            is_interrupted=self._held.is_interrupted,
        )

    def _try(self, trial: Any) -> None:
        """Fit one choice and say how it went; an interrupt ends the trial, and its choice is not counted."""
        self._last = None
        every = max(1, self._recipe.fit.epochs // REPORTS)
        try:
            recipe = recipe_with(self._recipe, choose(trial, self._axes))
            score = self._bench.score(recipe, lambda record: self._watch(trial, record, every))
            self._study.done(trial, score.value, epochs=score.epochs, seconds=score.seconds)
        except _Pruned:
            last = self._last
            self._study.pruned(trial, epochs=last.epoch if last else 0, seconds=last.seconds if last else 0.0)
        except (DivergenceError, RecipeError) as error:
            self._study.failed(trial, shortened(str(error)))
        except KeyboardInterrupt:
            self._held.is_interrupted = True
            self._study.failed(trial, "interrupted")

    def _watch(self, trial: Any, record: EpochRecord, every: int) -> None:
        self._check(record)
        self._last = record
        if self.is_pruned and record.epoch % every == 0:
            loss = record.metrics["validation_loss"]
            trial.report(-loss if self._bench.is_higher_better else loss, record.epoch)
            if trial.should_prune():
                raise _Pruned

    def _check(self, _record: EpochRecord) -> None:
        if self._held.is_interrupted:
            raise KeyboardInterrupt
