"""The folder repository: atomic steps, races, odd files, and what it says."""

import json
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from predictor import FolderRepository, RepositoryError, load_bytes, prove, save_bytes
from tests.predictor.models import houses

FILES = {"model.npz": save_bytes(houses()), "report.json": b"{}"}


@pytest.fixture
def repository(tmp_path: Path) -> FolderRepository:
    found = FolderRepository(tmp_path / "models")
    for _ in range(3):
        found.publish("iris", FILES)
    return found


def test_versions_count_up_and_hold_their_files(repository: FolderRepository) -> None:
    assert repository.names() == ["iris"]
    assert repository.versions("iris") == [1, 2, 3]
    assert repository.read("iris", 2) == FILES["model.npz"]
    assert (repository.root / "iris" / "3" / "report.json").read_bytes() == b"{}"


def test_nothing_is_promoted_by_publishing(repository: FolderRepository) -> None:
    assert repository.aliases("iris") == {}


def test_promoting_remembers_the_champion_of_before(repository: FolderRepository) -> None:
    repository.promote("iris", 1)
    assert repository.aliases("iris") == {"champion": 1}
    repository.promote("iris", 3)
    repository.promote("iris", 3)
    assert repository.aliases("iris") == {"champion": 3, "previous": 1}
    assert repository.rollback("iris") == 1
    assert repository.aliases("iris") == {"champion": 1, "previous": 3}
    repository.set_alias("iris", "challenger", 2)
    assert json.loads((repository.root / "iris" / "aliases.json").read_text()) == {
        "challenger": 2,
        "champion": 1,
        "previous": 3,
    }


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda r: r.versions("irs"), "no model is called 'irs' in .*; did you mean 'iris'?"),
        (lambda r: r.aliases("../iris"), "no model is called '../iris'"),
        (lambda r: r.read("iris", 4), "iris has no version 4; it has 1, 2, 3"),
        (lambda r: r.promote("iris", 9), "iris has no version 9; it has 1, 2, 3"),
        (lambda r: r.set_alias("iris", "a/b", 1), "'a/b' cannot be an alias: expected 1 to 64 letters, digits"),
        (lambda r: r.rollback("iris"), "iris has no previous champion to go back to"),
        (lambda r: r.publish("../x", FILES), "'../x' cannot be a model's name"),
        (lambda r: r.publish("ïris", FILES), "'ïris' cannot be a model's name"),
        (lambda r: r.publish("x" * 65, FILES), "cannot be a model's name"),
        (lambda r: r.publish("iris", {"report.json": b""}), "a version needs a model.npz"),
        (lambda r: r.publish("iris", FILES | {"../x": b""}), "'../x' cannot be a file's name"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(repository: FolderRepository, act: Any, message: str) -> None:
    before = repository.fingerprint()
    with pytest.raises(RepositoryError, match=message):
        act(repository)
    assert repository.fingerprint() == before
    assert sorted(path.name for path in repository.root.parent.iterdir()) == ["models"]


def test_an_absent_folder_is_an_empty_repository(tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path / "absent")
    assert repository.names() == []
    assert repository.fingerprint() == ()
    with pytest.raises(RepositoryError, match=r"no model is called 'iris' in .*; there are none"):
        repository.versions("iris")


def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(RepositoryError, match="models cannot be read: Not a directory"):
        FolderRepository(tmp_path / "models").names()
    with pytest.raises(RepositoryError, match="iris cannot be published: "):
        FolderRepository(tmp_path / "models").publish("iris", FILES)


def test_odd_files_are_not_models(repository: FolderRepository) -> None:
    root = repository.root
    for odd in (".new-1-ab/1", "empty", "name.dot/1", "iris/007", "iris/0", "iris/٣", "iris/latest", "ok/1234567890"):
        (root / odd).mkdir(parents=True)
    (root / "file").write_text("")
    (root / "link").symlink_to(root / "iris")
    (root / "iris" / "9").symlink_to(root / "iris" / "1")
    assert repository.names() == ["iris"]
    assert repository.versions("iris") == [1, 2, 3]
    for act in (lambda: repository.versions("link"), lambda: repository.promote("link", 1)):
        with pytest.raises(RepositoryError, match="no model is called 'link'"):
            act()
    with pytest.raises(RepositoryError, match=r"link cannot be published: .* is a link"):
        repository.publish("link", FILES)
    (root / "iris" / "4").write_text("in the way")
    (root / "iris" / "5").symlink_to("nowhere")
    assert repository.publish("iris", FILES) == 6
    assert (root / "iris" / "4").read_text() == "in the way"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"champion": "1"}', '{"champion": true}', '{"a/b": 1}', '{"champion": 0}', "x" * 70_000]
)
def test_damaged_aliases_are_refused_and_left_alone(repository: FolderRepository, text: str) -> None:
    path = repository.root / "iris" / "aliases.json"
    path.write_text(text)
    for act in (lambda: repository.aliases("iris"), lambda: repository.promote("iris", 1)):
        with pytest.raises(RepositoryError, match=r"iris/aliases.json (cannot be read|is not an object)"):
            act()
    assert path.read_text() == text


def test_a_model_file_that_is_a_link_or_absent_is_not_read(repository: FolderRepository) -> None:
    path = repository.root / "iris" / "1" / "model.npz"
    path.unlink()
    with pytest.raises(RepositoryError, match=r"iris/1/model\.npz cannot be read: No such file"):
        repository.read("iris", 1)
    path.symlink_to("/etc/passwd")
    with pytest.raises(RepositoryError, match=r"iris/1/model\.npz cannot be read"):
        repository.read("iris", 1)


