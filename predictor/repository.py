"""Where models live: names, versions that never change, and aliases that say which version answers.

The folder form, ``<root>/<name>/<version>/model.npz`` beside ``<root>/<name>/aliases.json`` and ``promotions.json``,
the record of the champions, changes in single atomic steps only (a rename), so that a reader never sees half of
anything.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from predictor.artifact import read_bounded
from predictor.errors import RepositoryError
from predictor.promotions import PROMOTIONS, Promotion, appended, read_promotions, render_promotions
from predictor.strict_json import read_json, write_json
from predictor.wording import hint, shown

__all__ = ["NAME", "VERSION", "FolderRepository", "Repository", "sync_folder", "write_file"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
LARGEST_VERSION = 999_999_999
MODEL = "model.npz"
ALIASES = "aliases.json"
ALIASES_LIMIT = 64 * 2**10
TEMPORARY = ".new-"
ABANDONED_S = 3600.0
"""After so long without a change a temporary folder belongs to nobody; a publication takes seconds."""


class Repository(Protocol):
    """What readers and writers of models rely on, whatever stores them. All methods may raise RepositoryError."""

    def names(self) -> list[str]:
        """Return the models that have a version, sorted."""

    def versions(self, name: str) -> list[int]:
        """Return a model's versions, rising."""

    def aliases(self, name: str) -> dict[str, int]:
        """Return the version behind each alias of a model."""

    def read(self, name: str, version: int) -> bytes:
        """Return the model file of a version."""

    def publish(self, name: str, files: Mapping[str, bytes]) -> int:
        """Store files, ``model.npz`` among them, as the next version, and return its number."""

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias name a version."""

    def promote(self, name: str, version: int, *, note: str = "", is_watched: bool = True) -> None:
        """Make a version the champion; the champion of before becomes "previous".

        `note` and `is_watched` are kept with the promotion.
        """

    def withdraw(self, name: str, failed: int, version: int, *, note: str) -> None:
        """Make a version the champion again instead of one that failed, which does not become "previous"."""

    def rollback(self, name: str, *, note: str = "") -> int:
        """Swap "champion" and "previous"; return the version that is the champion now."""

    def promotion(self, name: str) -> Promotion | None:
        """Return how the champion of now became it; None where that is not known."""

    def fingerprint(self) -> Hashable:
        """Return a token, cheap to compute, that changes with every change of names, versions or aliases."""


class FolderRepository:
    """A repository in a folder, which is made when the first model is published."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def names(self) -> list[str]:
        """Return the models that have a version, sorted; none where there is no folder."""
        return [name for name in self._folders(self.root, NAME) if self._versions(name)]

    def versions(self, name: str) -> list[int]:
        """Return a model's versions, rising. Raises RepositoryError when there is no such model."""
        versions = self._versions(name) if NAME.fullmatch(name) else []
        if not versions:
            known = self.names()
            near = hint(name, known) or (f"; known: {', '.join(known[:10])}" if known else "; there are none")
            raise RepositoryError(f"no model is called {shown(name)} in {self.root}{near}")
        return versions

    def aliases(self, name: str) -> dict[str, int]:
        """Return the version behind each alias of a model; none where nothing was promoted yet."""
        self.versions(name)
        return self._aliases(name)

    def read(self, name: str, version: int) -> bytes:
        """Return the model file of a version, read once."""
        self._check_version(name, version)
        try:
            return read_bounded(self.root / name / str(version) / MODEL)
        except OSError as error:
            raise RepositoryError(f"{name}/{version}/{MODEL} cannot be read: {error.strerror or error}") from error

    def publish(self, name: str, files: Mapping[str, bytes]) -> int:
        """Store files as the next version: written and synced beside their place, then renamed into it."""
        _check_plain(name, NAME, "a model's name", "letters, digits, _ and -")
        if MODEL not in files:
            raise RepositoryError(f"a version needs a {MODEL}")
        for file in files:
            _check_plain(file, FILE, "a file's name", "letters, digits, ., _ and -")
        with _translated(f"{name} cannot be published"):
            folder = self.root / name
            if folder.is_symlink():
                raise RepositoryError(f"{name} cannot be published: {folder} is a link")
            self.root.mkdir(parents=True, exist_ok=True)
            self._discard_abandoned()
            temporary = self.root / f"{TEMPORARY}{secrets.token_hex(8)}"
            try:
                _write_folder(temporary, files)
                folder.mkdir(exist_ok=True)  # not before: what cannot be written leaves no model without versions
                version = self._claim(temporary, name)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            sync_folder(folder)
            sync_folder(self.root)
        return version

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Let an alias name a version that exists."""
        _check_plain(alias, NAME, "an alias", "letters, digits, _ and -")
        self._check_version(name, version)
        with self._changing(name) as aliases:
            aliases[alias] = version

    def promote(self, name: str, version: int, *, note: str = "", is_watched: bool = True) -> None:
        """Make a version the champion; the champion of before becomes "previous"."""
        self._check_version(name, version)
        with self._changing(name) as aliases:
            self._crown(name, aliases, version, note, is_watched=is_watched)

    def succeed(self, name: str, version: int, before: int | None, *, note: str = "") -> None:
        """Make a version the champion in the place of `before`; RepositoryError where that is not champion any more."""
        self._check_version(name, version)
        with self._changing(name) as aliases:
            if aliases.get("champion") != before:
                raise RepositoryError(f"the champion of {name} is {aliases.get('champion')} by now, not {before}")
            self._crown(name, aliases, version, note, is_watched=True)

    def withdraw(self, name: str, failed: int, version: int, *, note: str) -> None:
        """Make a version the champion again instead of one that failed; RepositoryError where that is not champion.

        "previous" is then the champion before either, as far as that is on record, so that whoever goes back once more
        does not come to the one that failed.
        """
        self._check_version(name, version)
        with self._changing(name) as aliases:
            if aliases.get("champion") != failed:
                raise RepositoryError(f"the champion of {name} is {aliases.get('champion')} by now, not {failed}")
            aliases["champion"] = version
            earlier = (one.before for one in reversed(self._known(name)) if one.version == version)
            known = set(self.versions(name)) - {failed, version}
            previous = next((before for before in earlier if before in known), None)
            if previous is not None:
                aliases["previous"] = previous
            else:
                aliases.pop("previous", None)
            self._record(name, version, failed, note, is_watched=False)

    def rollback(self, name: str, *, note: str = "") -> int:
        """Swap "champion" and "previous"; return the version that is the champion now."""
        self.versions(name)
        with self._changing(name) as aliases:
            if "previous" not in aliases or "champion" not in aliases:
                raise RepositoryError(f"{name} has no previous champion to go back to")
            self._check_version(name, aliases["previous"])
            old, version = aliases["champion"], aliases["previous"]
            aliases["champion"], aliases["previous"] = version, old
            self._record(name, version, old, note or "rolled back", is_watched=False)
            return version

    def promotion(self, name: str) -> Promotion | None:
        """Return how the champion of now became it; None where its alias was changed otherwise."""
        record = self.promotions(name)
        return record[-1] if record and record[-1].version == self._aliases(name).get("champion") else None

    def promotions(self, name: str) -> list[Promotion]:
        """Return the changes of a model's champion that are on record, newest last."""
        self.versions(name)
        return read_promotions(self.root / name)

    def fingerprint(self) -> Hashable:
        """Return the times and inodes of each model's folder and aliases; a rename in a folder changes its time."""
        found = []
        for name in self._folders(self.root, NAME):
            for path in (self.root / name, self.root / name / ALIASES):
                try:
                    status = path.stat()
                except OSError:
                    continue
                found.append((name, status.st_mtime_ns, status.st_ino, status.st_size))
        return tuple(found)

    def _folders(self, parent: Path, pattern: re.Pattern[str]) -> list[str]:
        """Return the names of true subfolders that match; none where there is no parent."""
        try:
            with os.scandir(parent) as entries:
                return sorted(e.name for e in entries if pattern.fullmatch(e.name) and e.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RepositoryError(f"{parent} cannot be read: {error.strerror}") from error

    def _versions(self, name: str) -> list[int]:
        folder = self.root / name
        return [] if folder.is_symlink() else sorted(map(int, self._folders(folder, VERSION)))

    def _check_version(self, name: str, version: int) -> None:
        versions = self.versions(name)
        if version not in versions:
            shown_versions = ", ".join(map(str, versions[-10:]))
            raise RepositoryError(f"{name} has no version {version}; it has {shown_versions}")

    def _aliases(self, name: str) -> dict[str, int]:
        path = self.root / name / ALIASES
        try:
            found = read_json(read_bounded(path, ALIASES_LIMIT))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise RepositoryError(f"{name}/{ALIASES} cannot be read: {error}") from error
        if not isinstance(found, dict) or not all(map(_is_alias, found.items())):
            raise RepositoryError(f"{name}/{ALIASES} is not an object of aliases and version numbers")
        return found

    @contextmanager
    def _changing(self, name: str) -> Iterator[dict[str, int]]:
        """Let the block change a model's aliases, one writer at a time; an error in it changes nothing."""
        path = self.root / name / ALIASES
        with _translated(f"the aliases of {name} cannot be changed"):
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                aliases = self._aliases(name)
                before = dict(aliases)
                yield aliases
                if aliases != before:
                    _replace_file(path, write_json(aliases) + b"\n")
                os.fsync(folder)
            finally:
                os.close(folder)

    def _crown(self, name: str, aliases: dict[str, int], version: int, note: str, *, is_watched: bool) -> None:
        old = aliases.get("champion")
        if old is not None and old != version:
            aliases["previous"] = old
        aliases["champion"] = version
        self._record(name, version, old, note, is_watched=is_watched)

    def _record(self, name: str, version: int, before: int | None, note: str, *, is_watched: bool) -> None:
        """Put a change of the champion on record; the aliases must change after that, under the same lock."""
        record = appended(self._known(name), version, before, note, is_watched=is_watched)
        _replace_file(self.root / name / PROMOTIONS, render_promotions(record))

    def _known(self, name: str) -> list[Promotion]:
        try:
            return read_promotions(self.root / name)
        except RepositoryError:
            return []  # a damaged record keeps nobody from serving another version

    def _claim(self, temporary: Path, name: str) -> int:
        """Rename the folder to the next free version; another publisher may take a number first."""
        # The number of a version that is gone, but that an alias still names, would give the alias to this one.
        named = [*self._aliases(name).values(), *(one.version for one in self._known(name))]
        version = max([*self._versions(name), *named], default=0)
        while True:
            version += 1
            if version > LARGEST_VERSION:
                raise RepositoryError(f"{name} has no version number left")
            try:
                temporary.rename(self.root / name / str(version))
            except OSError:
                if not os.path.lexists(self.root / name / str(version)):
                    raise
            else:
                return version

    def _discard_abandoned(self) -> None:
        """Remove what killed publishers left; by age, as a living one may run in another container."""
        for path in self.root.glob(f"{TEMPORARY}*"):
            with contextlib.suppress(FileNotFoundError):  # another publisher was faster
                if abs(time.time() - path.lstat().st_mtime) > ABANDONED_S:  # a clock may have been ahead, too
                    shutil.rmtree(path, ignore_errors=True)


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, contents in files.items():
        write_file(folder / name, contents)
    sync_folder(folder)


def _replace_file(path: Path, contents: bytes) -> None:
    """Write a file beside its place and rename it into it; what cannot be written whole is removed. Raises OSError."""
    temporary = path.parent / f"{TEMPORARY}{path.name}"
    try:
        write_file(temporary, contents)
        temporary.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_file(path: Path, contents: bytes) -> None:
    """Write a file and wait until it is on the disk. Raises OSError."""
    with path.open("wb") as file:
        file.write(contents)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise RepositoryError(f"{what}: {error.strerror or error}{place}") from error


def _check_plain(text: str, pattern: re.Pattern[str], what: str, allowed: str) -> None:
    if not pattern.fullmatch(text):
        raise RepositoryError(
            f"{shown(text)} cannot be {what}: expected 1 to 64 {allowed}, beginning with a letter or digit"
        )


def _is_alias(item: tuple[str, object]) -> bool:
    alias, version = item
    is_number = isinstance(version, int) and not isinstance(version, bool) and 1 <= version <= LARGEST_VERSION
    return is_number and NAME.fullmatch(alias) is not None
