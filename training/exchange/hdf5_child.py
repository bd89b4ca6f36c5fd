"""A program of its own that turns HDF5 on standard input into an .npz of plain floats on standard output.

HDF5 is a large library in C, and a damaged file can make it loop or crash: here it takes nobody along. Nothing but
groups and plain arrays of floats is read; what is refused is said on standard error, with exit code 3.
"""

import contextlib
import io
import json
import resource
import sys
from typing import Any

import h5py
import numpy as np

__all__ = ["main"]

REFUSED = 3
SECONDS = 30
MEMORY = 2**32
SIZE_LIMIT = 2**29
DEEPEST, MOST_OBJECTS = 12, 4096
SHOWN, DOUBLE = 64, 8
WHOLE = "model_weights"
APART = ("optimizer", "optimizer_weights", "seed_generator", "top_level_model_weights")


class Walk:
    """Reads the arrays below a group in bounded time, by plain links only."""

    def __init__(self) -> None:
        self._objects = self._numbers = 0

    def arrays(self, group: Any, path: str = "", depth: int = 0) -> list[tuple[str, np.ndarray]]:
        """Return every array below a group with its path; ValueError for anything but groups and plain arrays."""
        found: list[tuple[str, np.ndarray]] = []
        for name in group:
            place = f"{path}/{name}" if path else name
            self._objects += 1
            if self._objects > MOST_OBJECTS or depth > DEEPEST:
                raise ValueError("has more, or deeper, groups than a model of dense layers")
            if name in APART:
                continue
            item = self.item(group, name, place)
            if isinstance(item, h5py.Group):
                found += self.arrays(item, place, depth + 1)
            else:
                found.append((place, self._numbers_of(item, place)))
        return found

    def item(self, group: Any, name: str, place: str) -> Any:
        """Return what a plain link leads to; ValueError for one to elsewhere."""
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.HardLink):
            return group[name]
        raise ValueError(f"{place[:SHOWN]!r} is a link ({type(link).__name__}), which is not followed")

    def _numbers_of(self, item: Any, place: str) -> np.ndarray:
        is_array = isinstance(item, h5py.Dataset) and item.shape is not None
        if not is_array or item.dtype.kind != "f" or item.dtype.itemsize > DOUBLE:
            kind = getattr(item, "dtype", type(item).__name__)
            raise ValueError(f"{place[:SHOWN]!r}: expected float16, float32 or float64, found {kind}")
        if item.external or item.is_virtual:
            raise ValueError(f"{place[:SHOWN]!r} keeps its numbers in other files, which are not read")
        self._numbers += item.size
        if self._numbers * DOUBLE > SIZE_LIMIT:
            raise ValueError(f"{place[:SHOWN]!r} would fill more than {SIZE_LIMIT} bytes")
        return np.asarray(item[()], np.float64 if item.dtype.itemsize == DOUBLE else np.float32)


def main() -> int:
    """Read standard input, write standard output, return the exit code."""
    for what, most in ((resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # not every system lets every bound be set
            resource.setrlimit(what, (most, most))
    with h5py.File(io.BytesIO(sys.stdin.buffer.read()), "r") as file:
        walk = Walk()
        try:
            root = walk.item(file, WHOLE, WHOLE) if WHOLE in list(file) else file
            found = walk.arrays(root)
        except ValueError as error:
            sys.stderr.write(str(error))
            return REFUSED
        about = {
            "paths": [path for path, _ in found],
            "layer_names": [_text(name) for name in root.attrs.get("layer_names", ())],
            "model_config": _text(file.attrs.get("model_config", "")),
        }
    named = {f"a{place}": array for place, (_, array) in enumerate(found)}
    arrays: dict[str, Any] = named | {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    np.savez(sys.stdout.buffer, **arrays)
    return 0


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    sys.exit(main())
