"""Which version answers a request."""

from collections.abc import Mapping

from service.messages import Request
from service.versions.catalog import CHAMPION, Catalog, ModelEntry, Served
from service.versions.splitting import Rule

__all__ = ["named_by", "served_for", "shadow_for"]

Rules = Mapping[str, Rule]  # by the name of the model
SESSION_KEY = "x-session-key"


def named_by(request: Request, catalog: Catalog) -> Served:
    """Find what the path's name, version or alias names; NotServedError or NotReadyError when nothing answers."""
    part = request.parameters.get
    return catalog.current(part("name"), version=part("version"), alias=part("alias"))


def served_for(request: Request, catalog: Catalog, canaries: Rules) -> Served:
    """Find the same to predict with it: a split may choose another version, and the request is counted for it."""
    part = request.parameters.get
    version, alias = part("version"), part("alias")
    served = catalog.current(part("name"), version=version, alias=alias)
    if canaries and version is None and alias is None and request.method == "POST":
        rule = canaries.get(served.name)
        if rule is not None and rule.takes(split_key(request)):
            entry = catalog.models[served.name]
            other = entry.serving.get(rule.alias)
            # An alias that nothing stands behind, or whose version broke a limit, takes nothing from the champion.
            if other is not None and not _broke_a_limit(entry, rule.alias, other.version):
                served = other
    request.served = served
    return served


def _broke_a_limit(entry: ModelEntry, alias: str, version: int) -> bool:
    """Tell whether the alias was, or its version as the champion was rolled back."""
    return any(alias == name or back.version == version for name, back in entry.rollbacks.items())


def split_key(request: Request) -> bytes:
    """Return what decides on which side of a split a request falls: the session that it names, or its body."""
    session = request.headers.get(SESSION_KEY)
    return request.body if session is None else session.encode("latin-1")


def shadow_for(request: Request, catalog: Catalog, shadows: Rules) -> Served | None:
    """Find the version that computes a request beside the champion that answers it, None when there is none."""
    rule = shadows.get(request.served.name)
    if rule is None or not rule.takes(split_key(request)):
        return None
    entry = catalog.models.get(rule.model)
    if entry is None or entry.serving.get(CHAMPION) is not request.served:
        return None
    other = entry.serving.get(rule.alias)
    return None if other is request.served else other
