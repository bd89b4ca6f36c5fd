"""What a name, a version or an alias finds, and what is said where nothing answers."""

from typing import Any

import pytest

from service.versions.catalog import Catalog, ModelEntry, NotReadyError, NotServedError, Served, VersionState
from service.versions.watching import Rollback
from tests.service import models

SERVED = Served("flowers", 1, models.flowers(1))
READY = VersionState("ready", served=SERVED)
FAILED = VersionState("failed", "its file is damaged", "damaged")
FLOWERS = ModelEntry("flowers", {"champion": 1, "next": 2}, {"champion": SERVED}, {1: READY, 2: FAILED})


def catalog(*entries: ModelEntry, **more: Any) -> Catalog:
    return Catalog({entry.name: entry for entry in entries}, **more)


@pytest.mark.parametrize(
    "named", [{}, {"alias": "champion"}, {"version": "1"}, {"version": "1", "alias": "next"}], ids=str
)
def test_a_version_comes_before_an_alias_and_the_champion_is_meant_without_either(named: dict[str, str]) -> None:
    assert catalog(FLOWERS).current("flowers", **named) is SERVED


@pytest.mark.parametrize(
    ("named", "error", "message"),
    [
        ({"alias": "next"}, NotReadyError, "No proven version of model 'flowers' is loaded for alias 'next'."),
        ({"alias": "other"}, NotServedError, "Model 'flowers' has no alias 'other'; known: champion, next\\."),
        ({"version": "2"}, NotReadyError, "Version 2 of model 'flowers' failed to load."),
        ({"version": "3"}, NotServedError, "No version '3' of model 'flowers' is loaded; known: 2, 1\\."),
        ({"version": "01"}, NotServedError, "No version '01' of model 'flowers' is loaded; known: 2, 1\\."),
        ({"version": "1\n"}, NotServedError, "No version"),
        ({"version": "\u0661"}, NotServedError, "No version"),
    ],
)
def test_what_does_not_answer_is_not_ready_or_not_there(named: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        catalog(FLOWERS).current("flowers", **named)


def test_a_champion_is_missing_only_where_other_aliases_are_named() -> None:
    with pytest.raises(NotReadyError):
        catalog(ModelEntry("new")).current("new")
    with pytest.raises(NotServedError):
        catalog(ModelEntry("new", {"next": 1})).current("new")


def test_without_a_name_the_default_is_meant_and_nothing_else() -> None:
    other = ModelEntry("other")
    assert catalog(FLOWERS, other, default="flowers").current(None) is SERVED
    with pytest.raises(NotServedError, match=r"^Several models are loaded \(flowers, other\) and none is the default"):
        catalog(other, FLOWERS).current(None)
    with pytest.raises(NotReadyError, match=r"^No model is loaded\.$"):
        catalog().current(None)
    for absent in (None, "absent"):
        with pytest.raises(NotServedError, match=r"^No model is called 'absent'; known: flowers\.$"):
            catalog(FLOWERS, default="absent").current(absent)


def test_a_catalog_is_ready_when_every_alias_is_answered_for_and_the_default_is_there() -> None:
    whole = ModelEntry("whole", {"champion": 1}, {"champion": SERVED}, {1: READY})
    assert catalog(whole).is_ready
    assert catalog(whole, default="whole").is_ready
    assert not catalog(whole, default="absent").is_ready
    assert not catalog(whole, FLOWERS).is_ready
    assert not catalog(whole, ModelEntry("new")).is_ready
    assert not catalog().is_ready


def test_faults_name_the_alias_the_version_and_the_reason() -> None:
    said = "alias next of model flowers: version 2 failed: its file is damaged"
    assert catalog(FLOWERS).faults() == [said]
    assert catalog(FLOWERS, trouble="the folder is gone").faults() == ["the folder is gone", said]
    moved, held = (Rollback("champion", 2, 1, "errors", "half were errors", 0.0, stands=stands) for stands in (1, 2))
    assert ModelEntry("m", {"champion": 9}, trouble="torn", rollbacks={"champion": moved}).faults() == ["torn"]
    assert ModelEntry("m", rollbacks={"champion": held}).faults() == [
        "alias champion of model m: version 2 was rolled back, version 1 answers: half were errors"
    ]
