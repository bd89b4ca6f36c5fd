"""Canary and shadow: which requests another version answers, or computes beside the champion."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from predictor import NumberOutputs, NumericFeature, Schema
from service.application import create_observer
from service.observer import Comparison, QuietObserver
from service.observing.logs import LogWriter
from service.settings import SettingsError, load_settings
from service.versions.catalog import Served
from service.versions.shadow import MOST_ROWS_WAITING, Shadow, compared
from service.versions.splitting import read_rules
from tests.contract.harness import through_flask, through_front
from tests.service import models
from tests.service.test_metrics import samples
from tests.service.wire import until

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.0, 2.0, 4.0, 1.0]]


def versions(application: Any, count: int, headers: Any = None, path: str = "/predict") -> list[int]:
    found = []
    for i in range(count):
        request = {"path": path, "json": {"instances": [[i / 100, 3.5, 1.4, 0.2]]}, "headers": headers or {}}
        found.append(json.loads(through_front(application, request).body)["version"])
    return found


def test_a_canary_answers_its_part_of_the_requests_for_the_champion(build: Any) -> None:
    application = build(canary="flowers:previous:25%")
    found = versions(application, 400)
    assert set(found) == {2, 3}
    assert 60 <= found.count(2) <= 140
    assert versions(application, 400) == found
    assert set(versions(application, 20, path="/models/flowers/versions/3/predict")) == {3}
    assert set(versions(application, 20, path="/models/flowers/aliases/champion/predict")) == {3}


def test_a_session_stays_on_its_side(build: Any) -> None:
    application = build(canary="flowers:previous:50%")
    sides = [set(versions(application, 10, {"X-Session-Key": f"user-{user}"})) for user in range(40)]
    assert all(len(side) == 1 for side in sides)
    assert 8 <= sides.count({2}) <= 32


def test_both_doors_and_all_processes_decide_alike(build: Any) -> None:
    applications = [build(canary="flowers:previous:50%") for _ in range(2)]
    sides: list[int] = []
    for i in range(30):
        body = json.dumps({"instances": [[i / 100, 3.5, 1.4, 0.2]]}).encode()
        asked = {"base64": base64.b64encode(body).decode()}
        given = [door(application, asked) for application in applications for door in (through_front, through_flask)]
        found = {json.loads(answer.body)["version"] for answer in given}
        assert len(found) == 1
        sides += found
    assert set(sides) == {2, 3}


def test_a_key_falls_on_one_side_whatever_process_asks() -> None:
    (rule,) = read_rules("a:b:50%")
    assert [rule.takes(b"user-%d" % i) for i in range(8)] == [False, False, False, False, False, True, False, True]


def test_an_alias_that_nothing_stands_behind_takes_nothing(build: Any) -> None:
    assert set(versions(build(canary="flowers:absent:100%,houses:absent:5%"), 20)) == {3}


def test_splits_are_told_with_the_model(build: Any) -> None:
    client = build(canary="flowers:previous:5%", shadow="houses:next").flask.test_client()
    assert client.get("/models/flowers").get_json()["canary"] == {"alias": "previous", "share": 0.05}
    assert client.get("/models/houses").get_json()["shadow"] == {"alias": "next", "share": 1.0}


@pytest.mark.parametrize(
    "text", ["iris", "iris:a:101%", "iris:a:5", "iris:champion:5%", "a:b:1%,a:c:1%", "../x:a:1%", "iris:a:-1%"]
)
def test_rules_that_make_no_sense_stop_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="GANGLION_CANARY"):
        load_settings(canary=text)


def test_rules_are_read_with_their_shares() -> None:
    first, second = read_rules("iris:challenger:2.5% , wine:next")
    assert (first.model, first.alias, first.share) == ("iris", "challenger", 0.025)
    assert second.share == 1.0
    assert [rule.takes(b"") for rule in read_rules("a:b:0%,c:d:100%")] == [False, True]


def test_a_shadow_is_compared_and_never_answers(build: Any, tmp_path: Any) -> None:
    settings = load_settings(models=tmp_path / "models")
    with (tmp_path / "log").open("w") as log:
        observer = create_observer(settings, LogWriter(log))
        application = build(observer, shadow="flowers:previous,houses:champion2")
        assert set(versions(application, 20)) == {3}
        through_front(application, {"json": {"instances": [dict(zip(models.FLOWER_NAMES, ROWS[0], strict=True))]}})

        def counted() -> dict[str, float]:
            of = (("model", "flowers"), ("version", "2"))
            found = samples(observer)
            rows = {result: found.get(("ganglion_shadow_rows_total", (of[0], ("result", result), of[1])), 0.0)
                    for result in ("agree", "differ", "failed", "skipped")}  # fmt: skip
            return rows | {"apart": found.get(("ganglion_shadow_difference_total", of), 0.0)}

        until(lambda: counted()["agree"] + counted()["differ"] == 21)
        assert counted()["apart"] > 0
        assert (counted()["failed"], counted()["skipped"]) == (0, 0)


def test_versions_that_take_their_features_in_another_order_are_compared() -> None:
    one = Served("flowers", 1, models.flowers(1))
    cells = np.array(ROWS)
    A = one.predictor.network.infer(one.predictor.schema.encode_numbers(cells))
    assert compared(one, one, cells, A) == Comparison(agree=2)
    schema = Schema(tuple(reversed(one.predictor.schema.features)))
    turned = models.predictor_of(schema, one.predictor.network, one.predictor.outputs, [ROWS[0]])
    B = turned.network.infer(schema.encode_numbers(cells[:, ::-1]))
    found = compared(one, Served("flowers", 2, turned), cells, A)
    assert found.agree + found.differ == 2
    assert found.difference == pytest.approx(np.abs(A - B).sum() / 2, abs=1e-6)


def test_numbers_agree_within_a_twentieth_of_the_scale() -> None:
    network = models.network_of(1, (1,), "identity", 0)
    schema = Schema((NumericFeature("x", low=0.0, high=1.0),))
    ours = models.predictor_of(schema, network, NumberOutputs(("y",), (0.0,), (100.0,)), [[0.5]])
    near, far = (models.predictor_of(schema, network, NumberOutputs(("y",), (d,), (100.0,)), [[0.5]]) for d in (4, 6))
    one = Served("m", 1, ours)
    A = network.infer(schema.encode_rows([[0.5]]).X)
    for other, agree, apart in ((near, 1, 4.0), (far, 0, 6.0)):
        found = compared(one, Served("m", 2, other), [(0.5,)], A)
        assert (found.agree, found.differ) == (agree, 1 - agree)
        assert found.difference == pytest.approx(apart, abs=1e-3)


class Seen(QuietObserver):
    def __init__(self) -> None:
        self.found: list[Comparison] = []

    def compared(self, model: str, version: int, found: Comparison) -> None:
        self.found.append(found)


def test_rows_that_the_shadow_cannot_take_or_that_are_too_many_are_counted() -> None:
    seen = Seen()
    shadow = Shadow((), seen)
    flowers, houses = Served("flowers", 1, models.flowers()), Served("houses", 1, models.houses())
    shadow.offer(flowers, houses, np.array(ROWS), np.zeros((2, 3)))
    until(lambda: seen.found == [Comparison(failed=2)])
    shadow.offer(flowers, flowers, np.ones((MOST_ROWS_WAITING + 1, 4)), np.zeros((MOST_ROWS_WAITING + 1, 3)))
    assert seen.found[1:] == [Comparison(skipped=MOST_ROWS_WAITING + 1)]
