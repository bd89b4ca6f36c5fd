"""Checkpoints: what a fit needs to go on when its process is gone, in one file beside the models."""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from network import EpochRecord, State
from predictor.archive import read_archive, write_archive
from predictor.errors import RefusedError
from predictor.repository import sync_folder, write_file
from predictor.wording import shown
from training.errors import Interrupted, TrainingError
from training.recipe import Checkpoint
from training.signals import Held

__all__ = ["Checkpoints", "Found", "Keeper", "UnusableError"]

FOLDER = ".checkpoints"
FORMAT = 1
DOCUMENT = "checkpoint.json"
KEY_LETTERS = 16
WORTH_S = 5.0
"""The end of a fit is kept when so much would have to be done again; what comes after it may be interrupted, too."""
DIFFERENCES_SHOWN = 3
UNREADABLE = (OSError, RefusedError, ValueError, KeyError, TypeError)


@dataclass(frozen=True, eq=False)
class Found:
    """A checkpoint: of what, after which epoch, and the state to go on from."""

    identity: Mapping[str, Any]
    epoch: int
    state: State


class UnusableError(TrainingError):
    """There are checkpoints, but none to go on from: `why`, and what whoever asked for one may do about it."""

    def __init__(self, why: str, advice: str) -> None:
        self.why = why
        super().__init__(f"--resume: {why}; {advice}")


class Checkpoints:
    """The checkpoints of one fit of one model: the last, and the one before it should the last be damaged.

    They lie in a folder of the repository that its readers pass over, so that one volume is all a container needs.
    ``identity`` is everything that decides what comes out: data, recipe, code, libraries. ``epoch`` is the last one
    that is kept, if any.
    """

    def __init__(self, models: Path, name: str, identity: Mapping[str, Any]) -> None:
        self.epoch: int | None = None
        self._identity = json.loads(json.dumps(identity))
        self._name = name
        self._folder = models / FOLDER
        key = hashlib.sha256(json.dumps(self._identity, sort_keys=True).encode()).hexdigest()[:KEY_LETTERS]
        self._last = self._folder / f"{name}.{key}.npz"
        self._before = self._folder / f"{name}.{key}.before.npz"
        self._new = self._folder / f"{name}.{key}.new"

    def exists(self) -> bool:
        """Whether there is something of this very fit to go on from."""
        return self._last.exists() or self._before.exists()

    def save(self, state: State, epoch: int) -> None:
        """Write a checkpoint beside its place, sync it, and rename it into place. Raises OSError."""
        contents = _packed(Found(self._identity, epoch, state))
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            write_file(self._new, contents)
            if self._last.exists():
                self._last.replace(self._before)
            self._new.replace(self._last)
            sync_folder(self._folder)
        finally:
            self._new.unlink(missing_ok=True)
        self.epoch = epoch

    def load(self) -> tuple[Found | None, str]:
        """Return where to go on from, None for the beginning, and a sentence about it.

        Raises UnusableError when all that is there is damaged, or is of another fit.
        """
        faults = []
        for path in (self._last, self._before):
            try:
                found = _unpacked(path.read_bytes())
            except FileNotFoundError:
                continue
            except UNREADABLE as error:
                faults.append(f"{path.name} {_said(error)}")
                continue
            self.epoch = found.epoch
            return found, "; ".join([*faults, f"going on after epoch {found.epoch}"])
        if faults:
            raise UnusableError(f"no checkpoint is whole: {'; '.join(faults)}", "leave out --resume to begin anew")
        self._refuse_another()
        return None, f"there is no checkpoint of {self._name}: beginning with the first epoch"

    def discard(self) -> None:
        """Remove what is kept, once it is of no more use."""
        self.epoch = None
        with contextlib.suppress(OSError):  # what cannot be removed does no harm: it is of this fit alone
            for path in (self._last, self._before, self._new):
                path.unlink(missing_ok=True)
            self._folder.rmdir()  # unless other fits are kept there

    def _refuse_another(self) -> None:
        """Raise UnusableError when there are checkpoints of this model, but of other data, recipes or versions."""
        paths = [path for path in self._folder.glob(f"{self._name}.*.npz") if not path.name.endswith(".before.npz")]
        for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
            try:
                other = _unpacked(path.read_bytes())
            except UNREADABLE:
                continue
            differences = list(_differences(other.identity, self._identity))
            more = len(differences) - DIFFERENCES_SHOWN
            listed = ", ".join(differences[:DIFFERENCES_SHOWN]) + (f" and {more} more" if more > 0 else "")
            raise UnusableError(
                f"the checkpoint of {self._name} after epoch {other.epoch} is of another fit: {listed}",
                "ask for that fit, or leave out --resume to begin this one anew",
            )


