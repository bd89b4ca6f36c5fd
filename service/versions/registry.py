"""Keeps what is served at what the repository says, in all processes of one fork at once."""

import hashlib
import json
import threading
import time
from dataclasses import replace

from predictor import Repository, RepositoryError
from service.observer import Observer
from service.sharing.plans import Plans
from service.versions.catalog import Catalog, ModelEntry
from service.versions.loading import Loader, plan_of, without_what_is_new
from service.versions.succession import Succession

__all__ = ["Registry"]

MEND_S = 1.0
PATIENCE_S = 10.0
"""A worker that has not loaded a new version after so long loads it when it is next asked."""


class Registry:
    """Loads what the repository's aliases name, proves it, and changes over to it together with all other processes."""

    def __init__(
        self,
        repository: Repository,
        observer: Observer,
        default_model: str | None = None,
        plans: Plans | None = None,
        succession: Succession | None = None,
        *,
        batch_invariant: bool = True,
    ) -> None:
        self.repository = repository
        self._succession = succession
        self.plans = plans or Plans()
        self._loader = Loader(repository, observer, batch_invariant=batch_invariant)
        self._observer = observer
        self._default = default_model
        self._lock = threading.Lock()
        self._held = {0: Catalog(default=default_model)}  # by the number of the plan
        self._number = 0
        self._catalog = self._held[0]
        self._passed = 0  # a plan that this process cannot hold
        self._is_whole = True
        self._mended = 0.0

    @property
    def catalog(self) -> Catalog:
        """What is served now; the same in every process at any one time."""
        if self.plans.active != self._number:
            self._change_over()
        return self._catalog

    def refresh(self) -> Catalog:
        """Bring all processes to what the repository says now; what cannot be loaded is reported and left out."""
        with self.plans.leading():
            self._lead(self.token())
        return self.catalog

    def catch_up(self, retry_s: float) -> bool:
        """Refresh when the repository has changed, or to try again what failed `retry_s` ago; return whether it did.

        Another process that does the same already is left to it.
        """
        token = self.token()
        is_due = bool(self.catalog.faults()) and time.monotonic() - self.plans.tried >= retry_s
        if token == self.plans.token and not is_due:
            return False
        with self.plans.leading(waits=False) as is_leader:
            if is_leader and (is_due or token != self.plans.token):
                self._lead(token)
        return is_leader

    def judge(self) -> None:
        """Let one process end the watches over new versions that are over, and go back where a limit is broken."""
        if self._succession is None or not any(entry.watches for entry in self.catalog.models.values()):
            return
        with self.plans.leading(waits=False) as is_leader:
            if is_leader:
                old = self.catalog
                judged = {name: self._succession.judged(entry) for name, entry in old.models.items()}
                changed = {name: self._entry(name, new) for name, new in judged.items() if new is not old.models[name]}
                if changed:
                    self._propose(replace(old, models={**old.models, **changed}), old)

    @property
    def is_behind(self) -> bool:
        """Whether another process has proposed a plan that this one has not got ready for."""
        return self._awaits(self.plans.proposed)

    def follow(self) -> None:
        """Get ready for a plan that another process has proposed."""
        number = self.plans.proposed
        if self._awaits(number):
            found = self._made(number)
            if found is not None:
                self._hold(number, found)
        if not self._is_whole and time.monotonic() - self._mended >= MEND_S:
            self._mend()

    def _awaits(self, number: int) -> bool:
        return number > max(self.plans.active, self._passed) and number not in self._held

    def leave(self) -> None:
        """Take part no more: plans do not wait for this process."""
        self.plans.leave()

    def join(self, row: int) -> None:
        """Take part from now on, as the worker that counts in `row`: plans wait for it."""
        self.plans.join(row)
        self._change_over()
        self.plans.hold(self._number)
        self.follow()

    def token(self) -> int:
        """Return a number that changes with the repository; another one while that cannot be read."""
        try:
            state = repr(self.repository.fingerprint())
        except (RepositoryError, OSError):
            state = "unreadable"
        return int.from_bytes(hashlib.sha256(state.encode()).digest()[:7])

    def _lead(self, token: int) -> None:
        old = self.catalog
        new = self._read(old)
        # The token was taken before the read, so a change during it is seen at the next look.
        self.plans.note(token)
        if plan_of(new) != plan_of(old) or not self._number:
            self._propose(new, old)

    def _propose(self, new: Catalog, old: Catalog) -> None:
        if not self._offered(new):
            self._offered(without_what_is_new(new, old, self._observer))
        self.plans.activate(self.plans.proposed)

    def _offered(self, new: Catalog) -> bool:
        """Propose a catalog; return whether every process has loaded what it names."""
        number = self.plans.propose(plan_of(new))
        self._hold(number, new)
        return self.plans.settled(number, PATIENCE_S)

    def _read(self, old: Catalog) -> Catalog:
        try:
            names = sorted(self.repository.names())
        except (RepositoryError, OSError) as error:
            self._loader.report("the model repository cannot be read", error)
            return Catalog(old.models, old.default, "the model repository cannot be read")
        if old.models and not names:
            # A folder that was unmounted or moved away looks like this, and is no wish to stop serving.
            self._loader.report("the model repository is empty", RepositoryError("what was loaded serves on"))
            return Catalog(old.models, old.default, "the model repository is empty: what was loaded serves on")
        models = {name: self._entry(name, old.models.get(name)) for name in names}
        return Catalog(models, self._default or (names[0] if len(names) == 1 else None))

    def _entry(self, name: str, before: ModelEntry | None) -> ModelEntry:
        if self._succession is None:
            return self._loader.entry(name, before)
        before = before or self._succession.remembered(name)
        return self._succession.settled(self._loader.entry(name, before), before)

    def _made(self, number: int) -> Catalog | None:
        """Load what a plan names; None when it has given way to another, or this process cannot hold it."""
        plan = self.plans.read(number)
        if plan is None:
            return None
        found, is_whole = self._loader.catalog(json.loads(plan), self._catalog)
        if number == self.plans.active:
            self._is_whole, self._mended = is_whole, time.monotonic()
            return found
        if is_whole:
            return found
        self._passed = number
        self.plans.hold(number, is_possible=False)
        return None

    def _mend(self) -> None:
        """Try again to load what the active plan names and could not be loaded when this process came to it."""
        number = self._number
        found = self._made(number)
        if found is not None and self._is_whole:
            with self._lock:
                if number == self._number:
                    self._catalog = found

    def _hold(self, number: int, catalog: Catalog) -> None:
        with self._lock:
            self._held[number] = catalog
        self.plans.hold(number)

    def _change_over(self) -> None:
        while (number := self.plans.active) != self._number:
            found = self._held.get(number) or self._made(number)
            if found is not None:
                with self._lock:
                    self._held = {known: kept for known, kept in self._held.items() if known > number}
                    self._held[number] = found
                    self._catalog, self._number = found, number
