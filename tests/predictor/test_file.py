"""The model file: round trips, the same bytes, and everything that a damaged or hostile file may try."""

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictor import ArtifactError, Golden, Predictor, load, load_bytes, prove, save_bytes
from predictor.archive import COMMENT_BYTES
from tests.predictor.models import (
    ROWS,
    answers,
    flowers,
    houses,
    juries,
    members_of,
    repacked,
    rewritten,
    tides,
    visits,
)

FILE = save_bytes(houses())


def resealed(data: bytes) -> bytes:
    """The same bytes with the checksum at the end made right."""
    body = data[:-COMMENT_BYTES]
    return body + b"sha256:" + hashlib.sha256(body).hexdigest().encode()


@pytest.mark.parametrize("predictor", [houses(), houses(dtype=np.float64), flowers(), juries(), tides(), visits()])
def test_a_predictor_survives_its_file(predictor: Any, tmp_path: Path) -> None:
    data = save_bytes(predictor)
    path = tmp_path / "model.npz"
    path.write_bytes(data)
    loaded = load(path)
    prove(loaded)
    assert answers(loaded) == answers(predictor)
    assert (loaded.schema, loaded.outputs) == (predictor.schema, predictor.outputs)
    assert loaded.network.architecture == predictor.network.architecture
    assert (loaded.recipe, loaded.metrics, loaded.lineage) == (predictor.recipe, predictor.metrics, predictor.lineage)
    assert save_bytes(loaded) == data


def test_the_same_predictor_gives_the_same_bytes_in_another_process() -> None:
    code = "import sys; from tests.predictor.models import *; sys.stdout.buffer.write(save_bytes(houses()))"
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout
    assert found == FILE


def test_numpy_reads_the_arrays_without_pickle(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(FILE)
    predictor = houses()
    with np.load(path, allow_pickle=False) as archive:
        assert set(archive.files) == {*(name for name in predictor.network.parameters), "golden.outputs", "manifest"}
        for name, array in predictor.network.parameters.items():
            assert np.array_equal(archive[name], array)
        assert json.loads(archive["manifest"])["format"] == "ganglion"


def test_zip_tools_find_nothing_wrong() -> None:
    with zipfile.ZipFile(io.BytesIO(FILE)) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def _refused_or_same(data: bytes) -> bool:
    """Load; True when refused with an ArtifactError, False when the numbers are the same; anything else fails."""
    try:
        loaded = load_bytes(data, "damaged")
        prove(loaded)
    except ArtifactError as error:
        return error.path == "damaged" and 0 < len(error.reason) < 600
    assert answers(loaded) == answers(houses())
    return False


def test_a_file_cut_anywhere_is_refused() -> None:
    assert all(_refused_or_same(FILE[:length]) for length in range(len(FILE)))


def test_a_flip_of_any_bit_pattern_anywhere_is_refused() -> None:
    for position in range(len(FILE)):
        for pattern in (0x01, 0x80, 0xFF):
            damaged = bytearray(FILE)
            damaged[position] ^= pattern
            assert _refused_or_same(bytes(damaged)), (position, pattern)


def test_a_flip_with_the_checksum_made_right_again_meets_the_other_checks() -> None:
    body = len(FILE) - COMMENT_BYTES
    for position in range(body):
        for pattern in (0x01, 0x20, 0xFF):
            damaged = bytearray(FILE)
            damaged[position] ^= pattern
            assert _refused_or_same(resealed(bytes(damaged))), (position, pattern)


splices = st.tuples(
    st.integers(0, len(FILE)),
    st.integers(0, 40),
    st.binary(max_size=40) | st.integers(0, len(FILE)).map(lambda i: FILE[i : i + 40]),
)


@given(st.lists(splices, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_a_file_with_parts_replaced_and_the_checksum_made_right_meets_the_other_checks(
    edits: list[tuple[int, int, bytes]],
) -> None:
    data = FILE
    for start, removed, inserted in edits:
        data = data[:start] + inserted + data[start + removed :]
    assert data == FILE or _refused_or_same(resealed(data))


@pytest.mark.parametrize("extra", [b"x", b"\0" * 100, FILE])
def test_bytes_before_or_after_are_refused(extra: bytes) -> None:
    for data in (FILE + extra, extra + FILE, resealed(FILE[:-COMMENT_BYTES] + extra + FILE[-COMMENT_BYTES:])):
        assert _refused_or_same(data)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.pop("layers.0.b.npy"), "layers.0.b.npy: is missing, though the manifest describes it"),
        (lambda m: m.update({"more.npy": b"x"}), "more.npy: is not a member that the manifest describes"),
        (lambda m: m.pop("manifest"), "has no manifest: it is not a model file"),
        (lambda m: m.update({"golden.outputs.npy": m.pop("golden.outputs.npy")[:-4]}), "holds 8 bytes of numbers"),
        (lambda m: m.update({"layers.0.b.npy": m.pop("layers.0.b.npy")}), "members in another order"),
    ],
)
def test_another_set_of_members_is_refused(change: Callable[[dict[str, bytes]], object], reason: str) -> None:
    members = members_of(FILE)
    change(members)
    with pytest.raises(ArtifactError) as refused:
        load_bytes(repacked(members), "hostile")
    assert reason in str(refused.value)


