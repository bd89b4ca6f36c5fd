"""Packed rows on disk: written once from the first to the last, read in blocks in any order."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError

__all__ = ["NUMBER_BYTES", "Packed", "RowFile", "scratch_folder"]

FOLDER = ".scratch"
BLOCK_BYTES = 2**18
FEWEST, MOST = 64, 8192
NUMBER_BYTES = 8

Packed = NDArray[np.float64]


class RowFile:
    """A file of rows, float64 (width,) each; ``block`` is how many are read at once, a power of two."""

    def __init__(self, path: Path, width: int) -> None:
        self.width = width
        self.rows = 0
        self.block = 1 << (min(max(BLOCK_BYTES // (NUMBER_BYTES * width), FEWEST), MOST).bit_length() - 1)
        self._file = path.open("w+b")

    @property
    def blocks(self) -> int:
        """How many blocks there are; the last may have fewer rows."""
        return -(-self.rows // self.block)

    def append(self, rows: Packed) -> None:
        """Write some more rows, (rows, width). Raises OSError."""
        self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def finish(self) -> None:
        """Hand everything to the system; from now on it may be read. Raises OSError."""
        self._file.flush()

    def read(self, start: int, into: Packed) -> None:
        """Fill a contiguous array, (rows, width), with the rows from ``start`` on."""
        view = into.data.cast("B")
        offset = start * self.width * NUMBER_BYTES
        while view.nbytes:
            got = os.preadv(self._file.fileno(), [view], offset)
            if not got:
                raise TrainingError("the file of encoded rows ended early: something else has changed it")
            view, offset = view[got:], offset + got

    def pieces(self, rows: int) -> Iterator[Packed]:
        """Yield all rows in order, so many at a time."""
        for start in range(0, self.rows, rows):
            piece = np.empty((min(rows, self.rows - start), self.width))
            self.read(start, piece)
            yield piece

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


@contextmanager
def scratch_folder(models: Path, *, needs: int) -> Iterator[Path]:
    """Make a folder for ``needs`` bytes beside the models, on the disk that will take the result; remove it after.

    What a killed process left there is removed first. Raises TrainingError where the disk has no room.
    """
    root = models / FOLDER
    made = [root] if models.exists() else [root, models]
    try:
        folder, lock = _made(root, needs)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
    finally:
        _remove_empty(made)


def _made(root: Path, needs: int) -> tuple[Path, int]:
    """Return a new folder and its lock, which tells others that it is in use."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(root)
        free = shutil.disk_usage(root).free
        if free < needs:
            raise TrainingError(
                f"{root}: packed rows need {needs / 1e9:.2f} GB of disk, {free / 1e9:.2f} GB are free; make room, or"
                " name another disk with --models"
            )
        folder = root / secrets.token_hex(8)
        folder.mkdir()
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise TrainingError(f"{root}: packed rows cannot be kept here: {error.strerror or error}") from error
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def _remove_abandoned(root: Path) -> None:
    """Remove the folders that no process holds any more."""
    for folder in root.iterdir():
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # something else is in it
            return
