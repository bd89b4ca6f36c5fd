"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import pytest

# Before NumPy is imported: products as small as these gain nothing from more threads and lose much on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of real data sets, or skip where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("GANGLION_TEST_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"needs the real data sets: set GANGLION_TEST_DATA (looked in {folder})")
    return folder
