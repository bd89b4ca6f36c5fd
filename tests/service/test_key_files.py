"""Files of keys: which line is wrong, how long they may be, and when they are read again."""

from pathlib import Path

import pytest

from service.keys import FILE_LIMIT, KeyRing, KeysError, new_key, read_keys

LINE = f"a predict sha256:{'0' * 64}"


def test_a_wrong_line_is_named_by_its_number() -> None:
    with pytest.raises(KeysError, match=r"^line 3: expected NAME SCOPES sha256:HASH"):
        read_keys(f"# first\n{LINE}\nb fly sha256:{'1' * 64}\n")


@pytest.mark.parametrize(("limit", "most", "period_s"), [("5/s", 5, 1.0), ("7/min", 7, 60.0), ("9/h", 9, 3600.0)])
def test_a_limit_is_so_many_in_a_period(limit: str, most: int, period_s: float) -> None:
    (key,) = read_keys(f"{LINE} {limit}  # of a guest")
    assert (key.name, key.most, key.period_s) == ("a", most, period_s)


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(KeysError, match=r"^two keys have the same name$"):
        read_keys(f"{LINE}\na predict sha256:{'1' * 64}")


def test_a_file_may_be_just_as_long_as_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text((LINE + "\n").ljust(FILE_LIMIT, "#"))
    KeyRing(path)
    path.write_text((LINE + "\n").ljust(FILE_LIMIT + 1, "#"))
    with pytest.raises(KeysError, match=f"^it is longer than {FILE_LIMIT} bytes$"):
        KeyRing(path)


def test_a_file_is_read_again_once_for_each_change_and_a_bad_one_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    (one, first), (other, second) = new_key("one", ["predict"]), new_key("other", ["admin"])
    path.write_text(first)
    ring = KeyRing(path)
    assert not ring.refresh()
    path.write_text(f"{second}\n\n")
    assert [ring.refresh(), ring.refresh()] == [True, False]
    assert ring.find(one) is None
    found = ring.find(other)
    assert found is not None
    assert found.scopes == {"admin"}
    path.write_text("nonsense")
    with pytest.raises(KeysError):
        ring.refresh()
    assert ring.find(other) == found
    assert not ring.refresh()
