"""Other servers' own clients, in their own environment, get the same answers as the native route gives."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clients.conftest import ROWS
from tests.service.wire import Running

pytestmark = pytest.mark.clients


def agree(found: Any, expected: Any) -> None:
    """Compare a client's labels and probabilities with the native answer, bit for bit."""
    assert found["label"] == expected["predictions"]
    assert (np.array(found["probabilities"], np.float32) == np.array(expected["probabilities"], np.float32)).all()


@pytest.mark.parametrize(("program", "answers"), [("triton_sync.py", 8), ("triton_aio.py", 10)])
def test_tritonclient(program: str, answers: int, run: Any, expected: Any) -> None:
    found = run(program)
    assert found["ready"] == [True] * 4
    assert found["metadata"]["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}]
    assert [entry["state"] for entry in found["index"]] == ["READY"] * 4
    assert found["counted"] >= 6 * len(ROWS)
    assert found.get("best", expected["predictions"]) == expected["predictions"]
    assert len(found["answers"]) == answers
    for answer in found["answers"]:
        agree(answer, expected)
    assert found["version"] == "2"
    assert len(found["houses"]) == 2
    assert "[404] No model is called 'nope'; known: " in found["faults"][0]
    assert "'street' is missing" in found["faults"][1]


def test_kserve_of_version_1(needs: Any, run: Any, expected: Any) -> None:
    needs("kserve")
    found = run("kserve_v1.py")
    assert (found["live"], found["ready"]) == (True, True)
    agree({name: [row[name] for row in found["predictions"]] for name in ("label", "probabilities")}, expected)
    assert len(found["explanations"]) == len(ROWS)
    assert "expected a row of 4 values" in found["fault"]


def test_kserve_of_version_2(needs: Any, run: Any, expected: Any) -> None:
    needs("kserve")
    found = run("kserve_v2.py")
    assert (found["live"], found["server_ready"], found["ready"], found["unknown"]) == (True, True, True, False)
    for answer in found["answers"]:
        agree(answer, expected)
    assert "expected the shape [-1, 4]" in found["fault"]


def test_mlflow(run: Any, expected: Any) -> None:
    found = run("mlflow_client.py")
    assert found["version"] == "1"
    assert found["answers"] == [expected["predictions"]] * 4
    probabilities = np.array(found["probabilities"], np.float32)
    assert (probabilities == np.array(expected["probabilities"], np.float32)).all()
    assert "BAD_REQUEST" in found["fault"]
    assert "'petal width (cm)' is missing" in found["fault"]


@pytest.mark.parametrize("flags", [[], ["--binary-data"]])
def test_mlserver_infer(
    flags: list[str], needs: Any, environment: Path, service: Running, *, tmp_path: Path, expected: Any
) -> None:
    needs("mlserver")
    lines = [
        json.dumps({"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": row}]}) for row in ROWS
    ]
    given, written = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_text("\n".join(lines) + "\n")
    command = [str(environment / "bin" / "mlserver"), "infer", "-u", f"127.0.0.1:{service.port}", "-m", "flowers"]
    command += ["-i", str(given), "-o", str(written), "--batch-size", "2", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in written.read_text().splitlines()]
    answers.sort(key=lambda answer: int(answer["parameters"]["batch_index"]))
    outputs = [{output["name"]: output["data"] for output in answer["outputs"]} for answer in answers]
    found = {"probabilities": [output["probabilities"] for output in outputs]}
    agree(found | {"label": [output["label"][0] for output in outputs]}, expected)
