"""The two networks in every form that a contestant reads, and requests with the answers that are right."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bulk import SHAPES, predictor_of
from benchmarks.serve import ROOT
from predictor import FolderRepository, Predictor, save_bytes

__all__ = ["Question", "prepare", "questions"]

MANY = 1024
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Question:
    """Rows to ask for, (rows, features), and the probabilities, (rows, classes), that answer them."""

    rows: list[list[float]]
    right: np.ndarray

    def native(self) -> bytes:
        """Return the rows as most contestants read them."""
        return json.dumps({"instances": self.rows}, separators=(",", ":")).encode()

    def v2(self) -> bytes:
        """Return the rows as a tensor of the Open Inference Protocol."""
        shape = [len(self.rows), len(self.rows[0])]
        flat = [value for row in self.rows for value in row]
        tensor = {"name": "X", "shape": shape, "datatype": "FP32", "data": flat, "parameters": {"content_type": "np"}}
        return json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode()

    def is_answered_by(self, body: bytes) -> bool:
        """Say whether an answer has the right labels and probabilities for every row."""
        document = json.loads(body)
        if "outputs" in document:
            document = {output["name"]: output["data"] for output in document["outputs"]}
        found = np.reshape(document.get("probabilities", []), (-1, self.right.shape[1]))
        labels = [f"c{i}" for i in found.argmax(axis=1)]
        same = found.shape == self.right.shape and np.allclose(found, self.right, atol=TOLERANCE)
        return same and document["predictions"] == labels


def questions() -> dict[str, Question]:
    """Return one row and many for the small network, and one for the large."""
    small, large = (predictor_of(sizes) for sizes in SHAPES)
    return {"one": _question(small, 1), "many": _question(small, MANY), "large": _question(large, 1)}


def _question(predictor: Predictor, count: int) -> Question:
    X = np.random.default_rng(1).uniform(0, 1, (count, len(predictor.schema.names)))
    rows = X.round(6).tolist()
    return Question(rows, predictor.network.infer(predictor.schema.encode_rows(rows).X))


def prepare(folder: Path) -> None:
    """Write the networks: as models that are served, as ONNX files, as arrays, and MLServer's settings."""
    repository = FolderRepository(folder / "models")
    for sizes in SHAPES:
        predictor = predictor_of(sizes)
        name, file = f"m{sizes[0]}", save_bytes(predictor)
        repository.promote(name, repository.publish(name, {"model.npz": file}))
        (folder / f"{name}.npz").write_bytes(file)
        export = [sys.executable, "-m", "training", "export", str(folder / f"{name}.npz"), str(folder / f"{name}.onnx")]
        subprocess.run(export, cwd=ROOT, check=True, capture_output=True)
        np.savez(folder / f"plain{sizes[0]}.npz", **_plain(predictor, sizes))
    (folder / "mlserver").mkdir()
    ours = {"name": "bench", "implementation": "mlserver_runtime.Bench"}
    (folder / "mlserver" / "model-settings.json").write_text(json.dumps(ours))


def _plain(predictor: Predictor, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Return weights and biases by layer, with the scaling of the features folded into the first."""
    arrays = predictor.network.parameters
    found = {f"{i}{n}": np.array(arrays[f"layers.{i}.{n}"]) for i in range(len(sizes) - 1) for n in "Wb"}
    offset, scale = (np.array([getattr(f, n) for f in predictor.schema.features]) for n in ("offset", "scale"))
    W = found["0W"] / scale[:, None]
    return found | {"0W": W.astype(np.float32), "0b": (found["0b"] - offset @ W).astype(np.float32)}