class Keeper:
    """Keeps the state of a fit as often as the recipe wants it, and when the fit is interrupted."""

    def __init__(self, checkpoints: Checkpoints, often: Checkpoint, held: Held, err: TextIO) -> None:
        self._checkpoints = checkpoints
        self._often = often
        self._held = held
        self._err = err
        self._kept_s: float | None = None
        self._has_warned = False

    def __call__(self, record: EpochRecord, state: Any, *, is_last: bool) -> None:
        """Keep the state if it is time to. Raises Interrupted after an interrupt."""
        if self._kept_s is None:
            self._kept_s = record.seconds
        waited_s = record.seconds - self._kept_s
        if self._is_due(record.epoch, waited_s) or self._held.is_interrupted or (is_last and waited_s > WORTH_S):
            self._kept_s = record.seconds
            self._save(record.epoch, state())
        if self._held.is_interrupted:
            raise Interrupted

    def _is_due(self, epoch: int, waited_s: float) -> bool:
        often = self._often
        by_count = often.every_epochs is not None and epoch % often.every_epochs == 0
        return by_count or bool(often.every_minutes and waited_s >= 60 * often.every_minutes)

    def _save(self, epoch: int, state: State) -> None:
        """Save; a disk that takes no checkpoint is no reason to lose the fit as well."""
        try:
            self._checkpoints.save(state, epoch)
        except OSError as error:
            if self._has_warned:
                return
            self._has_warned = True
            self._err.write(f"warning: epoch {epoch} cannot be kept: {error.strerror or error}; the fit goes on\n")
            self._err.flush()


def _packed(found: Found) -> bytes:
    arrays: list[bytes] = []
    document = {
        "format": FORMAT,
        "identity": found.identity,
        "epoch": found.epoch,
        "state": _without_arrays(found.state, arrays),
    }
    members = [(f"{place}.npy", contents) for place, contents in enumerate(arrays)]
    return write_archive([(DOCUMENT, json.dumps(document).encode()), *members])


def _unpacked(contents: bytes) -> Found:
    """Read what `_packed` gives; UNREADABLE for anything else."""
    members = read_archive(contents)
    document = json.loads(bytes(members[DOCUMENT]))
    if document["format"] != FORMAT:
        raise ValueError(f"is of format {document['format']}, expected {FORMAT}")
    return Found(document["identity"], document["epoch"], _with_arrays(document["state"], members))


def _without_arrays(value: Any, arrays: list[bytes]) -> Any:
    """Return the value with a reference in the place of each array, whose bytes are added to `arrays`."""
    if isinstance(value, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, value, allow_pickle=False)
        arrays.append(buffer.getvalue())
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"dict": {key: _without_arrays(item, arrays) for key, item in value.items()}}
    return value


def _with_arrays(value: Any, members: Mapping[str, memoryview]) -> Any:
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {key: _with_arrays(item, members) for key, item in value["dict"].items()}
    return np.load(io.BytesIO(members[f"{value['array']}.npy"]), allow_pickle=False)


def _said(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror})"
    return "is damaged or cut short"


def _differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Say where two identities differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif old != new:
        yield f"{path} was {shown(json.dumps(old))} and is {shown(json.dumps(new))}"
