"""One retraining: check the data, fit a challenger, judge it, publish it, and promote it if that is asked for."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TextIO

from predictor import FolderRepository, Predictor, RepositoryError, save_bytes
from training.artifacts import ancestry, evaluate_parts, make_files, make_predictor
from training.checkpoints import Checkpoints, Found, UnusableError
from training.compare.versions import open_version
from training.errors import TrainingError
from training.fitting import Fitted
from training.job import Order, check_place
from training.lineage import ROOT
from training.resuming import fit_kept, identity, keeping
from training.retrain.checks import findings_lines
from training.retrain.concluding import (
    FACTS,
    SUMMARY,
    Outcome,
    Promote,
    another_champion,
    conclude,
    facts_of,
    is_promoted,
    left_behind,
)
from training.retrain.gate import Evidence, Passed, Refused, gate
from training.retrain.setting import Setting, packed, refusal, setting_of
from training.retrain.summary import summary
from training.retrain.trial import measure

__all__ = ["NothingNew", "Outcome", "Promote", "retrain"]

LOCK = ROOT / "locks" / "train.txt"


@dataclass(frozen=True)
class NothingNew:
    """A version was fitted to these very rows by this very recipe: `label` names it."""

    label: str


@dataclass(frozen=True, eq=False)
class _Judged:
    setting: Setting
    fitted: Fitted
    predictor: Predictor
    evidence: Evidence
    verdict: Passed | Refused


def retrain(
    order: Order,
    promote: Promote,
    *,
    now: datetime,
    out: TextIO,
    err: TextIO,
    only_new: bool = False,
    on_publish: Callable[[], None] = lambda: None,
) -> Outcome | NothingNew:
    """Do the whole job; a table of what changed goes to `out`, progress to `err`.

    A challenger that is refused is published without an alias, and no alias changes. With `only_new` nothing is done
    where it would be the champion, or the challenger that waits, once more; with the order's `resume` what an earlier
    process has done of the very same retraining is not done again. `on_publish` is called before anything is published:
    what comes after it is not to be interrupted. Raises TrainingError; then, as after KeyboardInterrupt, nothing is
    published.
    """
    check_place(order.models)
    with ExitStack() as stack:
        setting = packed(_checked(order, now=now, out=out, err=err), order.models, stack, err)
        checkpoints = Checkpoints(order.models, setting.name, _identity(setting))
        with keeping(checkpoints):
            before = left_behind(order.models, setting, _made_of(setting), promote) if order.resume else None
            if before is not None and not (only_new and before.is_old):
                on_publish()
                return before
            twin = _twin(order, setting) if only_new else None
            if twin is not None:
                return NothingNew(twin)
            found = _found(checkpoints, err) if order.resume else None
            fitted = fit_kept(setting.prepared, setting.recipe, checkpoints, err, found=found)
            return _published(order, promote, _judged(setting, fitted), on_publish)


def _checked(order: Order, *, now: datetime, out: TextIO, err: TextIO) -> Setting:
    """Read the data and write what changed to `out`. TrainingError for what no challenger is fitted to."""
    setting = setting_of(order, now=now, err=err)
    out.write("\n".join([*findings_lines(setting.findings), "", ""]))
    out.flush()
    error = refusal(setting)
    if error is not None:
        raise error
    return setting


def _judged(setting: Setting, fitted: Fitted) -> _Judged:
    """Measure and judge what was fitted; the model file says where it comes from and how it compares."""
    metrics = evaluate_parts(setting.prepared, fitted)
    predictor = make_predictor(setting.prepared, fitted, setting.recipe, setting.table, metrics)
    evidence = measure(setting, predictor, save_bytes(predictor), metrics)
    verdict = gate(evidence, setting.recipe.promotion, setting.recipe.gate)
    descended = replace(predictor, lineage={**predictor.lineage, **_descent(setting, evidence, verdict)})
    return _Judged(setting, fitted, descended, evidence, verdict)


def _identity(setting: Setting) -> Mapping[str, Any]:
    return identity(setting.prepared, setting.recipe, setting.table)


def _made_of(setting: Setting) -> Mapping[str, Any]:
    """Return what the model file's lineage says of a challenger before it is compared with anything."""
    ancestors = ancestry(setting.prepared, setting.recipe, setting.table)
    return {**ancestors, "lock_sha256": _lock_digest()}


def _found(checkpoints: Checkpoints, err: TextIO) -> Found | None:
    """Return the checkpoint to go on from; one that is damaged, or of other rows, keeps no loop from going on."""
    try:
        found, sentence = checkpoints.load()
    except UnusableError as error:
        found, sentence = None, f"{error.why}: beginning with the first epoch"
    err.write(f"{sentence}\n")
    return found


def _twin(order: Order, setting: Setting) -> str | None:
    """Return the version with an alias that was made of the same: data, recipe and packages."""
    repository = FolderRepository(order.models)
    aliases = repository.aliases(setting.name) if setting.name in repository.names() else {}
    made_of = (setting.table.digest, _lock_digest(), setting.recipe.record())
    for alias in sorted({"champion", "challenger"}.intersection(aliases)):
        version = open_version(order.models, f"{setting.name}@{alias}")
        lineage = version.predictor.lineage
        if (lineage.get("data_sha256"), lineage.get("lock_sha256"), version.predictor.recipe) == made_of:
            return version.label
    return None


def _lock_digest() -> str | None:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else None


def _descent(setting: Setting, evidence: Evidence, verdict: Passed | Refused) -> Mapping[str, str | None]:
    """Return what the model file says of the model before it, and of how the two compared."""
    champion = setting.champion
    digest = champion.predictor.lineage.get("data_sha256") if champion else None
    won = [f"{evidence.metric} {d.gain:+.4g} [{d.low:+.4g}, {d.high:+.4g}] on {d.rows} rows" for d in evidence.duels]
    return {
        "parent": champion.label if champion else None,
        "parent_data_sha256": None if digest is None else str(digest),
        "gain": won[0] if won else None,
        "gate": "passed" if isinstance(verdict, Passed) else "refused",
        "lock_sha256": _lock_digest(),
    }


def _published(order: Order, promote: Promote, judged: _Judged, on_publish: Callable[[], None]) -> Outcome:
    setting, evidence, verdict = judged.setting, judged.evidence, judged.verdict
    repository = FolderRepository(order.models)
    promoted = is_promoted(promote, verdict)
    files = make_files(judged.predictor, setting.prepared, judged.fitted, setting.recipe)
    try:
        is_as_before = not another_champion(repository, setting.name, setting.champion)
        said = summary(setting, evidence, verdict, promoted=promoted and is_as_before)
        files |= {SUMMARY: said.encode(), FACTS: facts_of(setting, promote, evidence, verdict)}
        on_publish()
        version = repository.publish(setting.name, files)
    except (RepositoryError, OSError) as error:
        raise TrainingError(f"the challenger cannot be published: {error}") from error
    outcome = Outcome(setting.name, version, verdict, promoted, said)
    return conclude(repository, outcome, setting.champion, judged.predictor.lineage.get("gain"))
