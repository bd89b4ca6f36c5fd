"""The end of a retraining: the aliases that follow from its verdict, also when an earlier process began it and died."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from predictor import FolderRepository, RepositoryError
from predictor.artifact import read_bounded
from predictor.strict_json import read_json
from training.compare.versions import Version, open_version
from training.errors import DataError, TrainingError
from training.retrain.gate import Evidence, Passed, Refused
from training.retrain.setting import Setting
from training.signals import held_back

__all__ = ["FACTS", "SUMMARY", "Outcome", "Promote", "conclude", "facts_of", "is_promoted", "left_behind"]

Promote = Literal["never", "if-better", "always"]
FACTS, SUMMARY = "retrain.json", "retrain.md"
LIMIT = 16 * 2**20


@dataclass(frozen=True)
class Outcome:
    """What came of it: the version that was published, the verdict, whether it serves now, and a summary.

    `is_old` says that an earlier process has done all of it, to the last alias.
    """

    name: str
    version: int
    verdict: Passed | Refused
    promoted: bool
    summary: str
    is_old: bool = False


def is_promoted(promote: Promote, verdict: Passed | Refused) -> bool:
    """Whether a challenger becomes the champion at once."""
    return isinstance(verdict, Passed) and (promote == "always" or (promote == "if-better" and verdict.is_better))


def facts_of(setting: Setting, promote: Promote, evidence: Evidence, verdict: Passed | Refused) -> bytes:
    """Return what retrain.json holds: all that was measured, and what was asked for."""
    facts = {
        "verdict": asdict(verdict),
        "evidence": asdict(evidence),
        "checks": [asdict(finding) for finding in setting.findings],
        "asked": _asked(setting, promote),
    }
    return (json.dumps(facts, indent=2) + "\n").encode()


def conclude(repository: FolderRepository, outcome: Outcome, gain: object) -> bool:
    """Give a published version the aliases that its outcome says; return whether any changed. Raises RepositoryError.

    A version that was champion before and is not any more is not promoted again: somebody, or the service, has taken
    it back. `gain` is told with a promotion.
    """
    name, version = outcome.name, outcome.version
    if isinstance(outcome.verdict, Refused):
        return False
    before = repository.aliases(name)
    repository.set_alias(name, "challenger", version)
    was_taken_back = any(one.before == version for one in repository.promotions(name))
    if outcome.promoted and before.get("champion") != version and not was_taken_back:
        repository.promote(name, version, note=f"retrained: {gain or 'the gate passed'}")
    return repository.aliases(name) != before


def left_behind(models: Path, setting: Setting, made_of: Mapping[str, Any], promote: Promote) -> Outcome | None:
    """Finish the same retraining where an earlier process has published its challenger; None where none has.

    The same is one of the same data, recipe, code and libraries, `made_of`, with the same lines to hold and the same
    `promote`, compared with the same champion. Raises TrainingError where the aliases cannot be changed.
    """
    repository = FolderRepository(models)
    last = _last(models, setting)
    if last is None or not _is_same(last, setting, made_of):
        return None
    version = int(last.label.partition("@")[2])
    verdict, summary = _told(models / setting.name / str(version), _asked(setting, promote))
    if verdict is None:
        return None
    outcome = Outcome(setting.name, version, verdict, is_promoted(promote, verdict), summary)
    try:
        with held_back():
            has_changed = conclude(repository, outcome, last.predictor.lineage.get("gain"))
            champion = repository.aliases(setting.name).get("champion")
    except (RepositoryError, OSError) as error:
        raise TrainingError(f"the challenger {last.label} cannot get its alias: {error}") from error
    return replace(outcome, promoted=champion == version, is_old=not has_changed)


def _asked(setting: Setting, promote: Promote) -> dict[str, Any]:
    """Return what decides about a challenger beside what it is made of, as JSON holds it."""
    recipe = setting.recipe
    lines = {key: getattr(recipe, key).model_dump(mode="json") for key in ("promotion", "checks")}
    found: dict[str, Any] = json.loads(json.dumps({**lines, "promote": promote}))
    return found


def _last(models: Path, setting: Setting) -> Version | None:
    repository = FolderRepository(models)
    if setting.name not in repository.names():
        return None
    try:
        return open_version(models, f"{setting.name}@{repository.versions(setting.name)[-1]}")
    except DataError:  # whoever made a version that cannot be read, it is not this retraining's
        return None


def _is_same(version: Version, setting: Setting, made_of: Mapping[str, Any]) -> bool:
    """Whether a version is made of the same, and was compared with what is the champion, unless it is that itself."""
    lineage, champion = version.predictor.lineage, setting.champion
    parent = champion.label if champion else None
    is_descendant = version.label == parent or lineage.get("parent") == parent
    is_made_of = all(lineage.get(key) == value for key, value in made_of.items())
    return is_descendant and is_made_of and version.predictor.recipe == setting.recipe.record()


def _told(folder: Path, asked: Mapping[str, Any]) -> tuple[Passed | Refused | None, str]:
    """Read a verdict and its summary beside a version; no verdict where something else was asked for."""
    try:
        facts = read_json(read_bounded(folder / FACTS, LIMIT))
        summary = read_bounded(folder / SUMMARY, LIMIT).decode()
        verdict = facts["verdict"]
        if facts["asked"] != asked:
            return None, ""
        if "reasons" in verdict:
            return Refused(tuple(map(str, verdict["reasons"]))), summary
        return Passed(is_better=verdict["is_better"] is True), summary
    except (OSError, ValueError, KeyError, TypeError):
        return None, ""
