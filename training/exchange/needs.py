"""The libraries of other formats, which only those who exchange models need."""

import importlib
from typing import Any

__all__ = ["library"]


def library(name: str) -> Any:
    """Import a library of the extra `exchange`; ImportError says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(f"{package} is not installed: pip install {package}", name=package) from error
