"""IDX files, the format of MNIST: http://yann.lecun.com/exdb/mnist/ (bytes 0 0, type, dimensions, sizes, values)."""

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.wording import shown
from training.errors import DataError
from training.table import Column, Table, matrix_columns

__all__ = ["is_idx_folder", "read_idx_files", "read_idx_folder"]

UNSIGNED_BYTE = 8
IMAGE_DIMENSIONS = 3
SIZE_LIMIT = 2**31
TRAIN, TEST = "train", "t10k"


def is_idx_folder(folder: Path) -> bool:
    """Whether the folder holds the training images of an MNIST-like set."""
    return _find(folder, f"{TRAIN}-images-idx3-ubyte") is not None


def read_idx_folder(folder: Path) -> Table:
    """Read the four files of MNIST, gzipped or not; the rows of the t10k pair, if there, are kept for testing."""
    digest = hashlib.sha256()
    X, y = _pair(_found(folder, f"{TRAIN}-images-idx3-ubyte"), _found(folder, f"{TRAIN}-labels-idx1-ubyte"), digest)
    is_test = None
    if _find(folder, f"{TEST}-images-idx3-ubyte"):
        test = _pair(_found(folder, f"{TEST}-images-idx3-ubyte"), _found(folder, f"{TEST}-labels-idx1-ubyte"), digest)
        if test[0].shape[1:] != X.shape[1:]:
            raise DataError(f"{folder.name}: the test images are not of the training images' size")
        is_test = np.arange(len(X) + len(test[0])) >= len(X)
        X, y = np.concatenate([X, test[0]]), np.concatenate([y, test[1]])
    return _table(folder.name, X, y, digest.hexdigest(), is_test)


def read_idx_files(images: Path, labels: Path | None) -> Table:
    """Read one pair of files; without `labels`, the file beside `images` with "labels-idx1" in its name is taken."""
    if labels is None:
        labels = images.with_name(images.name.replace("images", "labels").replace("idx3", "idx1"))
        if labels == images or not labels.is_file():
            raise DataError(
                f"{images.name}: expected its labels beside it, found no {labels.name}; name them: --labels"
            )
    digest = hashlib.sha256()
    X, y = _pair(images, labels, digest)
    return _table(images.name, X, y, digest.hexdigest(), None)


def _table(source: str, X: NDArray[np.uint8], y: NDArray[np.uint8], digest: str, is_test: NDArray[Any] | None) -> Table:
    height, width = X.shape[1:]
    names = [f"pixel_{row}_{column}" for row in range(height) for column in range(width)]
    columns = (*matrix_columns(X.reshape(len(X), -1), names), Column("label", y))
    return Table(source, columns, digest, target="label", is_test=is_test)


def _find(folder: Path, stem: str) -> Path | None:
    return next((path for path in (folder / stem, folder / f"{stem}.gz") if path.is_file()), None)


def _found(folder: Path, stem: str) -> Path:
    path = _find(folder, stem)
    if path is None:
        raise DataError(f"{folder.name}: expected a file {stem} or {stem}.gz, found none")
    return path


def _pair(images: Path, labels: Path, digest: "hashlib._Hash") -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    X, y = _read(images, digest), _read(labels, digest)
    if X.ndim != IMAGE_DIMENSIONS or not X.size:
        raise DataError(f"{images.name}: expected images (rows, height, width), found {X.shape}")
    if y.shape != (len(X),):
        raise DataError(f"{labels.name}: expected a label for each of {len(X)} images, found {y.shape}")
    return X, y


def _read(path: Path, digest: "hashlib._Hash") -> NDArray[np.uint8]:
    data = path.read_bytes()
    digest.update(data)
    if data[:2] == b"\x1f\x8b":
        data = _inflated(data, path.name)
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != UNSIGNED_BYTE or not data[3]:  # noqa: PLR2004 - the magic
        raise DataError(f"{path.name}: expected an IDX file of bytes, found it begins with {shown(data[:4].hex())}")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(f"{path.name}: expected {data[3]} sizes, found the end of the file")
    shape = [int(size) for size in np.frombuffer(data, dtype=">u4", count=data[3], offset=4)]
    if len(data) - start != math.prod(shape):
        raise DataError(f"{path.name}: expected {math.prod(shape)} values for {shape}, found {len(data) - start}")
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def _inflated(data: bytes, source: str) -> bytes:
    try:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        inflated = inflater.decompress(data, SIZE_LIMIT)
    except (zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{source}: expected a gzip file, and it cannot be read: {error}") from error
    if not inflater.eof:
        raise DataError(f"{source}: the gzip stream is cut short or longer than {SIZE_LIMIT} bytes")
    return inflated
