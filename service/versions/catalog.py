"""Which models are loaded, in which state and why: values that a reader takes once and that never change."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Literal

from predictor import Predictor
from predictor.drift import Bins
from predictor.repository import VERSION
from predictor.wording import shown
from service.versions.watching import Rollback, Watch

__all__ = [
    "CHAMPION",
    "REASONS",
    "Catalog",
    "ModelEntry",
    "NotReadyError",
    "NotServedError",
    "RefusalCode",
    "Served",
    "VersionState",
]

CHAMPION = "champion"
NAMED = 5


class NotServedError(LookupError):
    """No loaded model, version or alias has the name that was asked for."""


class NotReadyError(LookupError):
    """The model is known, but no proven version of it can answer."""


@dataclass(frozen=True, eq=False)
class Served:
    """One proven version of a model: compared by identity, shared by every request that it answers."""

    name: str
    version: int
    predictor: Predictor

    @cached_property
    def width(self) -> int:
        """How many features a row has."""
        return len(self.predictor.schema.names)

    @cached_property
    def parameters(self) -> int:
        """How many parameters the network has: what a row costs goes by it."""
        return int(self.predictor.network.parameters.flat.size)

    @cached_property
    def bins(self) -> Bins:
        """What live rows are counted in, to be compared with those of training."""
        return Bins(self.predictor)


RefusalCode = Literal["damaged", "manifest", "arrays", "golden", "oversized", "unreadable", "worker"]
REASONS: dict[RefusalCode, str] = {
    "oversized": "its file is larger than any that is read",
    "unreadable": "its file cannot be read from the repository",
    "worker": "not every worker could load it",
}


@dataclass(frozen=True)
class VersionState:
    """What became of one version: "ready" with the model, or "failed" with the reason, in words and as a code."""

    state: Literal["ready", "failed"]
    reason: str | None = None
    code: RefusalCode | None = None
    served: Served | None = None


@dataclass(frozen=True)
class ModelEntry:
    """One model: the aliases its repository names, the version that answers for each, the state of each version.

    `watches` and `rollbacks` are by alias.
    """

    name: str
    aliases: Mapping[str, int] = field(default_factory=dict)
    serving: Mapping[str, Served] = field(default_factory=dict)
    versions: Mapping[int, VersionState] = field(default_factory=dict)
    trouble: str | None = None
    watches: Mapping[str, Watch] = field(default_factory=dict)
    rollbacks: Mapping[str, Rollback] = field(default_factory=dict)

    def loaded(self, version: int) -> Served | None:
        """Return a version that is loaded and proven, None when it is not."""
        state = self.versions.get(version)
        return state.served if state is not None else None

    def faults(self) -> list[str]:
        """Say which aliases point at a version that does not serve."""
        found = [self.trouble] if self.trouble else []
        for alias, version in self.aliases.items():
            state = self.versions.get(version)
            if state is not None and state.reason:
                found.append(f"alias {alias} of model {self.name}: version {version} failed: {state.reason}")
        for back in self.rollbacks.values():
            if back.is_held:
                said = f"version {back.version} was rolled back, version {back.to} answers: {back.detail}"
                found.append(f"alias {back.alias} of model {self.name}: {said}")
        return found

    @property
    def is_ready(self) -> bool:
        """Whether a proven version answers for every alias, and there is one."""
        return bool(self.serving) and self.aliases.keys() <= self.serving.keys()


@dataclass(frozen=True)
class Catalog:
    """All models at one moment."""

    models: Mapping[str, ModelEntry] = field(default_factory=dict)
    default: str | None = None
    trouble: str | None = None

    def current(self, name: str | None, *, version: str | None = None, alias: str | None = None) -> Served:
        """Find the version that answers for `name`, None meaning the default model.

        Raises NotServedError for a name that nothing has, NotReadyError while nothing proven stands behind it.
        """
        entry = self.entry(name)
        if version is not None:
            return self.version(entry, version)
        alias = alias or CHAMPION
        served = entry.serving.get(alias)
        if served is not None:
            return served
        if alias in entry.aliases or (alias == CHAMPION and not entry.aliases):
            raise NotReadyError(f"No proven version of model {shown(entry.name)} is loaded for alias {shown(alias)}.")
        raise NotServedError(f"Model {shown(entry.name)} has no alias {shown(alias)}; {_known(entry.aliases)}.")

    def entry(self, name: str | None) -> ModelEntry:
        """Find a model by name, None meaning the default one; NotServedError when there is none."""
        if name is None and self.default is None:
            if not self.models:
                raise NotReadyError("No model is loaded.")
            some = ", ".join(sorted(self.models)[:NAMED])
            raise NotServedError(
                f"Several models are loaded ({some}) and none is the default: "
                "name one in the path, /models/<name>/predict, or set GANGLION_DEFAULT_MODEL."
            )
        entry = self.models.get(name or self.default or "")
        if entry is None:
            called = f"No model is called {shown(name or self.default or '')}"
            raise NotServedError(f"{called}; {_known(self.models)}.")
        return entry

    @staticmethod
    def version(entry: ModelEntry, version: str) -> Served:
        """Find a loaded version of a model by its number as text."""
        state = Catalog.state(entry, version)
        if state.served is None:
            raise NotReadyError(f"Version {version} of model {shown(entry.name)} failed to load.")
        return state.served

    @staticmethod
    def state(entry: ModelEntry, version: str) -> VersionState:
        """Find what became of a version of a model by its number as text; NotServedError where none has it."""
        state = entry.versions.get(int(version)) if VERSION.fullmatch(version) else None
        if state is None:
            asked = f"No version {shown(version)} of model {shown(entry.name)} is loaded"
            raise NotServedError(f"{asked}; {_known(sorted(entry.versions, reverse=True))}.")
        return state

    def faults(self) -> list[str]:
        """Say what keeps an alias from serving what it should; empty when all is well."""
        found = [self.trouble] if self.trouble else []
        return found + [fault for entry in self.models.values() for fault in entry.faults()]

    @property
    def is_ready(self) -> bool:
        """Whether every alias that should serve is answered for by a proven version, and there is a model."""
        entries = self.models.values()
        known = self.default is None or self.default in self.models
        return bool(entries) and known and all(entry.is_ready for entry in entries)


def _known(names: Collection[object]) -> str:
    """Say which names would have been right, the first few of them."""
    more = f" and {len(names) - NAMED} others" if len(names) > NAMED else ""
    return f"known: {', '.join(map(str, islice(names, NAMED))) or 'none'}{more}"
