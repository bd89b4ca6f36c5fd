"""The border to Optuna: a study in a database, what was tried in it, and the next trial."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.errors import TrainingError
from training.recipe import Axis
from training.sweep.space import Values, choices_of

__all__ = ["PRUNERS", "Settings", "Study", "Tried", "file_url", "opened"]

State = Literal["done", "pruned", "failed", "interrupted", "unfinished"]

PRUNERS = ("median", "hyperband", "none")
WARM_UP_TRIALS = 5  # as many trials are done before any is compared with their median
BUSY_S = 60.0  # how long a second process that searches the same study waits for the database
IDENTITY, BASE, REASON, EPOCHS, SECONDS = "identity", "base_score", "reason", "epochs", "seconds"
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Settings:
    """Which study, where, and how it searches; `identity` is what makes scores of two runs comparable."""

    name: str
    url: str
    identity: Mapping[str, Any]
    is_higher_better: bool
    pruner: str
    epochs: int
    seed: int


@dataclass(frozen=True)
class Tried:
    """One trial: what was chosen and how it went. `value` is the score of a trial that is done."""

    number: int
    state: State
    value: float | None
    chosen: Values
    epochs: int
    seconds: float
    reason: str

    @property
    def counts(self) -> bool:
        """Whether the trial is one of those that were asked for."""
        return self.state in {"done", "pruned", "failed"}


class Study:
    """An open study; what Optuna calls FAIL is failed or interrupted here."""

    def __init__(self, optuna: Any, study: Any) -> None:
        self._optuna = optuna
        self._study = study

    @property
    def base(self) -> float | None:
        """The score of the recipe as it is, where it is known."""
        found: float | None = self._study.user_attrs.get(BASE)
        return found

    def set_base(self, value: float) -> None:
        """Remember the score of the recipe as it is."""
        self._study.set_user_attr(BASE, value)

    def ask(self) -> Any:
        """Begin a trial: what `space.choose` takes, with ``report`` and ``should_prune``."""
        return self._study.ask()

    def done(self, trial: Any, value: float, *, epochs: int, seconds: float) -> None:
        """End a trial with its score."""
        _note(trial, {EPOCHS: epochs, SECONDS: round(seconds, 3)})
        self._study.tell(trial, value)

    def pruned(self, trial: Any, *, epochs: int, seconds: float) -> None:
        """End a trial that was stopped because others were better at its epoch."""
        _note(trial, {EPOCHS: epochs, SECONDS: round(seconds, 3)})
        self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)

    def failed(self, trial: Any, reason: str) -> None:
        """End a trial without a score."""
        _note(trial, {REASON: reason})
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def tried(self, axes: Mapping[str, Axis]) -> list[Tried]:
        """Return every trial of the study in the order in which they began."""
        return [_tried(trial, axes) for trial in self._study.get_trials(deepcopy=False)]

    def importance(self) -> dict[str, float]:
        """Return which part of the difference between scores goes with each key (fANOVA; Hutter et al., 2014).

        Nothing where too few trials are done to tell.
        """
        done = self._study.get_trials(deepcopy=False, states=(self._optuna.trial.TrialState.COMPLETE,))
        if len({trial.value for trial in done}) < WARM_UP_TRIALS:
            return {}
        found: dict[str, float] = self._optuna.importance.get_param_importances(self._study)
        return found


@contextmanager
def opened(settings: Settings) -> Iterator[Study]:
    """Open a study, or make it. Raises TrainingError for a database that fails, or a study of something else."""
    optuna = _optuna()
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - comes with Optuna

    try:
        storage = _storage(optuna, settings.url)
        try:
            yield _study(optuna, storage, settings)
        finally:
            storage.remove_session()
            storage.engine.dispose()
    except (optuna.exceptions.OptunaError, SQLAlchemyError) as error:
        cause = str(error.__cause__ or error).splitlines()[0]
        raise TrainingError(f"the study {settings.name} in {_plain(settings.url)}: {cause}") from error


def file_url(path: Path) -> str:
    """Return the URL of an SQLite database in a file."""
    _optuna()
    from sqlalchemy.engine import URL  # noqa: PLC0415 - comes with Optuna

    return URL.create("sqlite", database=str(path)).render_as_string()


def _optuna() -> Any:
    try:
        import optuna  # noqa: PLC0415 - only a sweep needs it
    except ImportError as error:
        raise TrainingError("a sweep needs Optuna: pip install optuna") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _storage(optuna: Any, url: str) -> Any:
    is_file = url.startswith("sqlite")
    options = {"connect_args": {"timeout": BUSY_S}} if is_file else {}
    try:
        storage = optuna.storages.RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        raise TrainingError(f"--storage {_plain(url)}: {error}") from error
    if is_file:
        _write_ahead(storage.engine)
    return storage


def _write_ahead(engine: Any) -> None:
    """Let SQLite write ahead: a commit then waits for no disk, and a crash still leaves the file whole."""
    from sqlalchemy import event  # noqa: PLC0415 - comes with Optuna

    def connected(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    event.listen(engine, "connect", connected)
    engine.dispose()  # the connections of before know nothing of it


def _plain(url: str) -> str:
    """Return a database's URL without the password in it."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - comes with Optuna
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - as above

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "what --storage names"


def _study(optuna: Any, storage: Any, settings: Settings) -> Study:
    study = optuna.create_study(
        storage=storage,
        study_name=settings.name,
        load_if_exists=True,
        direction="maximize" if settings.is_higher_better else "minimize",
        pruner=_pruner(optuna, settings),
    )
    identity = json.loads(json.dumps(settings.identity))
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, identity)
    elif known != identity:
        what = ", ".join(key for key in identity if identity[key] != known.get(key))
        raise TrainingError(
            f"the study {settings.name} in {_plain(settings.url)} was begun with another {what}, so its scores cannot "
            "be compared; name a new one: --study NAME"
        )
    # Another seed for each run, else a run that goes on would try what the first tried.
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.get_trials(deepcopy=False)))
    return Study(optuna, study)


def _pruner(optuna: Any, settings: Settings) -> Any:
    if settings.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=settings.epochs)
    if settings.pruner == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(n_startup_trials=WARM_UP_TRIALS)


def _note(trial: Any, facts: Mapping[str, Any]) -> None:
    for name, fact in facts.items():
        trial.set_user_attr(name, fact)


def _tried(trial: Any, axes: Mapping[str, Axis]) -> Tried:
    facts = trial.user_attrs
    reason = facts.get(REASON, "")
    states: dict[str, State] = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}
    state = states.get(trial.state.name, "unfinished")
    return Tried(
        number=trial.number,
        state="interrupted" if reason == INTERRUPTED else state,
        value=trial.value if state == "done" else None,
        chosen={key: choices_of(axes[key]).get(value, value) for key, value in trial.params.items() if key in axes},
        epochs=facts.get(EPOCHS, 0),
        seconds=facts.get(SECONDS, 0.0),
        reason=reason,
    )