def test_the_fingerprint_changes_with_every_change(repository: FolderRepository) -> None:
    seen = {repository.fingerprint()}
    for act in (
        lambda: repository.promote("iris", 1),
        lambda: repository.promote("iris", 2),
        lambda: repository.rollback("iris"),
        lambda: repository.publish("iris", FILES),
        lambda: repository.publish("other", FILES),
    ):
        act()
        assert repository.fingerprint() == repository.fingerprint()
        seen.add(repository.fingerprint())
    assert len(seen) == 6


@pytest.fixture
def bounded_user() -> Iterator[None]:
    """Without the rights of root, whom no folder refuses."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.fixture
def unwritable() -> Iterator[FolderRepository]:
    """A repository that everybody may read and nobody may write."""
    with tempfile.TemporaryDirectory() as parent:  # any user can reach it, unlike the folders of tmp_path
        Path(parent).chmod(0o755)
        found = FolderRepository(Path(parent) / "models")
        for _ in range(2):
            found.publish("iris", FILES)
        found.promote("iris", 1)
        folders = [found.root, found.root / "iris"]
        for folder in folders:
            folder.chmod(0o555)
        yield found
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.usefixtures("bounded_user")
def test_a_repository_that_cannot_be_written_is_read_and_said(unwritable: FolderRepository) -> None:
    for act, message in (
        (lambda: unwritable.publish("iris", FILES), "iris cannot be published: Permission denied"),
        (lambda: unwritable.publish("new", FILES), "new cannot be published: Permission denied"),
        (lambda: unwritable.promote("iris", 2), "the aliases of iris cannot be changed: Permission denied"),
    ):
        with pytest.raises(RepositoryError, match=message):
            act()
    assert (unwritable.names(), unwritable.versions("iris"), unwritable.aliases("iris")) == (
        ["iris"],
        [1, 2],
        {"champion": 1},
    )
    assert unwritable.read("iris", 2) == FILES["model.npz"]


def test_a_failed_publication_leaves_nothing(repository: FolderRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RepositoryError, match="iris cannot be published: No space left on device"):
        repository.publish("iris", FILES)
    with pytest.raises(RepositoryError, match="tulips cannot be published: No space left on device"):
        repository.publish("tulips", FILES)
    assert sorted(path.name for path in repository.root.iterdir()) == ["iris"]
    assert repository.versions("iris") == [1, 2, 3]


def test_what_a_killed_publisher_left_is_cleared_away(repository: FolderRepository) -> None:
    for name, age in (("old", 7200.0), ("young", 60.0), ("of-a-clock-that-was-ahead", -1e9)):
        folder = repository.root / f".new-{name}"
        folder.mkdir()
        (folder / "model.npz").write_bytes(b"half")
        os.utime(folder, (time.time() - age,) * 2)
    repository.publish("iris", FILES)
    assert sorted(path.name for path in repository.root.glob(".new-*")) == [".new-young"]


def test_the_number_of_a_version_that_is_gone_is_not_given_again(repository: FolderRepository) -> None:
    assert repository.publish("roses", FILES) == 1
    repository.promote("roses", repository.publish("roses", FILES))
    shutil.rmtree(repository.root / "roses" / "2")
    assert repository.publish("roses", FILES) == 3, "the champion is another's name"
    repository.set_alias("roses", "champion", 1)
    shutil.rmtree(repository.root / "roses" / "3")
    assert repository.publish("roses", FILES) == 3, "nothing names it"


def test_a_killed_publisher_leaves_no_version(repository: FolderRepository) -> None:
    context = multiprocessing.get_context("spawn")
    seen = 3
    for delay_s in (0.0, 0.002, 0.01):
        publisher = context.Process(target=_publish_for_ever, args=(repository.root,))
        publisher.start()
        while len(repository.versions("iris")) == seen:
            time.sleep(0.001)
        time.sleep(delay_s)
        publisher.kill()
        publisher.join()
        versions = repository.versions("iris")
        seen = len(versions)
        assert versions == list(range(1, seen + 1))
        assert all(repository.read("iris", version) == FILES["model.npz"] for version in versions)
    assert repository.publish("iris", FILES) == seen + 1


def _publish_for_ever(root: Path) -> None:
    while True:
        FolderRepository(root).publish("iris", FILES)


def _publish(root: Path, times: int) -> None:
    for _ in range(times):
        FolderRepository(root).publish("raced", FILES)


def _alias(root: Path, alias: str, times: int) -> None:
    for index in range(times):
        FolderRepository(root).set_alias("iris", f"{alias}-{index}", 1 + index % 3)


def _run_all(target: Any, *arguments: tuple[Any, ...]) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=target, args=given) for given in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)


def test_racing_publishers_each_get_their_version(repository: FolderRepository) -> None:
    _run_all(_publish, *[(repository.root, 8)] * 4)
    assert repository.versions("raced") == list(range(1, 33))
    assert all(repository.read("raced", version) == FILES["model.npz"] for version in range(1, 33))


def test_racing_writers_of_aliases_lose_nothing(repository: FolderRepository) -> None:
    _run_all(_alias, *[(repository.root, name, 25) for name in "abc"])
    assert len(repository.aliases("iris")) == 75


def test_a_reader_never_sees_half_of_anything(repository: FolderRepository) -> None:
    stop = threading.Event()
    troubles: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                for name in repository.names():
                    aliases = repository.aliases(name)
                    assert set(aliases) <= {"champion", "previous"}
                    newest = repository.versions(name)[-1]
                    prove(load_bytes(repository.read(name, newest), name))
        except BaseException as error:  # noqa: BLE001 - whatever it was, the test must see it
            troubles.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for index in range(40):
        version = repository.publish(f"model-{index % 3}", FILES)
        repository.promote(f"model-{index % 3}", version)
    stop.set()
    for reader in readers:
        reader.join()
    assert troubles == []
