"""A plain Flask view."""

import numpy as np
from arrays import answer
from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.post("/predict")
def predict() -> Response:
    """Answer every row."""
    labels, A = answer(np.asarray(request.get_json()["instances"], dtype=np.float32))
    return jsonify(predictions=labels, probabilities=A.tolist())
