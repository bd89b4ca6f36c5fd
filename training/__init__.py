"""The job: from a table to a published model. ``python -m training --help`` says how.

This module imports nothing, so that ``__main__`` can choose the number of BLAS threads before NumPy is loaded; the
estimators and what exchanges models are looked up when they are asked for.
"""

from importlib import import_module
from typing import Any

__all__ = ["MLPClassifier", "MLPRegressor", "from_keras", "from_safetensors", "from_sklearn", "publish", "to_onnx"]

HOMES = {
    "from_keras": "training.exchange.keras_file",
    "from_safetensors": "training.exchange.safetensors_file",
    "to_onnx": "training.exchange.onnx_file",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES.get(name, "training.estimators")), name)