def _array(array: np.ndarray, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((6, 4), "<f8"), "found <f8 (6, 4) in C order"),
        (np.zeros((6, 4), ">f4"), "found >f4 (6, 4) in C order"),
        (np.asfortranarray(np.zeros((6, 4), "<f4")), "in Fortran order"),
        (np.zeros((4, 6), "<f4"), "found <f4 (4, 6) in C order"),
        (np.zeros((6, 4), "<i4"), "found <i4 (6, 4) in C order"),
        (np.full((6, 4), np.nan, "<f4"), "holds a number that is not finite"),
        (np.full((6, 4), np.inf, "<f4"), "holds a number that is not finite"),
    ],
)
def test_another_array_is_refused(array: np.ndarray, reason: str) -> None:
    data = repacked(members_of(FILE) | {"layers.0.W.npy": _array(array)})
    with pytest.raises(ArtifactError) as refused:
        load_bytes(data, "hostile")
    assert refused.value.member == "layers.0.W.npy"
    assert reason in refused.value.reason


class _Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["GANGLION_BOMB"],)


def test_an_object_array_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "executed"
    monkeypatch.setenv("GANGLION_BOMB", str(trace))
    hostile = np.empty((6, 4), dtype=object)
    hostile[:] = _Bomb()
    for contents in (_array(hostile, pickled=True), pickle.dumps(_Bomb())):
        with pytest.raises(ArtifactError, match=r"layers.0.W.npy: does not begin with the header|found \|O "):
            load_bytes(repacked(members_of(FILE) | {"layers.0.W.npy": contents}), "hostile")
    assert not trace.exists()


