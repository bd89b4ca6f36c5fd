"""A manifest that says what cannot be is refused by the place where it does, whatever the checksums say."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from predictor import ArtifactError, Predictor, load_bytes, save_bytes
from tests.predictor.models import (
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


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, (*path, key))


WRONG: list[Any] = [None, True, -1, 0, 1.5, 1e308, 2**70, "", "x" * 300, "\0", "\ud800", [], {}, [[]], {"a": 1}, [None]]


def _set(manifest: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        manifest = manifest[key]
    manifest[path[-1]] = value


def assert_refused_or_the_same(members: dict[str, bytes], manifest: Any) -> None:
    """Load the model with another manifest: it is refused, or it is written as it was read."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    data = repacked(members | {"manifest": text.encode()})
    try:
        loaded = load_bytes(data, "hostile")
    except ArtifactError:
        return
    assert save_bytes(loaded) == data


@pytest.mark.parametrize("make", [houses, flowers, tides, visits])
def test_a_manifest_with_any_part_replaced_is_refused_or_means_the_same_model(make: Callable[[], Predictor]) -> None:
    predictor = make()
    members = members_of(save_bytes(predictor))
    manifest = json.loads(members["manifest"])
    for path in _leaves(manifest):
        for wrong in WRONG:
            changed = json.loads(members["manifest"])
            if path:
                _set(changed, path, wrong)
            assert_refused_or_the_same(members, changed if path else wrong)


@pytest.mark.parametrize("make", [houses, flowers, tides, visits])
def test_a_manifest_with_any_key_or_place_left_out_is_refused_or_means_the_same_model(
    make: Callable[[], Predictor],
) -> None:
    members = members_of(save_bytes(make()))
    for path in _leaves(json.loads(members["manifest"])):
        if path:
            changed = whole = json.loads(members["manifest"])
            for key in path[:-1]:
                whole = whole[key]
            del whole[path[-1]]
            assert_refused_or_the_same(members, changed)


