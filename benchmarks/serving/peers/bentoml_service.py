"""A BentoML service."""

from typing import Any

import bentoml
import numpy as np
from arrays import answer


@bentoml.service(workers=2)
class Bench:
    """Answers with labels and probabilities."""

    @bentoml.api
    def predict(self, instances: list[list[float]]) -> dict[str, Any]:
        """Answer every row."""
        labels, A = answer(np.asarray(instances, dtype=np.float32))
        return {"predictions": labels, "probabilities": A.tolist()}
