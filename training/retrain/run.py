"""One retraining: check the data, fit a challenger, judge it, publish it, and promote it if that is asked for."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal, TextIO

from network import DivergenceError
from predictor import FolderRepository, Predictor, RepositoryError, save_bytes
from training.artifacts import evaluate_parts, make_files, make_predictor
from training.compare.versions import open_version
from training.errors import TrainingError
from training.fitting import Fitted, fit_recipe
from training.job import Order, check_place
from training.lineage import ROOT
from training.progress import progress
from training.retrain.checks import findings_lines
from training.retrain.gate import Evidence, Passed, Refused, gate
from training.retrain.setting import Setting, refusal, setting_of
from training.retrain.summary import summary
from training.retrain.trial import measure
from training.signals import held_back, sigterm_interrupts

__all__ = ["NothingNew", "Outcome", "Promote", "retrain"]

Promote = Literal["never", "if-better", "always"]
LOCK = ROOT / "locks" / "train.txt"


@dataclass(frozen=True)
class Outcome:
    """What came of it: the version that was published, the verdict, whether it serves now, and a summary."""

    name: str
    version: int
    verdict: Passed | Refused
    promoted: bool
    summary: str


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
    order: Order, promote: Promote, *, now: datetime, out: TextIO, err: TextIO, only_new: bool = False
) -> Outcome | NothingNew:
    """Do the whole job; a table of what changed goes to `out`, progress to `err`.

    A challenger that is refused is published without an alias, and no alias changes. With `only_new` nothing is done
    where it would be the champion, or the challenger that waits, once more. Raises TrainingError; then, as after
    KeyboardInterrupt, nothing is published.
    """
    check_place(order.models)
    with sigterm_interrupts():
        setting = setting_of(order, now=now)
        out.write("\n".join([*findings_lines(setting.findings), "", ""]))
        out.flush()
        error = refusal(setting)
        if error is not None:
            raise error
        twin = _twin(order, setting) if only_new else None
        if twin is not None:
            return NothingNew(twin)
        fitted = _fitted(setting, err)
        metrics = evaluate_parts(setting.prepared, fitted)
        predictor = make_predictor(setting.prepared, fitted, setting.recipe, setting.table, metrics)
        evidence = measure(setting, predictor, save_bytes(predictor), metrics)
        verdict = gate(evidence, setting.recipe.promotion, setting.recipe.gate)
        descended = replace(predictor, lineage={**predictor.lineage, **_descent(setting, evidence, verdict)})
        return _published(order, promote, _Judged(setting, fitted, descended, evidence, verdict))


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


def _fitted(setting: Setting, err: TextIO) -> Fitted:
    try:
        with progress(setting.recipe.fit.epochs, err) as on_epoch:
            return fit_recipe(setting.prepared, setting.recipe, on_epoch)
    except DivergenceError as error:
        raise TrainingError(str(error)) from error


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


def _published(order: Order, promote: Promote, judged: _Judged) -> Outcome:
    setting, evidence, verdict = judged.setting, judged.evidence, judged.verdict
    promoted = isinstance(verdict, Passed) and (promote == "always" or (promote == "if-better" and verdict.is_better))
    said = summary(setting, evidence, verdict, promoted=promoted)
    facts = {"verdict": asdict(verdict), "evidence": asdict(evidence), "checks": [asdict(f) for f in setting.findings]}
    files = make_files(judged.predictor, setting.prepared, judged.fitted, setting.recipe)
    files |= {"retrain.md": said.encode(), "retrain.json": (json.dumps(facts, indent=2) + "\n").encode()}
    repository = FolderRepository(order.models)
    try:
        with held_back():
            version = repository.publish(setting.name, files)
            if isinstance(verdict, Passed):
                repository.set_alias(setting.name, "challenger", version)
            if promoted:
                gain = judged.predictor.lineage.get("gain")
                repository.promote(setting.name, version, note=f"retrained: {gain or 'the gate passed'}")
    except (RepositoryError, OSError) as error:
        raise TrainingError(f"the challenger cannot be published: {error}") from error
    return Outcome(setting.name, version, verdict, promoted, said)