def _drop(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest.pop(key)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(version=2), "version 1 of the format; a newer release wrote this file, of version 2"),
        (lambda m: m.update(version="1"), "reads version 1 of the format, and this file names no such one"),
        (lambda m: m.update(format="other"), "format: expected 'ganglion'"),
        (lambda m: m.update(extra=1), "the manifest: has the unknown key 'extra'"),
        (_drop("outputs"), "the manifest: lacks the key 'outputs'"),
        (lambda m: m["features"][0].pop("low"), "features[0]: lacks the key 'low'"),
        (lambda m: m["features"][0].update(colour=1), "features[0]: has the unknown key 'colour'"),
        (lambda m: m["features"][0].update(scale=0.0), "features[0]: scale: expected a number above 0"),
        (lambda m: m["features"][0].update(kind="text"), "features[0].kind: expected 'number', 'category' or 'date'"),
        (lambda m: m["features"][1].update(missing="mud"), "features[1]: missing: 'mud' is not one of the categories"),
        (lambda m: m["features"][1]["categories"].append("gravel"), "features[1]: categories: expected at least one"),
        (lambda m: m["architecture"]["layers"][0].update(units=5), "layers.0.W.npy: expected <f4 (6, 5) in C order"),
        (lambda m: m["architecture"].update(inputs=7), "layers.0.W.npy: expected <f4 (7, 4) in C order"),
        (lambda m: m["outputs"].update(scale=[1.0, 2.0]), "outputs: offset, scale: expected one each for 1 targets"),
        (lambda m: m["golden"][0].pop(), "golden.rows: expected 3 cells in each row"),
        (lambda m: m["lineage"].update(seed=[1]), "lineage.'seed': expected text, a whole number or null"),
        (lambda m: m["metrics"].update(r2="good"), "metrics.r2: expected a number, found str"),
        (lambda m: m.update(left_out="id"), "left_out: expected a list, found a string"),
        (lambda m: m.update(left_out=["roof"]), "left_out: a name stands twice, or is a feature's"),
        (lambda m: m.update(left_out=["id", 1]), "left_out: expected a string, found int"),
        (lambda m: m.update(left_out=[]), "is not written the one way that a manifest is written"),
    ],
)
def test_a_hostile_manifest_is_refused_by_place(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    with pytest.raises(ArtifactError) as refused:
        load_bytes(rewritten(change), "hostile")
    assert reason in str(refused.value).replace("hostile: manifest: ", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m["features"][0].update(knots=[0.0]), "features[0]: knots: expected none, or two or more"),
        (lambda m: m["features"][0].update(knots=[1.0, 0.0]), "features[0]: knots: expected rising values"),
        (lambda m: m["features"][0].update(knots=[0.0, 1e-46]), "features[0]: knots: expected rising values"),
        (lambda m: m["features"][0].update(knots=[-1e40, 1e40]), "features[0]: knots: expected rising values"),
        (lambda m: m["features"][0].update(knots=[0.0, "1"]), "features[0]: knots[1]: expected a number, found str"),
        (lambda m: m["features"][0].update(knots={}), "knots: expected a list"),
        (lambda m: m["features"][4].update(knots=[]), "is not written the one way"),
        (lambda m: m["features"][0].update(knots=list(map(float, range(2**17)))), "encoded columns, at most 131072"),
        (lambda m: m["features"][1].update(clip=0.0), "features[1]: clip: expected a number from 0.001 to 1e+06"),
        (lambda m: m["features"][1].update(clip="1"), "features[1]: clip: expected a number, found str"),
        (lambda m: m["features"][0].update(clip=None), "is not written the one way"),
        (lambda m: m["features"][1].update(flags_missing=1), "features[1]: flags_missing: expected true or false"),
        (lambda m: m["features"][1].update(missing=None), "flags_missing: needs a value for missing cells"),
        (lambda m: m["features"][1].update(flags_missing=False), "architecture.inputs: the schema encodes 11 columns"),
        (lambda m: m["features"][2].update(clip=1.0), "features[2]: has the unknown key 'clip'"),
        (lambda m: m["outputs"].pop("low"), "outputs: low, high: expected none, or one each for 1 targets"),
        (lambda m: m["outputs"].update(low=[5.0]), "outputs: low: expected at most high"),
        (lambda m: m["outputs"].update(low=[None]), "outputs: low[0]: expected a number, found NoneType"),
    ],
)
def test_a_hostile_encoding_is_refused_by_place(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    with pytest.raises(ArtifactError) as refused:
        load_bytes(rewritten(change, tides()), "hostile")
    assert reason in str(refused.value).replace("hostile: manifest: ", "")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m["architecture"].update(members=0), "architecture.members: expected a whole number from 1 to 256"),
        (lambda m: m["architecture"].update(members=257), "expected a whole number from 1 to 256, found 257"),
        (lambda m: m["architecture"].update(members="3"), "expected a whole number from 1 to 256, found '3'"),
        (lambda m: m["architecture"].update(members=None), "expected a whole number from 1 to 256, found None"),
        (lambda m: m["architecture"].update(members=2), "layers.0.W.npy: expected <f4 (2, 2, 5) in C order"),
        (lambda m: m["architecture"].update(members=1), "layers.0.W.npy: expected <f4 (2, 5) in C order"),
        (lambda m: m["architecture"].pop("members"), "layers.0.W.npy: expected <f4 (2, 5) in C order"),
        (lambda m: m["architecture"]["layers"][0].update(units=2**20), "more than the file holds"),
    ],
)
def test_a_hostile_ensemble_is_refused_by_place(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    with pytest.raises(ArtifactError) as refused:
        load_bytes(rewritten(change, juries()), "hostile")
    assert reason in str(refused.value)


def test_one_member_is_not_spelled_out() -> None:
    with pytest.raises(ArtifactError, match="is not written the one way that a manifest is written"):
        load_bytes(rewritten(lambda m: m["architecture"].update(members=1)), "hostile")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["architecture"]["layers"][0].update(activation="x" * 100_000 + "\x1b[2J"),
        lambda m: m["metrics"].update({"\x1b[2J" + "y" * 100_000: "x"}),
        lambda m: m["recipe"].update({"\x1b[2J" * 100_000: 2**200}),
        lambda m: m["lineage"].update({"\x1b[2J" * 100_000: [1]}),
    ],
)
def test_a_message_repeats_little_of_a_hostile_manifest(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(ArtifactError) as refused:
        load_bytes(rewritten(change), "hostile")
    assert len(str(refused.value)) < 400
    assert str(refused.value).isprintable()


def test_a_manifest_spelled_another_way_is_refused() -> None:
    members = members_of(FILE)
    spaced = json.dumps(json.loads(members["manifest"]), sort_keys=True, ensure_ascii=False)
    with pytest.raises(ArtifactError, match="is not written the one way"):
        load_bytes(repacked(members | {"manifest": spaced.encode()}), "hostile")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a":1,"a":2}', "has the key 'a' twice"),
        (b'{"a":NaN}', "has NaN, which JSON does not know"),
        (b"[" * 5000, "is nested too deep"),
        (b"[" * 200_000, "has more than 100000 lists and objects"),
        (b'{"a":' + b"9" * 5000 + b"}", "has a number of 5000 characters"),
        (b'{"a":1e999}', "has a number beyond float64"),
        (b"\xff\xfe", "utf-8"),
        (b"", "Expecting value"),
        (b" " * (16 * 2**20 + 1), "is 16777217 bytes long, more than the 16777216 that are read"),
    ],
)
def test_json_that_is_none_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(ArtifactError, match=reason):
        load_bytes(repacked(members_of(FILE) | {"manifest": text}), "hostile")
