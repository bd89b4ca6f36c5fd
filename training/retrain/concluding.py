"""The end of a retraining: the aliases that follow from its verdict, also when an earlier process began it and died."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
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

__all__ = [
    "FACTS",
    "SUMMARY",
    "Outcome",
    "Promote",
    "another_champion",
    "conclude",
    "facts_of",
    "is_promoted",
    "left_behind",
]

Promote = Literal["never", "if-better", "always"]
FACTS, SUMMARY = "retrain.json", "retrain.md"
LIMIT = 16 * 2**20


@dataclass(frozen=True)
class Outcome:
    """What came of it: the version that was published, the verdict, whether it serves now, and a summary.

    `is_old` says that an earlier process has done all of it, to the last alias; `note` why it does not serve although
    that was asked for.
    """

    name: str
    version: int
    verdict: Passed | Refused
    promoted: bool
    summary: str
    is_old: bool = False
    note: str = ""


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


def another_champion(repository: FolderRepository, name: str, over: Version | None) -> str:
    """Say why the champion of now is not what a challenger was compared with, `over`; nothing where it is.

    Raises RepositoryError where that cannot be known.
    """
    number = repository.aliases(name).get("champion") if name in repository.names() else None
    if number != (None if over is None else over.number):
        return (
            f"the champion is {number} by now, which it was not compared with"
            if number
            else "no champion is there any more"
        )
    if over is None:
        return ""
    try:
        is_same = sha256(repository.read(name, over.number)).hexdigest() == over.digest
    except RepositoryError as error:
        return f"the champion that it was compared with is gone: {error}"
    return "" if is_same else f"the file of the champion, {over.label}, has changed since it was compared with it"


def conclude(repository: FolderRepository, outcome: Outcome, over: Version | None, gain: object) -> Outcome:
    """Give a published version the aliases that its outcome says; return what has come of it.

    It is promoted in the place of the champion that it was compared with, `over`, and of no other: there may be another
    by now, or its file be damaged, and nobody could go back to it. `gain` is told with a promotion. Raises
    TrainingError where an alias cannot be changed.
    """
    name, version = outcome.name, outcome.version
    if isinstance(outcome.verdict, Refused):
        return outcome
    try:
        repository.set_alias(name, "challenger", version)
        if not outcome.promoted or repository.aliases(name).get("champion") == version:
            return outcome
        other = another_champion(repository, name, over)
        if other:
            return replace(outcome, promoted=False, note=f"{other}; ")
        before = None if over is None else over.number
        repository.succeed(name, version, before, note=f"retrained: {gain or 'the gate passed'}")
    except (RepositoryError, OSError) as error:
        raise TrainingError(
            f"{name}@{version} passed and is published, but its aliases cannot be changed: {error}; the same with"
            " --resume goes on from here"
        ) from error
    return outcome


def left_behind(models: Path, setting: Setting, made_of: Mapping[str, Any], promote: Promote) -> Outcome | None:
    """Finish the same retraining where an earlier process has published its challenger; None where none has.

    The same is one of the same data, recipe, code and libraries, `made_of`, with the same lines to hold and the same
    `promote`, compared with the same champion. A version that was champion before and is not any more is not promoted
    again: somebody, or the service, has taken it back. Raises TrainingError where aliases cannot be read or changed.
    """
    last = _last(models, setting)
    if last is None or not _is_same(last, setting, made_of):
        return None
    verdict, summary = _told(models / setting.name / str(last.number), _asked(setting, promote))
    if verdict is None:
        return None
    repository = FolderRepository(models)
    try:
        before = repository.aliases(setting.name)
        was_taken_back = any(one.before == last.number for one in repository.promotions(setting.name))
    except RepositoryError as error:
        raise TrainingError(f"{last.label} is published, but {error}") from error
    promotes = is_promoted(promote, verdict) and not was_taken_back
    outcome = Outcome(setting.name, last.number, verdict, promotes, summary)
    with held_back():
        concluded = conclude(repository, outcome, setting.champion, last.predictor.lineage.get("gain"))
    now = repository.aliases(setting.name)
    return replace(concluded, promoted=now.get("champion") == last.number, is_old=now == before)


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
