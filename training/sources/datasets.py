"""The data sets that scikit-learn provides, through its own loaders, and MNIST's folder by name."""

import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training.errors import DataError
from training.sources.idx_files import is_idx_folder, read_idx_folder
from training.table import Column, Table, content_digest, matrix_columns

__all__ = ["DATASETS", "read_dataset"]


@dataclass(frozen=True)
class Dataset:
    """A set by name: scikit-learn's loader and what to call its target."""

    loader: str
    target: str


DATASETS = {
    "breast_cancer": Dataset("load_breast_cancer", "diagnosis"),
    "california_housing": Dataset("fetch_california_housing", "MedHouseVal"),
    "diabetes": Dataset("load_diabetes", "progression"),
    "digits": Dataset("load_digits", "digit"),
    "iris": Dataset("load_iris", "species"),
    "wine": Dataset("load_wine", "cultivar"),
    "mnist": Dataset("", "label"),
}


def read_dataset(name: str, *, data_home: Path | None) -> Table:
    """Read a set by its name in `DATASETS`; `data_home` is where downloaded sets are kept (scikit-learn's meaning).

    Raises DataError when the set is neither there nor to be had.
    """
    if name == "mnist":
        return _mnist(data_home)
    dataset = DATASETS[name]
    bunch = _loaded(dataset, data_home)
    labels = getattr(bunch, "target_names", None)
    y = bunch.target
    if labels is not None and y.dtype.kind in "iu" and len(labels) > 1:
        y = np.array(np.asarray(labels)[y].tolist())
        y = y.astype(object) if y.dtype.kind == "U" else y
    columns = (*matrix_columns(bunch.data, map(str, bunch.feature_names)), Column(dataset.target, y))
    return Table(name, columns, content_digest(columns), target=dataset.target)


def _loaded(dataset: Dataset, data_home: Path | None) -> Any:
    # Importing scikit-learn takes most of a second, which no CSV file should pay for.
    from sklearn import datasets  # noqa: PLC0415

    loader = getattr(datasets, dataset.loader)
    if dataset.loader.startswith("load_"):
        return loader()
    try:
        return loader(data_home=str(data_home) if data_home else None)
    except (urllib.error.URLError, OSError) as error:
        home = datasets.get_data_home(str(data_home) if data_home else None)
        raise DataError(f"{dataset.loader}: the set is not in {home} and cannot be downloaded: {error}") from error


def _mnist(data_home: Path | None) -> Table:
    from sklearn.datasets import get_data_home  # noqa: PLC0415 - as above

    home = Path(get_data_home(str(data_home) if data_home else None))
    for folder in (home / "mnist", home):
        if is_idx_folder(folder):
            return read_idx_folder(folder)
    raise DataError(
        f"mnist: expected MNIST's four IDX files (train-images-idx3-ubyte.gz ...) in {home / 'mnist'}, found none;"
        " put them there, or name another home with --data-home"
    )
