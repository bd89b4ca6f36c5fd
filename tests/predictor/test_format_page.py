"""docs/model-file.md against the bytes that are written."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from network import ACTIVATIONS, MLP, Architecture, Layer, Parameters
from network.architecture import MAX_MEMBERS
from predictor import Calibration, Golden, NumberOutputs, NumericFeature, Predictor, Reference, Schema, save_bytes
from predictor.archive import MEMBERS_LIMIT
from predictor.artifact import MANIFEST_LIMIT, SIZE_LIMIT
from predictor.calibration import LARGEST
from predictor.manifest import LAYERS_LIMIT
from predictor.predictor import GOLDEN_LIMIT
from tests.predictor.models import flowers, houses, juries, members_of, tides, visits

PAGE = (Path(__file__).parents[2] / "docs" / "model-file.md").read_text()


def example() -> bytes:
    """The model of the page: y = 2 x + 0.5."""
    schema = Schema((NumericFeature("x", low=0.0, high=1.0),))
    architecture = Architecture(1, (Layer(1, "identity"),))
    arrays = {"layers.0.W": np.array([[2]], np.float32), "layers.0.b": np.array([0.5], np.float32)}
    network = MLP(architecture, Parameters.from_arrays(architecture, arrays))
    golden = Golden(((0.25,),), np.array([[1]], np.float32))
    return save_bytes(Predictor(schema, network, NumberOutputs(("y",), (0.0,), (1.0,)), golden, {}, {}, {"seed": 0}))


def test_the_bytes_of_the_page_are_those_of_the_file() -> None:
    data = example()
    lines = re.findall(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} )+)", PAGE, re.MULTILINE)
    assert len(lines) >= 24
    for offset, shown in lines:
        found = bytes.fromhex(shown)
        start = int(offset, 16)
        assert data[start : start + len(found)] == found, offset


def test_the_manifest_of_the_page_is_that_of_the_file() -> None:
    shown = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    assert json.loads(shown[1]) == json.loads(members_of(example())["manifest"])


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def test_every_key_of_a_manifest_is_described() -> None:
    written = set()
    reference = Reference(rows=12, missing=(0, 1, 0), values=(None,))
    full = replace(houses(), calibration=Calibration((0.5,)), reference=reference)
    for predictor in (full, flowers(), juries(), tides(), visits()):
        manifest = json.loads(members_of(save_bytes(predictor))["manifest"])
        for free in ("recipe", "metrics", "lineage"):
            manifest[free] = {}
        written |= _keys(manifest)
    section = PAGE.partition("## The manifest")[2].partition("## What a reader checks")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == written


def test_the_activations_of_the_page_are_those_of_the_network() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `activation` |"))
    assert set(re.findall(r"\w+", row.rpartition("text |")[2])) - {"or"} == set(ACTIVATIONS)


def test_the_members_of_the_page_are_those_of_the_network() -> None:
    assert f"2 to {MAX_MEMBERS}: as many networks" in PAGE


def _header(table: str, data: bytes) -> list[tuple[str, bytes]]:
    """The documented value of each field beside its bytes, the fields being gapless from 0 on."""
    fields = []
    position = 0
    for offset, size, value in re.findall(r"^\| (\d+) \| (\d+) \| (.*) \|$", table, re.MULTILINE):
        assert int(offset) == position
        position += int(size)
        fields.append((value, data[int(offset) : position]))
    return fields


@pytest.mark.parametrize(
    ("title", "size"), [("## The members", 30), ("a header of 46 bytes", 46), ("The end record", 93)]
)
def test_the_headers_of_the_page_are_those_of_the_file(title: str, size: int) -> None:
    data = example()
    table = PAGE.partition(title)[2].partition("| 0 | 4 | ")
    header = table[1] + table[2].partition("\n\n")[0]
    signature = bytes.fromhex(header.split("`")[1])
    fields = _header(header, data[data.index(signature) :])
    assert sum(len(found) for _, found in fields) == size
    for value, found in fields:
        if shown := re.match(r"`([0-9a-f ]+)`", value):
            assert found == bytes.fromhex(shown[1])
        elif number := re.match(r"\d+", value):
            assert int.from_bytes(found, "little") == int(number[0]), value


def test_the_limits_of_the_page_are_those_of_the_reader() -> None:
    for limit in (SIZE_LIMIT // 2**20, MANIFEST_LIMIT // 2**20, MEMBERS_LIMIT, LAYERS_LIMIT, GOLDEN_LIMIT, LARGEST):
        assert re.search(rf"\b{limit:,}\b", PAGE), limit
