"""The zip archive of a model file: what no model file has is refused, by member and reason."""

import hashlib
import struct

import pytest

from predictor import ArtifactError, load_bytes, save_bytes
from predictor.archive import COMMENT_BYTES, MEMBERS_LIMIT, write_archive
from tests.predictor.models import houses, members_of, repacked

FILE = save_bytes(houses())
BODY = FILE[:-COMMENT_BYTES]
NAME = len(BODY[: BODY.index(b"manifest")])
TIME, METHOD, CRC, SIZE, NAME_LENGTH = 10, 8, 14, 22, 26  # where a local header has them


def sealed(body: bytes) -> bytes:
    return body + b"sha256:" + hashlib.sha256(body).hexdigest().encode()


def patched(offset: int, value: bytes) -> bytes:
    """The file with other bytes at a place, and its checksum made right."""
    return sealed(BODY[:offset] + value + BODY[offset + len(value) :])


def refused(data: bytes) -> tuple[str | None, str]:
    with pytest.raises(ArtifactError) as error:
        load_bytes(data, "hostile")
    return error.value.member, error.value.reason


@pytest.mark.parametrize("name", ["manifest", "layers.0.W.npy", "golden.outputs.npy"])
def test_a_member_that_stands_twice_is_refused_even_when_both_are_the_same(name: str) -> None:
    members = members_of(FILE)
    assert refused(write_archive([*members.items(), (name, members[name])])) == (name, "appears twice")


@pytest.mark.parametrize("size", [0, 1, 21])
def test_what_is_shorter_than_an_empty_archive_says_so(size: int) -> None:
    data = sealed(bytes(size))
    assert refused(data) == (None, f"is too short to be a model file: {len(data)} bytes")


def test_an_archive_of_nothing_has_no_manifest() -> None:
    assert refused(repacked({})) == (None, "has no manifest: it is not a model file")


def test_as_many_members_as_may_be_are_read_and_no_more() -> None:
    members = {f"m{i}": b"" for i in range(MEMBERS_LIMIT)}
    assert refused(repacked(members)) == (None, "has no manifest: it is not a model file")
    assert refused(repacked(members | {"one more": b""}))[1].startswith("has a member name")
    assert refused(repacked(members | {"more": b""})) == (None, "has more than 4096 members")


HOSTILE = {
    "compressed": (patched(METHOD, b"\x08\0"), "manifest", "is compressed (method 8): only stored members are read"),
    "another time": (
        patched(TIME, b"\x08\0"),
        "manifest",
        "has a header with other flags, times, sizes or extra fields",
    ),
    "another checksum": (patched(CRC, b"\0\0\0\0"), "manifest", "does not match its CRC-32"),
    "another byte": (patched(NAME + len("manifest"), b"["), "manifest", "does not match its CRC-32"),
    "a size beyond the file": (
        patched(SIZE, struct.pack("<I", len(FILE))),
        "manifest",
        f"claims {len(FILE)} bytes, more than the file",
    ),
    "a path": (patched(NAME, b"../anife"), None, "has a member name that is not plain: '../anife'"),
    "escapes in a name": (
        patched(NAME, b"\xff\x1b[2Jfe"),
        None,
        r"has a member name that is not plain: '\xff\x1b[2Jfe",
    ),
    "a name beyond the file": (patched(NAME_LENGTH, b"\xff\xff"), None, "has a member name that is not plain"),
    "no name": (patched(NAME_LENGTH, b"\0\0"), None, "has a member name that is not plain: ''"),
    "no member": (
        patched(0, b"PK\3\5"),
        None,
        "holds bytes that are neither a member nor the directory of its members",
    ),
    "a directory cut short": (
        sealed(BODY[:-1]),
        None,
        "holds bytes that are neither a member nor the directory of its members",
    ),
    "a header that breaks off after it": (
        sealed(BODY + b"PK\3\4"),
        None,
        "holds bytes that are neither a member nor the directory of its members",
    ),
    "a header that breaks off": (sealed(b"PK\3\4" + bytes(20)), None, "ends inside a member's header"),
    "another kind of checksum": (
        BODY + b"sha512:" + bytes(64),
        None,
        "does not end in a checksum: it is not a model file",
    ),
    "another checksum of the file": (
        BODY + b"sha256:" + b"0" * 64,
        None,
        "does not match its own checksum: it is damaged",
    ),
}


@pytest.mark.parametrize(("data", "member", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_by_member_and_reason(data: bytes, member: str | None, reason: str) -> None:
    found = refused(data)
    assert found[0] == member
    assert found[1].startswith(reason)
