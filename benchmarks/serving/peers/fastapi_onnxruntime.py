"""FastAPI with the exported ONNX files under ONNX Runtime, one thread each."""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
folder = Path(os.environ["BENCH_FOLDER"])
sessions = {n: onnxruntime.InferenceSession(folder / f"m{n}.onnx", options) for n in (8, 784)}
app = FastAPI()


class Body(BaseModel):
    """Rows of numbers."""

    instances: list[list[float]]


class Answer(BaseModel):
    """A label and the probabilities of each row."""

    predictions: list[str]
    probabilities: list[list[float]]


@app.post("/predict")
async def predict(body: Body) -> Answer:
    """Answer every row."""
    X = np.asarray(body.instances, dtype=np.float32)
    predictions, probabilities = sessions[X.shape[1]].run(["predictions", "probabilities"], {"X": X})
    return Answer(predictions=predictions.tolist(), probabilities=probabilities.tolist())
