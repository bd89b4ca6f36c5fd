"""A new champion is watched beside the one before: what breaks a limit goes back, what is as good stays."""

import itertools
import json
import re
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from predictor import FolderRepository, Predictor, Reference, save_bytes
from service.application import create_observer
from service.observing.logs import LogWriter
from service.settings import load_settings
from service.versions.yardstick import Yardstick
from tests.contract.harness import through_front
from tests.service import models
from tests.service.test_metrics import samples
from tests.service.wire import until

ANSWERS = 10
AT_ONCE = 16
ROWS = [[a / 2, b / 2, 7 - a / 2, 7 - b / 2] for a, b in itertools.product(range(16), range(16))]


@pytest.fixture
def repository(tmp_path: Any) -> FolderRepository:
    found = FolderRepository(tmp_path / "models")
    models.publish(found, "flowers", models.flowers(1))
    return found


@pytest.fixture
def watching(build: Any, tmp_path: Any) -> Any:
    """An application that watches new champions, and everything that can be asked of it."""
    log = (tmp_path / "log").open("w")
    yield lambda **settings: Watching(build, tmp_path / "log", log, **settings)
    log.close()


class Watching:
    def __init__(self, build: Any, path: Any, log: Any, **settings: Any) -> None:
        given = {"watch_window_s": 600, "watch_answers": ANSWERS} | settings
        self.path = path
        self.observer = create_observer(load_settings(**given), LogWriter(log))
        self.application = build(self.observer, **given)
        self.rows = itertools.cycle(np.random.default_rng(0).permutation(ROWS).tolist())  # any few are of every kind

    def ask(self, row: Any = None, path: str = "/predict") -> Any:
        rows = [row] if row else [next(self.rows) for _ in range(AT_ONCE)]
        asked = {"path": path, "json": {"instances": rows}}
        return through_front(self.application, asked)

    def version(self) -> int:
        version: int = json.loads(self.ask().body)["version"]
        return version

    def told(self, name: str = "flowers") -> Any:
        return self.application.flask.test_client().get(f"/models/{name}").get_json()

    def watch(self, name: str = "flowers") -> tuple[str, int, int] | None:
        found = self.told(name)["watches"]
        return (found[0]["alias"], found[0]["version"], found[0]["beside"]) if found else None

    def answers(self, name: str = "flowers") -> int:
        found = self.told(name)["watches"]
        return found[0]["figures"]["answers"] if found else 0

    def lines(self, message: str) -> list[Any]:
        return [line for line in map(json.loads, self.path.read_text().splitlines()) if line["message"] == message]

    def refresh(self) -> None:
        self.application.runtime.registry.refresh()

    def until_back(self, row: Any = None, name: str = "flowers") -> Any:
        """Ask until a version is rolled back; return what is told of that."""
        until(lambda: (self.ask(row, f"/models/{name}/predict"), self.told(name)["rollbacks"])[1])
        return self.told(name)["rollbacks"][0]

    def until_compared(self, least: int = ANSWERS + 5, row: Any = None, name: str = "flowers") -> None:
        until(lambda: (self.ask(row, f"/models/{name}/predict"), self.answers(name) >= least)[1])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [(models.one_class(2), "shift"), (models.other_columns(), "errors"), (models.heavy(), "latency")],
    ids=["shift", "errors", "latency"],
)
def test_a_version_that_breaks_a_limit_is_rolled_back(
    watching: Any, repository: Any, bad: Predictor, reason: str
) -> None:
    service = watching()
    assert models.publish(repository, "flowers", bad) == 2
    service.refresh()
    assert service.watch() == ("champion", 2, 1)
    named = {"json": {"instances": [dict(zip(models.FLOWER_NAMES, ROWS[7], strict=True))]}}
    if reason == "errors":
        until(lambda: (through_front(service.application, named), service.told()["rollbacks"])[1])
    back = service.until_back()
    assert (back["version"], back["to"], back["reason"], back["is_held"]) == (2, 1, reason, False)
    assert "version 1" in back["detail"]
    assert (service.version(), service.watch()) == (1, None)
    assert repository.aliases("flowers") == {"champion": 1}, "nobody is to go back to the version that failed"
    assert repository.promotion("flowers").note == f"version 2 was rolled back: {back['detail']}"
    found = samples(service.observer)
    assert found["ganglion_rollbacks_total", (("model", "flowers"), ("reason", reason))] == 1
    (line,) = service.lines("a version was rolled back")
    assert (line["model"], line["version"], line["reason"], line["detail"]) == ("flowers", 2, reason, back["detail"])
    assert line["figures"]["answers"] >= ANSWERS


