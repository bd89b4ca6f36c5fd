"""Train `iris` when the model repository is empty, so that a fresh clone has something to serve."""

import os
import sys
from pathlib import Path

from predictor import FolderRepository

__all__ = ["main"]

COMMAND = ("-m", "training", "fit", "iris")


def main() -> None:
    """Say what the repository holds, or become the training job where it holds nothing."""
    models = Path(os.environ.get("GANGLION_MODELS") or "models")
    names = FolderRepository(models).names()
    if names:
        print(f"{models} holds {', '.join(names)}: nothing to train", flush=True)
        return
    print(f"{models} holds no model yet: training iris", flush=True)
    # Replacing this process leaves one that hears the signals: the job itself.
    os.execv(sys.executable, [sys.executable, *COMMAND])  # noqa: S606 - the arguments are constants


if __name__ == "__main__":
    main()