BOMB_CODE = """
import resource, sys, time
from predictor import ArtifactError, load_bytes
data = open(sys.argv[1], "rb").read()
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    load_bytes(data, "bomb")
except ArtifactError as error:
    print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


def _inflating() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest", b"{}")
        archive.writestr("layers.0.W.npy", bytes(200 * 2**20))
        archive.comment = bytes(COMMENT_BYTES)
    return buffer.getvalue()


def _claiming() -> bytes:
    members = members_of(FILE)
    header = members["layers.0.W.npy"].replace(b"(6, 4)", b"(536870912,)", 1)
    return repacked(members | {"layers.0.W.npy": header})


def _wide() -> bytes:
    """A manifest of a network far larger than the file."""
    return rewritten(lambda manifest: manifest["architecture"]["layers"][0].update(units=2**20))


def _crowded() -> bytes:
    return repacked({f"m{i}": b"" for i in range(60_000)})


def _bracketed() -> bytes:
    return repacked(members_of(FILE) | {"manifest": b"[" + b"[]," * 99_000 + b"[]]"})


def _repetitive() -> bytes:
    """A manifest of very many different keys and, at the end, one of them again."""
    keys = ",".join(f'"{i}":0' for i in range(100_000))
    return repacked(members_of(FILE) | {"manifest": f'{{{keys},"99999":0}}'.encode()})


def _layered() -> bytes:
    """A manifest of very many layers and, as members, as many of their arrays as an archive may hold."""
    layer = {"units": 1, "activation": "relu", "bias": True, "dropout": 0.0}
    manifest = members_of(rewritten(lambda m: m["architecture"].update(layers=[layer] * 50_000)))["manifest"]
    return repacked({"manifest": manifest} | {f"layers.{i}.b.npy": b"" for i in range(50_000 - 4095, 50_000)})


BOMBS = {
    _inflating: "is compressed (method 8)",
    _claiming: "expected <f4 (6, 4) in C order, found <f4 (536870912,)",
    _wide: "bytes of parameters, more than the file holds",
    _crowded: "has more than 4096 members",
    _bracketed: "expected an object, found a list",
    _repetitive: "has the key '99999' twice",
    _layered: "at most 1024 are read",
}


@pytest.mark.parametrize(("bomb", "reason"), BOMBS.items())
@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_bomb_is_refused_at_once_and_in_little_memory(
    bomb: Callable[[], bytes], reason: str, is_sealed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "bomb.npz"
    path.write_bytes(resealed(bomb()) if is_sealed else bomb())
    run = subprocess.run([sys.executable, "-c", BOMB_CODE, path], capture_output=True, text=True, check=True)
    seconds, kilobytes, said = run.stdout.split(" ", 2)
    assert float(seconds) < 1
    assert int(kilobytes) < 64 * 1024
    assert said.startswith("bomb: ")
    assert not is_sealed or reason in said


def test_what_is_no_model_file_is_refused_by_path(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"absent\.npz: cannot be read: No such file or directory"):
        load(tmp_path / "absent.npz")
    with pytest.raises(ArtifactError, match="cannot be read: Is a directory"):
        load(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    start = time.monotonic()
    with pytest.raises(ArtifactError, match="it is not a regular file"):
        load(pipe)
    assert time.monotonic() - start < 60
    (tmp_path / "good.npz").write_bytes(FILE)
    assert load(tmp_path / "good.npz")
    (tmp_path / "link").symlink_to(tmp_path / "good.npz")
    with pytest.raises(ArtifactError, match="cannot be read: Too many levels of symbolic links"):
        load(tmp_path / "link")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(ArtifactError, match="it is 1073741824 bytes long, more than the 536870912 that are read"):
        load(large)


@pytest.mark.parametrize(
    ("predictor", "reason"),
    [
        (replace(houses(), recipe={"count": 10**40}), "has a number of 41 characters"),
        (replace(houses(), lineage={"seed": 1.5}), "lineage.'seed': expected text, a whole number or null"),  # type: ignore[dict-item]
        (houses(dtype=np.float16), "dtype: expected '<f4' or '<f8'"),
        (replace(houses(), golden=Golden(ROWS, np.full((3, 1), np.inf))), "golden.outputs.npy: holds a number that is"),
    ],
)
def test_what_could_not_be_loaded_again_is_not_saved(predictor: Predictor, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        save_bytes(predictor)


def test_a_loaded_predictor_does_not_keep_the_file_in_memory() -> None:
    outputs = load_bytes(FILE, "file").golden.outputs
    assert outputs.base is None


def test_outputs_that_are_no_numbers_prove_nothing() -> None:
    for value in (np.nan, np.inf):
        with pytest.raises(ArtifactError, match="where the trainer saw"):
            prove(replace(houses(), golden=Golden(ROWS, np.full((3, 1), value))))


def test_golden_rows_that_are_not_reproduced_are_refused() -> None:
    members = members_of(FILE)
    array = np.load(io.BytesIO(members["golden.outputs.npy"])) * np.float32(1.01)
    loaded = load_bytes(repacked(members | {"golden.outputs.npy": _array(array)}), "hostile")
    with pytest.raises(ArtifactError, match=r"hostile: golden: row \d gives .* in output 0, where the trainer saw"):
        prove(loaded, "hostile")


def test_golden_rows_that_do_not_fit_the_schema_are_refused() -> None:
    loaded = load_bytes(rewritten(lambda manifest: manifest["golden"][0].__setitem__(1, "mud")), "hostile")
    with pytest.raises(
        ArtifactError, match="golden: its rows do not fit the schema: /0/1: 'street': 'mud' is not a known"
    ):
        prove(loaded, "hostile")
