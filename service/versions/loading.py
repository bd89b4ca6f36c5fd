"""Loads and proves versions of models, by what a repository says or by what another process planned."""

import json
from dataclasses import asdict, replace
from typing import Any

from predictor import ArtifactError, Repository, RepositoryError, load_bytes, prove
from predictor.artifact import OversizedError
from service.observer import Observer
from service.versions.catalog import CHAMPION, REASONS, Catalog, ModelEntry, RefusalCode, Served, VersionState
from service.versions.watching import rollback_of, watch_of

__all__ = ["Loader", "plan_of", "without_what_is_new"]


class Loader:
    """Loads and proves single versions; each is loaded once as long as it is in use.

    Unless ``batch_invariant`` the last bits of an answer may depend on the rows that it is computed with.
    """

    def __init__(self, repository: Repository, observer: Observer, *, batch_invariant: bool = True) -> None:
        self._repository = repository
        self._observer = observer
        self._batch_invariant = batch_invariant

    def entry(self, name: str, old: ModelEntry | None) -> ModelEntry:
        """Bring one model to what its aliases say; a version that cannot be loaded leaves the old one serving."""
        try:
            aliases = dict(self._repository.aliases(name))
            versions = self._repository.versions(name)
        except (RepositoryError, OSError) as error:
            self.report(f"the aliases of model {name} cannot be read", error, model=name)
            kept = old or ModelEntry(name)
            trouble = f"the aliases of model {name} cannot be read"
            return replace(kept, trouble=trouble)
        wanted = aliases or ({CHAMPION: max(versions)} if versions else {})
        needed = {*wanted.values(), *(_beside(old) & {*versions} if old else ())}
        states = {version: self._state(name, version, old) for version in sorted(needed)}
        serving: dict[str, Served] = {}
        for alias, version in wanted.items():
            served = states[version].served or (old.serving.get(alias) if old else None)
            if served is not None:
                serving[alias] = served
                states.setdefault(served.version, VersionState("ready", served=served))
        return ModelEntry(name, wanted, serving, states)

    def catalog(self, plan: dict[str, Any], known: Catalog) -> tuple[Catalog, bool]:
        """Load what a plan names; return it, and whether nothing was missing."""
        models = {name: self._planned(name, said, known.models.get(name)) for name, said in plan["models"].items()}
        wanted = sum(len(said["serving"]) for said in plan["models"].values())
        is_whole = wanted == sum(len(entry.serving) for entry in models.values())
        return Catalog(models, plan["default"], plan["trouble"]), is_whole

    def _planned(self, name: str, said: dict[str, Any], old: ModelEntry | None) -> ModelEntry:
        states: dict[int, VersionState] = {}
        for version, (state, reason, code) in said["versions"].items():
            refused = VersionState(state, reason, code)
            states[int(version)] = self._state(name, int(version), old) if state == "ready" else refused
        found = {alias: states[version].served for alias, version in said["serving"].items()}
        serving = {alias: served for alias, served in found.items() if served is not None}
        watches = {alias: watch_of(watch) for alias, watch in said["watches"].items()}
        rollbacks = {alias: rollback_of(back) for alias, back in said["rollbacks"].items()}
        return ModelEntry(name, said["aliases"], serving, states, said["trouble"], watches, rollbacks)

    def _state(self, name: str, version: int, old: ModelEntry | None) -> VersionState:
        known = old.versions.get(version) if old else None
        if known is not None and known.served is not None:
            return known
        state = self._load(name, version)
        if state.served is not None:
            self._observer.noted("reload_ok", model=name)
            self._observer.reported("info", "model loaded", model=name, version=version)
        return state

    def _load(self, name: str, version: int) -> VersionState:
        try:
            predictor = load_bytes(self._repository.read(name, version), source=f"{name}/{version}")
            if not self._batch_invariant:
                predictor = replace(predictor, network=replace(predictor.network, batch_invariant=False))
            prove(predictor)
        except ArtifactError as error:
            reason = f"{error.member}: {error.reason}" if error.member else error.reason
            code = _code(error.member)
            self.report("a model failed to load", error, model=name, version=version, code=code)
            return VersionState("failed", reason, code)
        except (RepositoryError, OSError, MemoryError) as error:
            code = "oversized" if isinstance(error.__cause__, OversizedError) else "unreadable"
            self.report("a model failed to load", error, model=name, version=version, code=code)
            return VersionState("failed", REASONS[code], code)
        return VersionState("ready", served=Served(name, version, predictor))

    def report(self, message: str, error: BaseException, **fields: Any) -> None:
        """Count and log what went wrong."""
        self._observer.noted("reload_failed", model=str(fields.get("model", "")))
        self._observer.reported("error", message, reason=str(error), **fields)


def _beside(entry: ModelEntry) -> set[int]:
    """Return the versions that no alias may name and that are needed all the same."""
    return {watch.beside for watch in entry.watches.values()} | {back.to for back in entry.rollbacks.values()}


def _code(member: str | None) -> RefusalCode:
    known: dict[str, RefusalCode] = {"golden": "golden", "manifest": "manifest"}
    return "damaged" if member is None else known.get(member, "arrays")


def plan_of(catalog: Catalog) -> bytes:
    """Write down what a catalog serves, so that another process can load the same."""
    models = {
        name: {
            "aliases": dict(entry.aliases),
            "serving": {alias: served.version for alias, served in entry.serving.items()},
            "versions": {str(v): [state.state, state.reason, state.code] for v, state in entry.versions.items()},
            "trouble": entry.trouble,
            "watches": {alias: asdict(watch) for alias, watch in entry.watches.items()},
            "rollbacks": {alias: asdict(back) for alias, back in entry.rollbacks.items()},
        }
        for name, entry in catalog.models.items()
    }
    return json.dumps({"models": models, "default": catalog.default, "trouble": catalog.trouble}).encode()


def without_what_is_new(new: Catalog, old: Catalog, observer: Observer) -> Catalog:
    """Leave out the versions that are not served yet: another process could not load one of them."""
    models = {}
    for name, entry in new.models.items():
        before = old.models.get(name, ModelEntry(name))
        states = dict(entry.versions)
        for version, state in entry.versions.items():
            known = before.versions.get(version)
            if state.served is not None and (known is None or known.served is None):
                states[version] = VersionState("failed", REASONS["worker"], "worker")
                observer.noted("reload_failed", model=name)
                observer.reported("error", "a model failed to load", model=name, version=version, code="worker")
        serving = {
            alias: kept
            for alias, served in entry.serving.items()
            if (kept := served if states[served.version].served else before.serving.get(alias)) is not None
        }
        states |= {kept.version: before.versions[kept.version] for kept in serving.values()}
        models[name] = replace(entry, serving=serving, versions=states)
    return replace(new, models=models)
