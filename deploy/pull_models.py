"""Keep the folder that a service watches like the branch `models` of a Git repository; call it once a minute, say.

    python -m deploy.pull_models URL FOLDER

A version is there as a whole before an alias names it. An alias is moved when the branch has moved it since the last
call, so that what was rolled back in the folder itself stays rolled back until somebody decides anew.
"""

import fcntl
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from predictor import FolderRepository, RepositoryError
from predictor.repository import sync_folder, write_file

__all__ = ["main"]

BRANCH = "refs/heads/models"
PULLED = "refs/pulled/{}"
VERSION_PATH = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9_-]{0,63})/(?P<version>[1-9][0-9]{0,8})", re.ASCII)
ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
FILE = re.compile(r"100644 blob [0-9a-f]+\t(?P<file>[A-Za-z0-9][A-Za-z0-9._-]{0,63})", re.ASCII)
DONE, BAD_INPUT, USAGE = 0, 2, 64


class _PullError(Exception):
    """Git refuses something; the message is its own."""


@dataclass(frozen=True)
class _Branch:
    """A bare clone of the branch, without its history."""

    folder: Path

    def git(self, *words: str) -> bytes:
        try:
            command = ["git", f"--git-dir={self.folder}", *words]
            return subprocess.run(command, capture_output=True, check=True).stdout  # noqa: S603 - no shell
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise _PullError(f"git {words[0]}: {said}") from error

    def fetch(self, url: str) -> None:
        if not self.folder.exists():
            self.git("init", "--quiet", "--bare")
        self.git("fetch", "--quiet", "--depth=1", "--end-of-options", url, f"+{BRANCH}:{BRANCH}")

    def versions(self) -> dict[str, list[int]]:
        """Return the versions of each model, rising."""
        listed = self.git("ls-tree", "-r", "-d", "--name-only", BRANCH).decode().splitlines()
        found: dict[str, list[int]] = {}
        for path in filter(None, map(VERSION_PATH.fullmatch, listed)):
            found.setdefault(path["name"], []).append(int(path["version"]))
        return {name: sorted(versions) for name, versions in found.items()}

    def files(self, path: str) -> dict[str, bytes]:
        """Return the plain files of a folder."""
        listed = self.git("ls-tree", f"{BRANCH}:{path}").decode().splitlines()
        names = [found["file"] for line in listed if (found := FILE.fullmatch(line))]
        return {name: self.git("cat-file", "blob", f"{BRANCH}:{path}/{name}") for name in names}

    def decisions(self, ref: str, name: str) -> Mapping[str, tuple[int, object]]:
        """Return the version of each alias at a commit, the champion's with the last entry of its record."""
        aliases = self._json(ref, f"{name}/aliases.json", {})
        record = self._json(ref, f"{name}/promotions.json", [])
        if not isinstance(aliases, dict) or not all(type(version) is int for version in aliases.values()):
            raise _PullError(f"{name}/aliases.json of the branch is not an object of aliases and version numbers")
        last = record[-1] if isinstance(record, list) and record else None
        return {alias: (version, last if alias == "champion" else None) for alias, version in aliases.items()}

    def _json(self, ref: str, path: str, otherwise: object) -> object:
        try:
            return json.loads(self.git("cat-file", "blob", f"{ref}:{path}"))
        except (_PullError, ValueError):
            return otherwise


def main(arguments: Sequence[str]) -> int:
    """Bring what is new; returns the exit code."""
    if len(arguments) != 2 or arguments[0].startswith("-"):  # noqa: PLR2004 - two words
        sys.stderr.write(f"{__doc__}")
        return USAGE
    folder = Path(arguments[1])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".pulling").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        branch, faults = _Branch(folder / ".branch.git"), []
        try:
            branch.fetch(arguments[0])
            for name, versions in branch.versions().items():
                faults += _followed(branch, folder, name, versions)
        except (_PullError, OSError) as error:
            faults.append(str(error))
    sys.stderr.writelines(f"error: {fault}\n" for fault in faults)
    return BAD_INPUT if faults else DONE


def _followed(branch: _Branch, folder: Path, name: str, versions: Sequence[int]) -> list[str]:
    """Bring one model; return what is wrong with it, which keeps no other model from being brought."""
    try:
        for version in versions:
            if not (folder / name / str(version)).exists():
                _bring(branch, folder, f"{name}/{version}")
                _say(f"{name} {version}: here")
        _decide(branch, FolderRepository(folder), name)
        branch.git("update-ref", PULLED.format(name), BRANCH)
    except (_PullError, RepositoryError, OSError) as error:
        return [f"{name}: {error}"]
    return []


def _bring(branch: _Branch, folder: Path, path: str) -> None:
    """Write a version beside its place and rename it into it."""
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as beside:
        whole = Path(beside) / "version"
        whole.mkdir()
        for name, contents in branch.files(path).items():
            write_file(whole / name, contents)
        sync_folder(whole)
        (folder / path).parent.mkdir(exist_ok=True)
        whole.rename(folder / path)


def _decide(branch: _Branch, repository: FolderRepository, name: str) -> None:
    """Move the aliases that the branch has moved, all or none; the champion first, as it moves "previous"."""
    before, now = branch.decisions(PULLED.format(name), name), branch.decisions(BRANCH, name)
    known = repository.versions(name)
    for alias, (version, _) in now.items():
        if version not in known or not ALIAS.fullmatch(alias):
            raise _PullError(
                f"aliases.json of the branch: {alias!r:.80} cannot mean {version}: there is no such version or alias"
            )
    for alias in sorted(now, key=lambda alias: alias != "champion"):
        version, entry = now[alias]
        if now[alias] == before.get(alias):
            continue
        if alias == "champion":
            decided = entry if isinstance(entry, dict) else {}
            note = str(decided.get("note") or "decided on the branch of the models")
            repository.promote(name, version, note=note, is_watched=decided.get("is_watched") is not False)
        else:
            repository.set_alias(name, alias, version)
        _say(f"{name} {version}: {alias}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
