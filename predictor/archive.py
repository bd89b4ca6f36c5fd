"""One zip archive layout, written and read byte for byte: stored members, fixed attributes, a checksum at the end.

The reader walks the local headers from the first byte and regenerates everything else from what it found; the bytes
must then be equal. So there is one archive for given members, and nothing in a file that no member accounts for.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from predictor.errors import RefusedError

__all__ = ["COMMENT_BYTES", "MEMBERS_LIMIT", "read_archive", "write_archive"]

MEMBERS_LIMIT = 4096
COMMENT_PREFIX = b"sha256:"
COMMENT_BYTES = len(COMMENT_PREFIX) + 64

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_VERSION = 20  # PKZIP 2.0, the oldest that says "stored" the way every reader expects
_MADE_ON_UNIX = 3 << 8 | _VERSION
_STORED = 0
_MIDNIGHT = 0  # a file's bytes depend on its contents alone, so every member dates from 1980-01-01 00:00
_DAY = 1 << 5 | 1
_REGULAR_FILE_0644 = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class _Entry:
    name: bytes
    crc: int
    size: int
    offset: int

    def local_header(self) -> bytes:
        fields = (_VERSION, 0, _STORED, _MIDNIGHT, _DAY, self.crc, self.size, self.size, len(self.name), 0)
        return _LOCAL.pack(b"PK\3\4", *fields) + self.name

    def central_header(self) -> bytes:
        shared = (_VERSION, 0, _STORED, _MIDNIGHT, _DAY, self.crc, self.size, self.size, len(self.name))
        attributes = (0, 0, 0, 0, _REGULAR_FILE_0644, self.offset)
        return _CENTRAL.pack(b"PK\1\2", _MADE_ON_UNIX, *shared, *attributes) + self.name


def write_archive(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return the archive of the given members, in their order."""
    chunks: list[bytes] = []
    entries: list[_Entry] = []
    position = 0
    for name, contents in members:
        entry = _Entry(name.encode("ascii"), zlib.crc32(contents), len(contents), position)
        header = entry.local_header()
        chunks += [header, contents]
        entries.append(entry)
        position += len(header) + len(contents)
    chunks.append(_directory(entries, position))
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return b"".join([*chunks, _comment(digest)])


def read_archive(data: bytes) -> dict[str, memoryview]:
    """Return each member's contents, in order, as views on `data`; nothing is copied or inflated.

    Raises RefusedError unless `data` is, to the byte, what `write_archive` gives for these members.
    """
    view = memoryview(data)
    _check_digest(view)
    view = view[:-COMMENT_BYTES]
    members: dict[str, memoryview] = {}
    entries: list[_Entry] = []
    position = 0
    while bytes(view[position : position + 4]) == b"PK\3\4":
        entry, contents = _read_member(view, position)
        name = entry.name.decode("ascii")
        if name in members:
            raise RefusedError(name, "appears twice")
        if len(entries) == MEMBERS_LIMIT:
            raise RefusedError(None, f"has more than {MEMBERS_LIMIT} members")
        entries.append(entry)
        members[name] = contents
        position += len(entry.local_header()) + entry.size
    if view[position:] != _directory(entries, position):
        raise RefusedError(None, "holds bytes that are neither a member nor the directory of its members")
    return members


def _check_digest(view: memoryview) -> None:
    if len(view) < _END.size + COMMENT_BYTES:
        raise RefusedError(None, f"is too short to be a model file: {len(view)} bytes")
    comment = bytes(view[-COMMENT_BYTES:])
    if not comment.startswith(COMMENT_PREFIX):
        raise RefusedError(None, "does not end in a checksum: it is not a model file, or it was cut short")
    if comment != _comment(hashlib.sha256(view[:-COMMENT_BYTES])):
        raise RefusedError(None, "does not match its own checksum: it is damaged")


def _read_member(view: memoryview, position: int) -> tuple[_Entry, memoryview]:
    """Read the member whose local header begins at `position`, checking that it is stored, whole and plain."""
    if position + _LOCAL.size > len(view):
        raise RefusedError(None, "ends inside a member's header")
    fields = _LOCAL.unpack_from(view, position)
    method, crc, size, name_length = fields[3], fields[6], fields[8], fields[9]
    start = position + _LOCAL.size
    raw = bytes(view[start : start + min(name_length, 101)])
    if not _NAME.fullmatch(raw):
        raise RefusedError(None, f"has a member name that is not plain: {raw[:64].decode('latin-1')!a}")
    name = raw.decode("ascii")
    if method != _STORED:
        raise RefusedError(name, f"is compressed (method {method}): only stored members are read")
    contents = view[start + name_length : start + name_length + size]
    if len(contents) != size:
        raise RefusedError(name, f"claims {size} bytes, more than the file holds")
    entry = _Entry(raw, crc, size, position)
    if view[position : start + name_length] != entry.local_header():
        raise RefusedError(name, "has a header with other flags, times, sizes or extra fields than a model file has")
    if zlib.crc32(contents) != crc:
        raise RefusedError(name, "does not match its CRC-32")
    return entry, contents


def _directory(entries: list[_Entry], offset: int) -> bytes:
    """Return the central directory, which begins at `offset`, and the end record up to its comment."""
    central = b"".join(entry.central_header() for entry in entries)
    count = len(entries)
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(central), offset, COMMENT_BYTES)
    return central + end


def _comment(digest: "hashlib._Hash") -> bytes:
    return COMMENT_PREFIX + digest.hexdigest().encode("ascii")
