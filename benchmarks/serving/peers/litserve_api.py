"""A LitServe server: two processes of the model, and as many of the API, which is its default."""

import sys
from typing import Any

import litserve
import numpy as np
from arrays import answer


class Bench(litserve.LitAPI):
    """Answers with labels and probabilities."""

    def setup(self, device: str) -> None:
        """Need nothing: the arrays are loaded with their module."""

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        """Read the rows."""
        return np.asarray(request["instances"], dtype=np.float32)

    def predict(self, x: np.ndarray) -> tuple[list[str], np.ndarray]:
        """Compute."""
        return answer(x)

    def encode_response(self, output: tuple[list[str], np.ndarray]) -> dict[str, Any]:
        """Write the answer."""
        return {"predictions": output[0], "probabilities": output[1].tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Bench(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
