"""Where a log store is: an SQLite file or a PostgreSQL database, by its URL."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

__all__ = ["Place", "PlaceError", "place_of"]

FORMS = "sqlite:////data/log.db, or postgresql://user@host/database"
SECRET_LIMIT = 4096
SCHEMES = {"sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql"}


class PlaceError(ValueError):
    """A text that names no log store, or one that cannot be used here; the message is one sentence."""


@dataclass(frozen=True)
class Place:
    """A store by its kind and its address: the path of a file, or the URL of a database, without its password."""

    kind: Literal["sqlite", "postgresql"]
    address: str
    password_file: Path | None = field(default=None, repr=False)

    def password(self) -> str | None:
        """Read the password, None without a file of one; PlaceError when it cannot be read."""
        if self.password_file is None:
            return None
        try:
            with self.password_file.open(encoding="utf-8") as file:
                return file.read(SECRET_LIMIT).strip()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise PlaceError(f"the file of the log store's password cannot be read: {reason}") from error


def place_of(text: str, password_file: Path | None = None) -> Place:
    """Read a URL, or the path of an SQLite file; PlaceError says what is expected.

    ``sqlite:///log.db`` is a relative path and ``sqlite:////data/log.db`` an absolute one, as SQLAlchemy has it;
    a URL of PostgreSQL is what its own clients take, without a password.
    """
    if "://" not in text:
        return _file(text)
    parts = urlsplit(text)
    kind = SCHEMES.get(parts.scheme)
    if kind is None:
        raise PlaceError(f"expected {FORMS}; found a URL that begins with {parts.scheme[:32]!r}")
    if kind == "sqlite":
        if parts.netloc or parts.query or parts.fragment:
            raise PlaceError("expected sqlite:/// and the path of a file, with nothing before or after it")
        return _file(unquote(parts.path[1:]))
    if parts.password is not None or "password" in parts.query.lower():
        raise PlaceError("a URL is seen by all who see processes and logs: put the password into a file of its own")
    place = Place("postgresql", text, password_file)
    place.password()
    return place


def _file(path: str) -> Place:
    if not path or "\0" in path:
        raise PlaceError(f"expected {FORMS}; found no path of a file")
    return Place("sqlite", path)
