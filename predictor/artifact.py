"""The model file: one predictor as bytes and back. The reader trusts nothing that it reads."""

import math
import os
import stat
from pathlib import Path

from network import MLP, Architecture, Parameters
from predictor.archive import read_archive, write_archive
from predictor.errors import ArtifactError, RefusedError
from predictor.manifest import Manifest, describe, read_manifest
from predictor.npy import DTYPES, read_array, write_array
from predictor.predictor import Golden, Predictor
from predictor.strict_json import read_json, write_json
from predictor.wording import shortened

__all__ = ["MANIFEST_LIMIT", "SIZE_LIMIT", "OversizedError", "load", "load_bytes", "read_bounded", "save_bytes"]

SIZE_LIMIT = 512 * 2**20
"""Bytes of the largest model file: some 130 million float32 parameters."""

MANIFEST = "manifest"
MANIFEST_LIMIT = 16 * 2**20
GOLDEN = "golden.outputs"


class OversizedError(OSError):
    """A file that is too large to be read."""


def save_bytes(predictor: Predictor) -> bytes:
    """Return the model file of a predictor: the same bytes for the same predictor, always.

    Raises ValueError for a predictor that no file can hold, such as one whose parameters are not finite.
    """
    members = [(MANIFEST, write_json(describe(predictor)))]
    members += [(f"{name}.npy", write_array(array)) for name, array in predictor.network.parameters.items()]
    dtype = predictor.network.parameters.dtype
    members.append((f"{GOLDEN}.npy", write_array(predictor.golden.outputs.astype(dtype))))
    data = write_archive(members)
    try:
        _read(data)
    except RefusedError as error:
        raise ValueError(f"the model cannot be saved: {error}") from error
    return data


def load_bytes(data: bytes, source: str) -> Predictor:
    """Return the predictor in a model file's bytes; ``source`` names them in errors.

    Raises ArtifactError for anything but what `save_bytes` writes, in time and memory bounded by ``len(data)``. The
    predictor may serve only after `prove`.
    """
    try:
        return _read(data)
    except RefusedError as error:
        raise ArtifactError(source, error.member, error.reason) from error
    except ValueError as error:  # what the typed parts of a manifest raise
        raise ArtifactError(source, MANIFEST, shortened(str(error))) from error


def load(path: Path) -> Predictor:
    """Return the predictor in a file, read once and completely. Raises ArtifactError, also when it cannot be read."""
    try:
        data = read_bounded(path)
    except OSError as error:
        raise ArtifactError(str(path), None, f"cannot be read: {error.strerror or error}") from error
    return load_bytes(data, str(path))


def read_bounded(path: Path, limit: int = SIZE_LIMIT) -> bytes:
    """Return the bytes of a regular file, refusing links, pipes and more than ``limit`` bytes with OSError."""
    # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is not a regular file")
        if found.st_size > limit:
            raise OversizedError(f"it is {found.st_size} bytes long, more than the {limit} that are read")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OversizedError(f"it grew beyond {limit} bytes while it was read")
    return data


def _read(data: bytes) -> Predictor:
    if len(data) > SIZE_LIMIT:
        raise RefusedError(None, f"is {len(data)} bytes long, more than the {SIZE_LIMIT} that are read")
    members = read_archive(data)
    if MANIFEST not in members:
        raise RefusedError(None, "has no manifest: it is not a model file")
    predictor = _assemble(_manifest(members[MANIFEST]), members)
    if write_json(describe(predictor)) != members[MANIFEST]:
        raise RefusedError(MANIFEST, "is not written the one way that a manifest is written")
    return predictor


def _manifest(contents: memoryview) -> Manifest:
    if len(contents) > MANIFEST_LIMIT:
        raise RefusedError(MANIFEST, f"is {len(contents)} bytes long, more than the {MANIFEST_LIMIT} that are read")
    return read_manifest(read_json(bytes(contents)))


def _assemble(manifest: Manifest, members: dict[str, memoryview]) -> Predictor:
    """Check that the members are those that the manifest implies, in order, and put the parts together."""
    shapes = _shapes(manifest.architecture, len(manifest.golden_rows))
    expected = [MANIFEST, *(f"{name}.npy" for name in shapes)]
    _check_members(list(members), expected)
    size = sum(math.prod(shape) for shape in shapes.values()) * DTYPES[manifest.dtype]
    if size > sum(map(len, members.values())):
        raise RefusedError(MANIFEST, f"describes {size} bytes of parameters, more than the file holds")
    arrays = {name: read_array(f"{name}.npy", members[f"{name}.npy"], manifest.dtype, shapes[name]) for name in shapes}
    golden = Golden(manifest.golden_rows, arrays.pop(GOLDEN).copy())  # a view would keep the whole file in memory
    network = MLP(manifest.architecture, Parameters.from_arrays(manifest.architecture, arrays).read_only())
    return Predictor(
        schema=manifest.schema,
        network=network,
        outputs=manifest.outputs,
        golden=golden,
        recipe=manifest.recipe,
        metrics=manifest.metrics,
        lineage=manifest.lineage,
        calibration=manifest.calibration,
        reference=manifest.reference,
    )


def _shapes(architecture: Architecture, golden: int) -> dict[str, tuple[int, ...]]:
    return {**architecture.shapes(), GOLDEN: (golden, architecture.outputs)}


def _check_members(found: list[str], expected: list[str]) -> None:
    known, present = set(expected), set(found)  # a hostile manifest can describe a hundred thousand layers
    for name in found:
        if name not in known:
            raise RefusedError(name, "is not a member that the manifest describes")
    for name in expected:
        if name not in present:
            raise RefusedError(name, "is missing, though the manifest describes it")
    if found != expected:
        raise RefusedError(None, "holds its members in another order than they are written in")
