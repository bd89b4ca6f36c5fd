"""`docker run IMAGE serve`, the way in which SageMaker starts a container: its port, and its folder of the model."""

import os
import sys

from service.cli import main

__all__ = ["arguments"]


def arguments() -> list[str]:
    """Return the command line: port 8080 and `/opt/ml/model`, unless the platform's variables say otherwise."""
    port = os.environ.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    models = os.environ.get("SM_MODEL_DIR") or "/opt/ml/model"
    return ["serve", "--bind", f"0.0.0.0:{port}", "--models", models]


if __name__ == "__main__":
    sys.exit(main(arguments()))
