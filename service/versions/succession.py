"""What follows a change of a champion: a watch over the new one, and its end, or the way back."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from predictor import Promotion, Repository, RepositoryError
from service.observer import Observer
from service.sharing.memory import Memory
from service.versions.catalog import CHAMPION, ModelEntry, VersionState
from service.versions.evidence import Evidence
from service.versions.splitting import Rule
from service.versions.verdicts import Breach, Figures, Limits
from service.versions.watching import Rollback, Watch, rollback_of

__all__ = ["Succession"]

NEVER = float("inf")


class Succession:
    """Decides which versions are watched beside which, and what serves after one has broken a limit.

    It holds nothing: what was decided goes with the entry of a model, from process to process.
    """

    def __init__(
        self,
        limits: Limits,
        canaries: Mapping[str, Rule],
        repository: Repository,
        *,
        evidence: Evidence,
        memory: Memory,
        observer: Observer,
    ) -> None:
        self._limits = limits
        self._canaries = canaries
        self._repository = repository
        self._evidence = evidence
        self._memory = memory
        self._observer = observer

    def remembered(self, name: str) -> ModelEntry | None:
        """Return what an earlier run of the service has left of a model: the versions that it rolled back."""
        try:
            known = self._memory.read().get("rollbacks", {}).get(name, {})
            rollbacks = {alias: rollback_of(back) for alias, back in known.items()}
        except (OSError, AttributeError, KeyError, TypeError) as error:
            message = "what was rolled back before the start cannot be read"
            self._observer.reported("warning", message, model=name, reason=str(error))
            return None
        return ModelEntry(name, rollbacks=rollbacks) if rollbacks else None

    def _remember(self, name: str, rollbacks: Mapping[str, Rollback]) -> None:
        try:
            with self._memory.changing() as known:
                known.setdefault("rollbacks", {})[name] = {alias: asdict(back) for alias, back in rollbacks.items()}
        except (OSError, AttributeError, TypeError) as error:
            message = "what was rolled back cannot be kept for the next start"
            self._observer.reported("warning", message, model=name, reason=str(error))

    def settled(self, entry: ModelEntry, before: ModelEntry | None) -> ModelEntry:
        """Put a model as its repository has it beside what was served before: what was held back stays so."""
        if entry.trouble:
            return entry
        promotion = self._promotion(entry.name)
        entry = _held_back(entry, before, promotion)
        watches = {}
        for watch in (self._over_champion(entry, before, promotion), self._over_canary(entry, before)):
            state = None if watch is None else _state(watch.beside, entry, before)
            if watch is not None and state is not None:
                entry = replace(entry, versions={**entry.versions, watch.beside: state})
                is_new = before is None or watch not in before.watches.values()
                watches[watch.alias] = self._opened(watch, entry) if is_new else watch
        return replace(entry, watches=watches)

    def _opened(self, watch: Watch, entry: ModelEntry) -> Watch:
        self._say("info", "a version is watched", entry, watch)
        return replace(watch, judged=tuple(self._evidence.judged(entry.name, watch.version)))

    def judged(self, entry: ModelEntry) -> ModelEntry:
        """End the watches of a model that have passed, and go back from versions that broke a limit."""
        for watch in entry.watches.values():
            figures = self._evidence.figures(entry, watch)
            if figures is None or figures.answers < self._limits.answers:
                continue
            found = Breach.found(figures, self._limits, watch.beside)
            if found is not None:
                entry = self._gone_back(entry, watch, found, figures)
            elif time.time() >= (watch.until or NEVER):
                self._say("info", "a watched version has passed", entry, watch, figures=figures.said())
                entry = _without(entry, watch)
        return entry

    def _over_champion(self, entry: ModelEntry, before: ModelEntry | None, promotion: Promotion | None) -> Watch | None:
        served = entry.serving.get(CHAMPION)
        if served is None or CHAMPION in entry.rollbacks or not (promotion is None or promotion.is_watched):
            return None
        running = before.watches.get(CHAMPION) if before else None
        if running is not None and (running.version, running.promotion) == (served.version, promotion):
            return running
        if before is None or CHAMPION not in before.serving:
            return self._resumed(promotion)
        if promotion is None and before.aliases.get("previous") == served.version:
            return None  # a way back, made by hand
        # One that was itself still watched is nothing to compare with, or to go back to.
        beside = running.beside if running else before.serving[CHAMPION].version
        now = time.time()
        return _begun(CHAMPION, (served.version, beside), now, now + self._limits.window_s, promotion)

    def _resumed(self, promotion: Promotion | None) -> Watch | None:
        """Go on with the watch that an earlier run of the service must have begun."""
        if promotion is None or promotion.before is None:
            return None
        now = time.time()
        since = min(promotion.seconds, now)  # a clock that was ahead when it was promoted makes no watch of years
        until = since + self._limits.window_s
        if now >= until:
            return None
        return _begun(CHAMPION, (promotion.version, promotion.before), since, until, promotion)

    def _over_canary(self, entry: ModelEntry, before: ModelEntry | None) -> Watch | None:
        rule = self._canaries.get(entry.name)
        if rule is None or rule.alias in entry.rollbacks:
            return None
        served, champion = entry.serving.get(rule.alias), entry.serving.get(CHAMPION)
        if served is None or champion is None or _was_rolled_back(entry, served.version):
            return None
        running = before.watches.get(rule.alias) if before else None
        if running is not None and (running.version, running.beside) == (served.version, champion.version):
            return running
        return _begun(rule.alias, (served.version, champion.version), time.time())

    def _gone_back(self, entry: ModelEntry, watch: Watch, found: Breach, figures: Figures) -> ModelEntry:
        stands: int | None = watch.version
        promotion = None
        if watch.alias == CHAMPION:
            stands, promotion = self._moved(entry.name, watch, found), self._promotion(entry.name)
        if stands is None:
            return entry  # what was promoted instead is to be compared with the same version as this one
        entry = _without(entry, watch)
        reason, detail = found
        back = Rollback(watch.alias, watch.version, watch.beside, reason, detail, time.time(), stands, promotion)
        self._observer.rolled_back(entry.name, reason)
        more = {"reason": reason, "detail": detail, "is_held": back.is_held}
        self._say("error", "a version was rolled back", entry, watch, figures=figures.said(), **more)
        rollbacks = {**entry.rollbacks, watch.alias: back}
        self._remember(entry.name, rollbacks)
        return replace(entry, rollbacks=rollbacks)

    def _moved(self, name: str, watch: Watch, found: Breach) -> int | None:
        """Let the alias name the version of before; return what it names now, None when somebody else was faster."""
        note = f"version {watch.version} was rolled back: {found.detail}"
        try:
            if self._repository.aliases(name).get(CHAMPION, watch.version) != watch.version:
                return None
            self._repository.withdraw(name, watch.version, watch.beside, note=note)
        except (RepositoryError, OSError) as error:
            message = "the repository cannot be changed: the service holds the version back by itself"
            self._observer.reported("warning", message, model=name, version=watch.version, reason=str(error))
            return watch.version
        return watch.beside

    def _promotion(self, name: str) -> Promotion | None:
        try:
            return self._repository.promotion(name)
        except (RepositoryError, OSError) as error:
            self._observer.reported("warning", "the record of promotions cannot be read", model=name, reason=str(error))
            return None

    def _say(self, level: str, message: str, entry: ModelEntry, watch: Watch, **more: Any) -> None:
        said: dict[str, Any] = {
            "model": entry.name,
            "alias": watch.alias,
            "version": watch.version,
            "beside": watch.beside,
        }
        self._observer.reported(level, message, **(said | more))


def _begun(
    alias: str,
    versions: tuple[int, int],
    since: float,
    until: float | None = None,
    promotion: Promotion | None = None,
) -> Watch | None:
    """Return a new watch over the first version beside the second, None where they are the same."""
    version, beside = versions
    return None if beside == version else Watch(time.time_ns(), alias, version, beside, since, until, promotion)


def _state(version: int, entry: ModelEntry, before: ModelEntry | None) -> VersionState | None:
    """Return the state of a version that is loaded, also where no alias names it any more."""
    served = entry.loaded(version) or (before.loaded(version) if before else None)
    return None if served is None else VersionState("ready", served=served)


def _was_rolled_back(entry: ModelEntry, version: int) -> bool:
    return any(back.version == version for back in entry.rollbacks.values())


def _held_back(entry: ModelEntry, before: ModelEntry | None, promotion: Promotion | None) -> ModelEntry:
    """Keep what was rolled back as long as nobody has decided anew; a held champion does not answer."""
    known = before.rollbacks if before else {}
    rollbacks = {
        alias: back
        for alias, back in known.items()
        if entry.aliases.get(alias) == back.stands and (alias != CHAMPION or back.promotion == promotion)
    }
    serving = dict(entry.serving)
    held = rollbacks.get(CHAMPION)
    states = dict(entry.versions)
    if held is not None and held.is_held:
        state = _state(held.to, entry, before)
        if state is None or state.served is None:
            del rollbacks[CHAMPION]
        else:
            serving[CHAMPION], states[held.to] = state.served, state
    return replace(entry, serving=serving, versions=states, rollbacks=rollbacks)


def _without(entry: ModelEntry, watch: Watch) -> ModelEntry:
    return replace(entry, watches={alias: other for alias, other in entry.watches.items() if other is not watch})
