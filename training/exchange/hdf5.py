"""The arrays of an HDF5 file, read in a process of their own: see `hdf5_child`."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.wording import shortened
from training.exchange.needs import library

__all__ = ["Weights", "read_weights"]

CHILD = Path(__file__).with_name("hdf5_child.py")
REFUSED = 3
SECONDS = 60


@dataclass(frozen=True, eq=False)
class Weights:
    """Arrays by path, the names of the layers in order and the model's description, empty where the file lacks them."""

    arrays: Mapping[str, NDArray[Any]]
    layer_names: tuple[str, ...]
    model_config: str


def read_weights(data: bytes, where: str) -> Weights:
    """Return the floats in an HDF5 file's bytes; ValueError for one that is damaged or holds anything else."""
    library("h5py")
    command = [sys.executable, "-P", str(CHILD)]
    try:
        child = subprocess.run(  # noqa: S603 - this project's own program, without arguments
            command,
            input=data,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{where}: took more than {SECONDS} s to read: it is no file that Keras wrote") from error
    if child.returncode == REFUSED:
        raise ValueError(f"{where}: {shortened(child.stderr.decode(errors='replace'))}")
    if child.returncode != 0:
        raise ValueError(f"{where}: expected a complete HDF5 file of Keras weights, and it cannot be read")
    with np.load(io.BytesIO(child.stdout), allow_pickle=False) as arrays:
        about = json.loads(arrays["about"].tobytes())
        found = {path: arrays[f"a{place}"] for place, path in enumerate(about["paths"])}
    return Weights(found, tuple(about["layer_names"]), about["model_config"])
