"""Processes change over to new versions together, or not at all; what is refused is told by reason."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictor import FolderRepository, Golden, save_bytes
from service.observer import QuietObserver
from service.sharing.plans import PLAN_BYTES, Plans
from service.versions.registry import Registry
from tests.predictor.models import members_of, repacked, rewritten
from tests.service import models
from tests.service.processes import ended_well, in_worker
from tests.service.wire import START_S, until

FILE = "model.npz"


def registry_of(root: Any, plans: Plans | None = None) -> Registry:
    return Registry(FolderRepository(root), QuietObserver(), plans=plans)


@pytest.fixture(autouse=True)
def patience(monkeypatch: Any) -> None:
    """Wait for a process that is kept from the processor for as long as that takes."""
    monkeypatch.setattr("service.versions.registry.PATIENCE_S", START_S)


@pytest.fixture
def store(tmp_path: Any) -> FolderRepository:
    repository = FolderRepository(tmp_path / "store")
    models.publish(repository, "flowers", models.flowers(1))
    return repository


def serving(registry: Registry) -> int:
    return registry.catalog.current("flowers").version


def follow_until(registry: Registry, version: int) -> None:
    end = time.monotonic() + START_S
    while serving(registry) != version:
        registry.follow()
        assert time.monotonic() < end
        time.sleep(0.001)


def joined_and(registry: Registry, row: int, work: Callable[[], object]) -> Callable[[], None]:
    def worker() -> None:
        registry.join(row)
        Path(f"/proc/self/fd/{READY[1]}").write_bytes(b"x")
        work()

    return worker


READY = os.pipe()


def test_a_change_waits_until_every_process_is_ready(store: Any) -> None:
    registry = registry_of(store.root)
    registry.refresh()

    def work() -> None:
        until(lambda: registry.plans.proposed == 2)
        time.sleep(0.2)
        assert registry.plans.active == 1, "it changed over without waiting"
        assert serving(registry) == 1
        follow_until(registry, 2)

    child = in_worker(joined_and(registry, 0, work))
    os.read(READY[0], 1)
    models.publish(store, "flowers", models.flowers(2))
    registry.refresh()
    assert (serving(registry), registry.plans.active) == (2, 2)
    assert ended_well(child)


def test_a_version_that_one_process_cannot_load_is_served_by_none(store: Any, tmp_path: Any) -> None:
    registry = registry_of(store.root)
    registry.refresh()

    def work() -> None:
        registry._loader._repository = FolderRepository(tmp_path / "nothing")
        end = time.monotonic() + START_S
        while registry.plans.active < 3:
            registry.follow()
            assert time.monotonic() < end
        assert serving(registry) == 1

    child = in_worker(joined_and(registry, 0, work))
    os.read(READY[0], 1)
    models.publish(store, "flowers", models.flowers(2))
    registry.refresh()
    state = registry.catalog.entry("flowers").versions[2]
    assert (serving(registry), state.state, state.code) == (1, "failed", "worker")
    assert ended_well(child)


def test_a_worker_that_is_too_slow_catches_up_before_its_next_answer(store: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("service.versions.registry.PATIENCE_S", 0.1)
    registry = registry_of(store.root)
    registry.refresh()

    def work() -> None:
        end = time.monotonic() + START_S
        while registry.plans.active < 2:
            assert time.monotonic() < end
        assert serving(registry) == 2

    child = in_worker(joined_and(registry, 0, work))
    os.read(READY[0], 1)
    models.publish(store, "flowers", models.flowers(2))
    registry.refresh()
    assert ended_well(child)


def test_a_leader_that_is_killed_holds_up_nobody(store: Any) -> None:
    registry = registry_of(store.root)
    registry.refresh()

    def work() -> None:
        with registry.plans.leading():
            registry.plans.propose(b"half a pl")
            Path(f"/proc/self/fd/{READY[1]}").write_bytes(b"x")
            os._exit(0)

    child = in_worker(work)
    os.read(READY[0], 1)
    os.waitpid(child, 0)
    models.publish(store, "flowers", models.flowers(2))
    assert registry.catch_up(30.0)
    assert serving(registry) == 2


def test_while_one_leads_others_leave_it_to_him(store: Any) -> None:
    registry = registry_of(store.root)
    registry.refresh()
    models.publish(store, "flowers", models.flowers(2))
    asked, asks = os.pipe()

    def work() -> None:
        with registry.plans.leading():
            Path(f"/proc/self/fd/{READY[1]}").write_bytes(b"x")
            os.read(asked, 1)

    child = in_worker(work)
    os.read(READY[0], 1)
    assert not registry.catch_up(30.0)
    assert serving(registry) == 1
    os.write(asks, b"x")
    assert ended_well(child)
    assert registry.catch_up(30.0)
    assert not registry.catch_up(30.0)


def test_what_failed_is_tried_again(store: Any) -> None:
    registry = registry_of(store.root)
    bad = store.publish("flowers", {FILE: b""})
    store.promote("flowers", bad)
    registry.refresh()
    assert not registry.catch_up(30.0)
    (store.root / "flowers" / str(bad) / FILE).write_bytes(save_bytes(models.flowers(4)))
    assert registry.catch_up(0.0)
    assert serving(registry) == bad


def test_a_process_that_came_without_a_version_mends_itself(store: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("service.versions.registry.MEND_S", 0.0)
    plans = Plans()
    registry_of(store.root, plans).refresh()
    aside = store.root.with_name("aside")
    store.root.rename(aside)
    late = registry_of(store.root, plans)
    assert not late.catalog.entry("flowers").serving
    aside.rename(store.root)
    late.follow()
    assert serving(late) == 1


def test_plans_are_read_by_their_number_and_no_other() -> None:
    plans = Plans()
    assert plans.read(7) is None
    first = plans.propose(b"first")
    plans.activate(first)
    second = plans.propose(b"second")
    assert [plans.read(number) for number in (first, second, 7)] == [b"first", b"second", None]
    plans.activate(second)
    third = plans.propose(b"3")
    assert [plans.read(number) for number in (first, second, third)] == [None, b"second", b"3"]
    with pytest.raises(ValueError, match="at most"):
        plans.propose(bytes(PLAN_BYTES + 1))


def wrong_golden() -> bytes:
    predictor = models.flowers(5)
    return save_bytes(replace(predictor, golden=Golden(predictor.golden.rows, np.zeros((1, 3)))))


def wrong_arrays() -> bytes:
    members = members_of(save_bytes(models.flowers(5)))
    return repacked(members | {"layers.0.b.npy": members["layers.1.b.npy"]})


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "damaged"),
        (save_bytes(models.flowers(5))[:-1], "damaged"),
        (rewritten(lambda manifest: manifest.update(version=2), models.flowers(5)), "manifest"),
        (wrong_arrays(), "arrays"),
        (wrong_golden(), "golden"),
    ],
)
def test_what_is_refused_is_told_by_reason(build: Any, tmp_path: Any, data: bytes, code: str) -> None:
    application = build()
    repository = FolderRepository(tmp_path / "models")
    bad = repository.publish("flowers", {FILE: data})
    repository.promote("flowers", bad)
    application.runtime.registry.refresh()
    check_refused(application, bad, code)


@pytest.mark.parametrize("code", ["oversized", "unreadable"])
def test_files_that_cannot_be_read_are_told_by_reason(build: Any, tmp_path: Any, code: str) -> None:
    application = build()
    repository = FolderRepository(tmp_path / "models")
    bad = repository.publish("flowers", {FILE: b""})
    path = repository.root / "flowers" / str(bad) / FILE
    if code == "oversized":
        os.truncate(path, 2**30)
    else:
        path.unlink()
        os.mkfifo(path)
    repository.promote("flowers", bad)
    application.runtime.registry.refresh()
    check_refused(application, bad, code)


def check_refused(application: Any, bad: int, code: str) -> None:
    client = application.flask.test_client()
    state = client.get(f"/models/flowers/versions/{bad}").get_json()
    assert (state["state"], state["code"], bool(state["reason"])) == ("failed", code, True)
    unready = client.get(f"/v2/models/flowers/versions/{bad}/ready")
    assert (unready.status_code, unready.get_json()) == (503, {"name": "flowers", "ready": False})
    assert client.post("/predict", json={"instances": [models.FLOWER_ROW]}).get_json()["version"] == 3
    assert client.post("/models/houses/predict", json={"instances": [[80, "paved", "1"]]}).status_code == 200
