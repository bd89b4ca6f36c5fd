"""docs/model-file.md against the bytes that are written."""

import json
import re
from pathlib import Path

import numpy as np

from network import MLP, Architecture, Layer, Parameters
from predictor import Golden, NumberOutputs, NumericFeature, Predictor, Schema, save_bytes
from tests.predictor.models import houses, members_of

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
    manifest = json.loads(members_of(save_bytes(houses()))["manifest"])
    for free in ("recipe", "metrics", "lineage"):
        manifest[free] = {}
    described = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert _keys(manifest) <= described
