"""A few facts that all processes of one fork share, and that outlive them where there is a folder to keep them in."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.sharing.locking import SharedLock

__all__ = ["Memory"]

FILE = "ganglion.json"
LARGEST = 2**24


class Memory:
    """One JSON object in a file of the folder, or in memory that ends with the last process; made before the fork.

    What cannot be read as an object, after a crash in the middle of writing, begins anew. Raises OSError.
    """

    def __init__(self, folder: Path | None) -> None:
        if folder is None:
            self._file = os.memfd_create("memory")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(folder / FILE, flags, 0o600)
        self._lock = SharedLock(self._file)

    def read(self) -> dict[str, Any]:
        """Return what is known; changes to it change nothing."""
        with self._lock.held():
            return self._read()

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """Let the block change what is known, while all others wait; an error in it changes nothing."""
        with self._lock.held():
            known = self._read()
            before = json.dumps(known)
            yield known
            after = json.dumps(known)
            if after != before:
                data = after.encode()
                os.pwrite(self._file, data, 0)
                os.ftruncate(self._file, len(data))
                os.fsync(self._file)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(os.pread(self._file, LARGEST, 0))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
