"""What routes work with: the settings, whom to tell, and what is loaded, counted and kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from service.observer import Observer, QuietObserver
from service.observing.drift import DriftWatch
from service.settings import Settings
from service.truth.logbook import Logbook
from service.versions.evidence import Evidence
from service.versions.registry import Registry
from service.versions.shadow import Shadow
from service.versions.splitting import Rule

__all__ = ["Runtime"]


@dataclass
class Runtime:
    """The parts of one process that answers are made of; `service.application` makes it, and what runs beside it.

    `drift` and `logbook` are None where the settings want neither. `is_ending` tells that this process has been told
    to end.
    """

    settings: Settings
    observer: Observer
    registry: Registry
    evidence: Evidence
    canaries: Mapping[str, Rule]
    shadow: Shadow
    drift: DriftWatch | None
    logbook: Logbook | None
    is_ending: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether every alias that should serve is proven, and this process goes on serving."""
        return self.registry.catalog.is_ready and not self.is_ending

    def quiet(self) -> "Runtime":
        """Return the same to work with unseen: what it is used for is neither counted nor logged."""
        return replace(self, observer=QuietObserver())