def test_outputs_that_are_not_finite_are_errors_unless_the_rows_are_to_blame(watching: Any, repository: Any) -> None:
    models.publish(repository, "steep", models.bursting(1.0))
    service = watching(watch_difference=1e9, watch_shift=1e9)
    assert models.publish(repository, "steep", models.bursting(50.0)) == 2
    service.refresh()
    service.until_compared(row=[1000.0], name="steep")
    figures = service.told("steep")["watches"][0]["figures"]
    assert (figures["errors"], figures["errors_beside"]) == (1.0, 1.0)
    time.sleep(1.0)  # it has been judged by now
    assert (service.told("steep")["rollbacks"], service.watch("steep")) == ([], ("champion", 2, 1))
    back = service.until_back([3.0], "steep")
    assert (back["reason"], service.told("steep")["serving"]["champion"]) == ("errors", 1)


def test_a_version_that_is_as_good_passes_when_the_window_is_over(watching: Any, repository: Any) -> None:
    service = watching(watch_window_s=0.5)
    models.publish(repository, "flowers", models.flowers(1))
    service.refresh()
    until(lambda: (service.ask(ROWS[0]), service.answers() > 0)[1])
    time.sleep(0.7)
    service.application.runtime.registry.judge()
    assert service.answers() < ANSWERS
    assert service.watch() == ("champion", 2, 1), "too little is known of it yet"
    until(lambda: (service.ask(), service.watch() is None)[1])
    assert (service.version(), service.told()["rollbacks"]) == (2, [])
    (line,) = service.lines("a watched version has passed")
    assert (line["version"], line["figures"]["difference"], line["figures"]["errors"]) == (2, 0.0, 0.0)
    service.refresh()
    assert service.watch() is None


def test_a_version_that_was_trained_on_such_rows_may_predict_otherwise(watching: Any, repository: Any) -> None:
    version = repository.publish("flowers", {"model.npz": save_bytes(models.one_class(0))})
    repository.promote("flowers", version, is_watched=False)
    service = watching(watch_difference=9, watch_window_s=0.01)
    usual = models.flowers(1)
    found = usual.network.infer(usual.schema.encode_rows(ROWS).X).argmax(axis=1)
    reference = Reference(len(ROWS), (0,) * 4, labels=np.bincount(found, minlength=3).tolist())
    models.publish(repository, "flowers", replace(usual, reference=reference))
    service.refresh()
    until(lambda: (service.ask(), service.lines("a watched version has passed"))[1])
    (line,) = service.lines("a watched version has passed")
    assert line["figures"]["shift"] > 0.25 > line["figures"]["shift_from_training"]
    assert (service.version(), service.told()["rollbacks"]) == (3, [])


def test_a_promotion_may_ask_not_to_be_watched(watching: Any, repository: Any) -> None:
    service = watching()
    version = repository.publish("flowers", {"model.npz": save_bytes(models.one_class(2))})
    repository.promote("flowers", version, is_watched=False)
    service.refresh()
    assert (service.version(), service.watch()) == (version, None)


def test_what_the_repository_cannot_keep_the_service_holds_back_by_itself(watching: Any, repository: Any) -> None:
    service = watching()
    bad = models.publish(repository, "flowers", models.one_class(2))
    obstacle = repository.root / "flowers" / ".new-promotions.json"
    obstacle.mkdir()
    service.refresh()
    back = service.until_back()
    assert (back["is_held"], back["to"], service.version()) == (True, 1, 1)
    page = service.application.flask.test_client().get("/metrics").get_data(as_text=True)
    assert 'ganglion_version_refused{model="flowers",reason="rolled_back",version="2"} 1.0' in page
    told = service.told()
    assert (told["aliases"]["champion"], told["serving"]["champion"], told["ready"]) == (bad, 1, True)
    assert "version 2 was rolled back, version 1 answers" in told["reasons"][0]
    service.refresh()
    repository.publish("flowers", {"model.npz": save_bytes(models.flowers(5))})
    repository.set_alias("flowers", "challenger", 3)
    service.refresh()
    assert (service.version(), service.told()["serving"]["challenger"]) == (1, 3)
    shutil.rmtree(repository.root / "flowers" / "1")
    service.refresh()
    assert service.version() == 1, "it is loaded, whatever becomes of its file"
    obstacle.rmdir()
    repository.promote("flowers", bad)  # a fresh decision
    service.refresh()
    assert (service.version(), service.watch()) == (bad, ("champion", bad, 1))


def test_what_is_held_back_stays_so_over_a_restart_where_there_is_a_folder(
    watching: Any, repository: Any, tmp_path: Any
) -> None:
    service = watching(state=tmp_path / "state")
    models.publish(repository, "flowers", models.flowers(1))
    service.refresh()
    bad = models.publish(repository, "flowers", models.one_class(2))
    (repository.root / "flowers" / ".new-promotions.json").mkdir()
    service.refresh()
    assert service.until_back()["to"] == 1
    later = watching(state=tmp_path / "state")
    assert (later.version(), later.told()["rollbacks"][0]["version"], later.watch()) == (1, bad, None)
    forgetful = watching()
    assert (forgetful.version(), forgetful.watch()) == (bad, ("champion", bad, 2))


