"""Counts of the last hour and the last day that all processes of one fork add to and read.

Memory is one anonymous file made before the fork: pages that nothing was counted in cost nothing.
"""

import mmap
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.sharing.locking import SharedLock

__all__ = ["SLOTS", "WINDOWS", "SharedWindows"]

Counts = NDArray[Any]

PLACES = 64
ARENA_CELLS = 2**24
NAME_BYTES = 64


@dataclass(frozen=True)
class _Ring:
    """A window as slots of one length in turn: the newest is still being filled, the oldest leaves whole."""

    first: int
    slots: int
    slot_s: float


_RINGS = {"1h": _Ring(0, 13, 300.0), "24h": _Ring(13, 25, 3600.0)}
WINDOWS = tuple(_RINGS)
SLOTS = sum(ring.slots for ring in _RINGS.values())
_PLACE = np.dtype(
    [
        ("name", f"S{NAME_BYTES}"),
        ("version", "<i8"),
        ("cells", "<i8"),
        ("start", "<i8"),
        ("touched", "<f8"),
        ("stamps", "<i8", (SLOTS,)),
    ]
)


class SharedWindows:
    """Counts of up to 64 versions of models, found by name and version; times are of `time.monotonic`.

    The version that was added to least recently gives way when there is no room; one too large to fit is not kept.
    `kind` is what a cell of a slot is kept as.
    """

    def __init__(self, cells: int = ARENA_CELLS, kind: type[np.generic] = np.uint32) -> None:
        self._cells = cells
        self._kind = np.dtype(kind)
        self._file = os.memfd_create("windows")
        head = PLACES * _PLACE.itemsize
        size = head + self._kind.itemsize * cells
        os.ftruncate(self._file, size)
        self._map = mmap.mmap(self._file, size)
        self._places = np.frombuffer(self._map, dtype=_PLACE, count=PLACES)
        self._arena = np.frombuffer(self._map, dtype=self._kind, offset=head)
        self._lock = SharedLock(self._file)

    def add(self, name: str, version: int, counts: Counts, now: float) -> bool:
        """Add counts, (cells,), to what happens now; False when there is no room for so many cells."""
        with self._lock.held():
            place = self._find(name, version, len(counts))
            if place is None:
                place = self._claim(name, version, len(counts))
            if place is None:
                return False
            entry = self._places[place]
            entry["touched"] = now
            for ring in _RINGS.values():
                stamp = int(now // ring.slot_s)
                slot = ring.first + stamp % ring.slots
                cells = self._slot(place, slot)
                if entry["stamps"][slot] != stamp:
                    entry["stamps"][slot] = stamp
                    cells[:] = 0
                cells += counts.astype(self._kind)
        return True

    def sums(self, name: str, version: int, cells: int, window: str, now: float) -> Counts:
        """Return what was added during a window, (cells,)."""
        ring = _RINGS[window]
        total = np.zeros(cells, dtype=np.float64 if self._kind.kind == "f" else np.int64)
        oldest = int(now // ring.slot_s) - ring.slots
        with self._lock.held():
            place = self._find(name, version, cells)
            if place is not None:
                for slot in range(ring.first, ring.first + ring.slots):
                    if self._places[place]["stamps"][slot] > oldest:
                        total += self._slot(place, slot)
        return total

    def _slot(self, place: int, slot: int) -> Counts:
        entry = self._places[place]
        start = int(entry["start"]) + slot * int(entry["cells"])
        return self._arena[start : start + int(entry["cells"])]

    def _find(self, name: str, version: int, cells: int) -> int | None:
        places = self._places
        found = (places["name"] == name.encode()) & (places["version"] == version) & (places["cells"] == cells)
        return int(found.argmax()) if found.any() else None

    def _claim(self, name: str, version: int, cells: int) -> int | None:
        """Find a gap in the arena for a new version, having sent away others as need be."""
        needed = cells * SLOTS
        if needed > self._cells or not cells:
            return None
        while True:
            free = np.flatnonzero(self._places["cells"] == 0)
            start = self._gap(needed)
            if len(free) and start is not None:
                entry = self._places[free[0]]
                entry["stamps"] = -1
                entry["name"], entry["version"], entry["start"] = name.encode(), version, start
                entry["cells"] = cells
                return int(free[0])
            held = np.flatnonzero(self._places["cells"])
            self._places[held[self._places["touched"][held].argmin()]]["cells"] = 0

    def _gap(self, needed: int) -> int | None:
        start = 0
        held = sorted((int(p["start"]), int(p["cells"])) for p in self._places if p["cells"])
        for begin, cells in held:
            if begin - start >= needed:
                return start
            start = begin + cells * SLOTS
        return start if self._cells - start >= needed else None
