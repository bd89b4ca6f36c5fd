"""The bytes of a CSV file: inflated where they are gzipped, as UTF-8 whatever they were written in."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from predictor.delimited import UTF_8
from predictor.wording import shown
from training.errors import DataError

__all__ = ["inflated", "is_gzipped", "opened", "opened_as_utf_8"]

GZIP = b"\x1f\x8b"
UNREADABLE = (OSError, EOFError, zlib.error)


def is_gzipped(path: Path) -> bool:
    """Whether a file begins as gzip files do. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


def inflated(path: Path) -> bytes:
    """Return what a file holds, inflated where it is gzipped. Raises OSError and DataError."""
    with opened(path) as file:
        return file.read()


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file, inflated where it is gzipped; errors of the compression are said as errors of the data."""
    with path.open("rb") as file:
        is_compressed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        try:
            yield cast("BinaryIO", gzip.GzipFile(fileobj=file) if is_compressed else file)
        except UNREADABLE as error:
            if not is_compressed:
                raise
            raise DataError(f"{path.name}: expected a gzip file, and it cannot be read: {error}") from error


@contextmanager
def opened_as_utf_8(path: Path, encoding: str) -> Iterator[BinaryIO]:
    """Open a text file for a reader that knows UTF-8 alone; that the text is such is for the reader to check."""
    with opened(path) as file:
        yield file if encoding == UTF_8 else cast("BinaryIO", _Recoded(file, encoding, path.name))


class _Recoded(io.RawIOBase):
    """A file in UTF-8, made of one in another encoding."""

    def __init__(self, file: BinaryIO, encoding: str, source: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._encoding = encoding
        self._source = source

    def readable(self) -> bool:
        """Say that it can be read: pyarrow asks."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return about as many bytes; none only at the end."""
        text = ""
        while not text:
            data = self._file.read(size)
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                found = shown(error.object[error.start : error.start + 1].hex())
                raise DataError(f"{self._source}: expected {self._encoding} text, found the byte {found}") from error
            if not data:
                break
        return text.encode()