def test_a_promotion_that_came_before_the_way_back_stands_and_is_compared_with_what_was_proven(
    watching: Any, repository: Any
) -> None:
    service = watching(reload_interval_s=1000)
    assert models.publish(repository, "flowers", models.one_class(2)) == 2
    service.refresh()
    assert models.publish(repository, "flowers", models.flowers(1)) == 3
    service.until_compared()
    service.application.runtime.registry.judge()
    assert (service.told()["rollbacks"], service.watch()) == ([], ("champion", 2, 1))
    assert repository.aliases("flowers")["champion"] == 3
    service.refresh()
    assert (service.version(), service.watch()) == (3, ("champion", 3, 1))
    service.until_compared()
    assert service.told()["rollbacks"] == []


def test_after_a_rollback_the_same_version_may_be_promoted_again(watching: Any, repository: Any) -> None:
    service = watching()
    bad = models.publish(repository, "flowers", models.one_class(2))
    service.refresh()
    service.until_back()
    repository.promote("flowers", bad, is_watched=False)
    service.refresh()
    assert (service.version(), service.watch(), service.told()["rollbacks"]) == (bad, None, [])


def test_of_two_promotions_in_one_window_the_last_is_compared_with_what_was_proven(
    watching: Any, repository: Any
) -> None:
    service = watching()
    models.publish(repository, "flowers", models.flowers(1))
    service.refresh()
    models.publish(repository, "flowers", models.one_class(2))
    service.refresh()
    assert service.watch() == ("champion", 3, 1)
    assert service.until_back()["to"] == 1
    assert repository.aliases("flowers")["champion"] == 1


def test_ways_back_and_first_versions_are_not_watched(watching: Any, repository: Any) -> None:
    service = watching()
    assert service.watch() is None
    models.publish(repository, "flowers", models.flowers(2))
    service.refresh()
    repository.rollback("flowers")
    service.refresh()
    assert (service.watch(), service.version()) == (None, 1)
    models.publish(repository, "others", models.flowers(2))
    service.refresh()
    assert service.watch("others") is None
    repository.set_alias("flowers", "champion", 2)
    service.refresh()
    assert service.watch() is None, "an alias of its own hand that goes back"


def test_without_aliases_the_newest_version_is_watched_and_held_back(watching: Any, repository: Any) -> None:
    repository.publish("plain", {"model.npz": save_bytes(models.flowers(1))})
    service = watching()
    repository.publish("plain", {"model.npz": save_bytes(models.one_class(2))})
    service.refresh()
    assert service.watch("plain") == ("champion", 2, 1)
    back = service.until_back(name="plain")
    assert (back["to"], back["is_held"], service.told("plain")["serving"]["champion"]) == (1, True, 1)
    repository.publish("plain", {"model.npz": save_bytes(models.flowers(1))})
    service.refresh()
    assert service.watch("plain") == ("champion", 3, 1)


def test_nothing_is_watched_unless_it_is_asked_for(build: Any, repository: Any) -> None:
    application = build()
    models.publish(repository, "flowers", models.one_class(2))
    application.runtime.registry.refresh()
    assert application.mirror is None
    assert application.flask.test_client().get("/models/flowers").get_json()["watches"] == []


def test_a_restart_goes_on_with_the_watch(watching: Any, repository: Any) -> None:
    models.publish(repository, "flowers", models.one_class(2))
    service = watching()
    assert service.watch() == ("champion", 2, 1)
    assert service.until_back()["to"] == 1
    later = watching(watch_window_s=0.01)
    assert later.watch() is None


def test_a_promotion_that_a_wrong_clock_put_into_the_future_is_watched_no_longer_than_others(
    watching: Any, repository: Any
) -> None:
    models.publish(repository, "flowers", models.one_class(2))
    path = repository.root / "flowers" / "promotions.json"
    path.write_text(re.sub(r'"at":"\d{4}', '"at":"2999', path.read_text()))
    watch = watching(watch_window_s=60).told()["watches"][0]
    assert datetime.fromisoformat(watch["until"]) - datetime.now(UTC) < timedelta(seconds=61)


