"""From the word on the command line to a table."""

import gzip
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from predictor.wording import hint, shown
from training.errors import DataError
from training.sources.array_files import read_npz
from training.sources.csv_files import read_csv
from training.sources.datasets import DATASETS, read_dataset
from training.sources.idx_files import is_idx_folder, read_idx_files, read_idx_folder
from training.sources.parquet_files import read_parquet
from training.table import Table

__all__ = ["SourceOptions", "read_source"]


GZIP = b"\x1f\x8b"
WORKBOOKS = frozenset({".xlsx", ".xls", ".ods"})


@dataclass(frozen=True)
class SourceOptions:
    """What reading may need beside the source's name: see `read_source`."""

    data_home: Path | None = None
    labels: Path | None = None
    missing: tuple[str, ...] = ()
    encoding: str | None = None
    header: bool | None = None


def read_source(source: str, options: SourceOptions, *, known: Iterable[str] = ()) -> Table:
    """Read a data set by its name, or a file or folder by its path.

    `known` are other names that the user may have meant, for the hint. Raises DataError.
    """
    if source in DATASETS:
        return read_dataset(source, data_home=options.data_home)
    path = Path(source)
    try:
        return _read_path(path, options)
    except FileNotFoundError as error:
        names = sorted({*DATASETS, *known})
        raise DataError(
            f"{shown(source)} is no file, folder, recipe or data set{hint(source, names)}"
            f"{'' if hint(source, names) else ' (known names: ' + ', '.join(names) + ')'}"
        ) from error
    except OSError as error:
        raise DataError(f"{path.name or source}: cannot be read: {error.strerror or error}") from error


def _read_path(path: Path, options: SourceOptions) -> Table:
    if path.is_dir():
        return _read_folder(path)
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1" or path.suffix in {".parquet", ".pq"}:
        return read_parquet(path.name, [path])
    if (head[:2] == b"PK" and path.suffix.lower() not in WORKBOOKS) or path.suffix == ".npz":
        return read_npz(path, path.read_bytes())
    if head[:3] == b"\0\0\x08" or "-ubyte" in path.name:
        return read_idx_files(path, options.labels)
    if path.suffix.lower() in WORKBOOKS:
        raise DataError(f"{path.name}: expected a CSV or Parquet file, found a workbook; save its sheet as CSV")
    missing = frozenset(word.strip().lower() for word in options.missing)
    return read_csv(path, _inflated(path), missing=missing, encoding=options.encoding, header=options.header)


def _inflated(path: Path) -> bytes:
    data = path.read_bytes()
    if not data.startswith(GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name}: expected a gzip file, and it cannot be read: {error}") from error


def _read_folder(folder: Path) -> Table:
    if is_idx_folder(folder):
        return read_idx_folder(folder)
    files = sorted(path for path in folder.rglob("*") if path.suffix in {".parquet", ".pq"} and path.is_file())
    if not files:
        raise DataError(f"{folder.name}: expected Parquet files or MNIST's IDX files in the folder, found neither")
    return read_parquet(folder.name, files)
