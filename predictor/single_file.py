"""A repository of one model file: what a platform unpacks into a folder, or what a person has at hand."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import NoReturn

from predictor.artifact import read_bounded
from predictor.errors import RepositoryError
from predictor.wording import shown

__all__ = ["FileRepository"]

NAME = "model"
VERSION = 1


class FileRepository:
    """The file at a path as version 1 of a model called "model"; nothing can be published or promoted."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def names(self) -> list[str]:
        """Return the one name there is, none while there is no file."""
        return [NAME] if self.path.is_file() else []

    def versions(self, name: str) -> list[int]:
        """Return the one version there is. Raises RepositoryError for another name."""
        if name not in self.names():
            raise RepositoryError(f"no model is called {shown(name)}: {self.path} is the one model, called {NAME}")
        return [VERSION]

    def aliases(self, name: str) -> dict[str, int]:
        """Return the champion, the one version there is."""
        return dict.fromkeys(["champion"], self.versions(name)[0])

    def read(self, name: str, version: int) -> bytes:
        """Return the file, read once."""
        if version not in self.versions(name):
            raise RepositoryError(f"{self.path} is version {VERSION} of its model, there is no {version}")
        try:
            return read_bounded(self.path)
        except OSError as error:
            raise RepositoryError(f"{self.path} cannot be read: {error.strerror or error}") from error

    def publish(self, name: str, files: Mapping[str, bytes]) -> int:  # noqa: ARG002 - as every repository has it
        """Refuse."""
        self._refuse()

    def set_alias(self, name: str, alias: str, version: int) -> None:  # noqa: ARG002 - as every repository has it
        """Refuse."""
        self._refuse()

    def promote(self, name: str, version: int, **_: object) -> None:  # noqa: ARG002 - as every repository has it
        """Refuse."""
        self._refuse()

    def withdraw(self, name: str, failed: int, version: int, **_: object) -> None:  # noqa: ARG002 - the same
        """Refuse."""
        self._refuse()

    def rollback(self, name: str, **_: object) -> int:  # noqa: ARG002 - as every repository has it
        """Refuse."""
        self._refuse()

    def promotion(self, name: str) -> None:
        """Return nothing: the one version was always the champion."""

    def fingerprint(self) -> Hashable:
        """Return the time, inode and size of the file, None while there is none."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _refuse(self) -> NoReturn:
        raise RepositoryError(f"{self.path} is one model file, not a repository of versions")