def test_a_canary_that_breaks_a_limit_gets_no_requests_any_more(watching: Any, repository: Any) -> None:
    repository.set_alias(
        "flowers", "next", repository.publish("flowers", {"model.npz": save_bytes(models.one_class(2))})
    )
    service = watching(canary="flowers:next:50%")
    assert service.watch() == ("next", 2, 1)
    assert {service.version() for _ in range(20)} == {1, 2}
    back = service.until_back()
    assert (back["alias"], back["version"], back["to"], back["reason"]) == ("next", 2, 1, "shift")
    assert {service.version() for _ in range(20)} == {1}
    assert json.loads(service.ask(path="/models/flowers/aliases/next/predict").body)["version"] == 2
    assert repository.aliases("flowers") == {"champion": 1, "next": 2}
    repository.set_alias("flowers", "next", repository.publish("flowers", {"model.npz": save_bytes(models.flowers(1))}))
    service.refresh()
    assert (service.watch(), {service.version() for _ in range(20)}) == (("next", 3, 1), {1, 3})


def test_a_champion_that_was_rolled_back_is_no_canary_either(watching: Any, repository: Any) -> None:
    service = watching(canary="flowers:challenger:50%")
    repository.set_alias("flowers", "challenger", models.publish(repository, "flowers", models.one_class(2)))
    service.refresh()
    assert service.until_back()["alias"] == "champion"
    assert service.watch() is None
    assert {service.version() for _ in range(20)} == {1}


def test_a_version_that_feedback_proves_wrong_is_rolled_back(watching: Any, repository: Any, tmp_path: Any) -> None:
    service = watching(log_store=f"sqlite:///{tmp_path}/log.db", watch_difference=9, watch_shift=99)
    client = service.application.flask.test_client()
    truths = client.post("/predict", json={"instances": ROWS}).get_json()["predictions"]

    def tell() -> None:
        assert client.post("/feedback", json={"instances": ROWS, "truths": truths}).status_code == 202

    tell()
    usual = models.flowers(1)
    arrays = {name: value.copy() for name, value in usual.network.parameters.items()}
    for name in ("layers.1.W", "layers.1.b"):
        arrays[name] = np.roll(arrays[name], 1, axis=-1)  # each class is taken for another
    turned = models.network_with(usual.network.architecture, arrays)
    models.publish(repository, "flowers", models.predictor_of(usual.schema, turned, usual.outputs, [ROWS[0]]))
    service.refresh()
    service.until_compared()
    tell()
    back = service.until_back()
    assert (back["reason"], back["to"]) == ("live", 1)
    assert back["detail"].startswith("its share of wrong answers is 1 by feedback on 256 rows, that of version 1 is 0 ")


def test_a_fault_of_the_comparison_is_told_and_the_next_request_is_compared(
    watching: Any, repository: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = watching()
    models.publish(repository, "flowers", models.flowers(1))
    service.refresh()
    faults = [MemoryError("no room")]

    def faulty(self: Any, *given: Any) -> Any:
        if faults:
            raise faults.pop()
        return count(self, *given)

    count = Yardstick.count
    monkeypatch.setattr(Yardstick, "count", faulty)
    service.until_compared(1)
    (line,) = service.lines("a request could not be compared")
    assert (line["level"], line["model"], "no room" in line["trace"]) == ("error", "flowers", True)


def test_other_protocols_are_watched_too(watching: Any, repository: Any) -> None:
    service = watching()
    models.publish(repository, "flowers", models.other_columns())
    service.refresh()
    row = dict(zip(models.FLOWER_NAMES, ROWS[7], strict=True))
    asked = {"path": "/v1/models/flowers:predict", "json": {"instances": [row]}}
    until(lambda: (through_front(service.application, asked), service.told()["rollbacks"])[1])
    assert service.told()["rollbacks"][0]["reason"] == "errors"


def test_asking_again_is_not_counted(watching: Any, repository: Any) -> None:
    service = watching(watch_difference=1e9, watch_shift=1e9, watch_latency=1e9)
    models.publish(repository, "flowers", models.flowers(2))
    service.refresh()
    far = [99.0, 1.0, 1.0, 1.0]
    asked = 0
    while service.answers() < 5:
        service.ask(far)
        asked += 1
    found = samples(service.observer)
    assert found["ganglion_events_total", (("event", "out_of_range"), ("model", "flowers"))] == asked
    assert found["ganglion_rows_total", (("model", "flowers"), ("version", "2"))] == asked
    page = service.application.flask.test_client().get("/metrics").get_data(as_text=True)
    assert 'ganglion_watch{figure="difference",model="flowers",version="2"}' in page


def test_large_bodies_and_refusals_for_load_are_no_evidence(watching: Any, repository: Any) -> None:
    service = watching()
    models.publish(repository, "flowers", models.flowers(1))
    service.refresh()
    body = json.dumps({"instances": [ROWS[0]]}) + " " * 2**20
    assert through_front(service.application, {"body": body}).status == 200
    time.sleep(0.1)
    assert service.answers() == 0
    assert service.ask().status == 200
    until(lambda: service.answers() == 1)
