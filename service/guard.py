"""Who may do what: API keys and their scopes, and the administrator's token."""

import hmac
from collections.abc import Mapping

from service.keys import SCOPES, KeyRing
from service.problems import Problem

__all__ = ["Guard"]

PUBLIC, ADMIN = "public", "admin"


class Guard:
    """Lets those pass who may.

    Without `keys` all but the administrative routes are open; `feedback_scope` is one that feedback is taken for
    beside its own. `open` are the kinds of access that nothing needs to be shown for.
    """

    def __init__(self, keys: KeyRing | None, admin_token: bytes | None, feedback_scope: str) -> None:
        self._keys = keys
        self._admin_token = admin_token
        self._granted = {"feedback": {"feedback", feedback_scope}}
        self.open = frozenset({PUBLIC, *SCOPES} - {ADMIN} if keys is None else {PUBLIC})

    def identified(self, access: str, headers: Mapping[str, str]) -> str | None:
        """Find out who asks for access that is not open: the name of a key, None for the administrator.

        Problem 401 without a known key or token, 403 with one that may not; LimitError with one too often.
        """
        scheme, _, text = headers.get("authorization", "").partition(" ")
        bearer = text.strip() if scheme.lower() == "bearer" else ""
        is_admin = access == ADMIN
        if is_admin and self._is_administrator(bearer):
            return None
        given = bearer or headers.get("x-api-key", "")
        if not given:
            needed = "the administrator's token" if is_admin else "an API key"
            raise _unauthorized(f"This route needs {needed}.")
        key = self._keys.find(given) if self._keys is not None else None
        if key is None and not is_admin:
            raise _unauthorized("The API key is not known.")
        if key is None or key.scopes.isdisjoint(self._granted.get(access) or {access}):
            raise Problem(403, f"What was sent does not allow this: it needs the scope '{access}'.")
        return key.name

    def _is_administrator(self, bearer: str) -> bool:
        token = self._admin_token
        return token is not None and hmac.compare_digest(bearer.encode("latin-1"), token)


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, headers=[("www-authenticate", "Bearer")])
