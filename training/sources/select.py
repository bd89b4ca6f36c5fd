"""From the word on the command line to a table."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from predictor.wording import hint, nearest, printable, shown
from training.errors import DataError
from training.sources.array_files import read_npz
from training.sources.chunked import ChunkedTable, Unchanged
from training.sources.csv_bytes import inflated
from training.sources.csv_chunks import CsvChunks
from training.sources.csv_files import read_csv
from training.sources.datasets import DATASETS, read_dataset
from training.sources.idx_files import is_idx_folder, read_idx_files, read_idx_folder
from training.sources.parquet_chunks import ParquetChunks
from training.sources.parquet_files import read_parquet
from training.table import Table

__all__ = ["SourceOptions", "chunked_source", "read_source"]

Form = Literal["parquet", "npz", "idx", "csv"]
WORKBOOKS = frozenset({".xlsx", ".xls", ".ods"})
TABLES = (".csv", ".csv.gz", ".tsv", ".npz", ".txt")  # the likeliest first


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
    with _said_as_data(source, known):
        return _read_path(Path(source), options)


def chunked_source(source: str, options: SourceOptions) -> ChunkedTable | None:
    """Return a CSV or Parquet table to be read in pieces; None for sources that are always read as a whole.

    Raises DataError.
    """
    path = Path(source)
    if source in DATASETS or not path.exists():
        return None
    with _said_as_data(source, ()):
        form = _form(path)
        if form == "parquet":
            return ParquetChunks(path.name, _parquet_files(path))
        if form == "csv":
            return CsvChunks(path, missing=_words(options), encoding=options.encoding, header=options.header)
        return None


@contextmanager
def _said_as_data(source: str, known: Iterable[str]) -> Iterator[None]:
    """Translate what the file system says."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{shown(source)} is no file, folder, recipe or data set{_meant(source, known)}") from error
    except OSError as error:
        raise DataError(f"{Path(source).name or source}: cannot be read: {error.strerror or error}") from error


def _meant(source: str, known: Iterable[str]) -> str:
    """Name what was meant: a file beside it for what is plainly a path, else a recipe or a data set."""
    path = Path(source)
    if path.suffix or len(path.parts) > 1:
        if not path.parent.is_dir():
            return f"; there is no folder '{printable(str(path.parent))}'"
        beside = nearest(path.name, (file.name for file in path.parent.iterdir()))
        return f"; did you mean '{printable(str(path.with_name(beside)))}'?" if beside else ""
    names = sorted({*DATASETS, *known})
    return hint(source, names) or f" (known names: {', '.join(names)})"


def _form(path: Path) -> Form:
    """Tell what a path holds, by its first bytes or its name."""
    if path.is_dir():
        return "idx" if is_idx_folder(path) else "parquet"
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1" or path.suffix in {".parquet", ".pq"}:
        return "parquet"
    if (head[:2] == b"PK" and path.suffix.lower() not in WORKBOOKS) or path.suffix == ".npz":
        return "npz"
    if head[:3] == b"\0\0\x08" or "-ubyte" in path.name:
        return "idx"
    if path.suffix.lower() in WORKBOOKS:
        raise DataError(f"{path.name}: expected a CSV or Parquet file, found a workbook; save its sheet as CSV")
    return "csv"


def _read_path(path: Path, options: SourceOptions) -> Table:
    form = _form(path)
    unchanged = Unchanged(_parquet_files(path) if form == "parquet" else [path])
    if form == "parquet":
        table = read_parquet(path.name, _parquet_files(path))
    elif form == "npz":
        table = read_npz(path, path.read_bytes())
    elif form == "idx":
        table = read_idx_folder(path) if path.is_dir() else read_idx_files(path, options.labels)
    else:
        missing = _words(options)
        table = read_csv(path, inflated(path), missing=missing, encoding=options.encoding, header=options.header)
    unchanged.check()
    return table


def _parquet_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix in {".parquet", ".pq"} and file.is_file())
    if not files:
        raise DataError(
            f"{path.name}: expected Parquet files or MNIST's IDX files in the folder, found neither{_files_in(path)}"
        )
    return files


def _files_in(folder: Path) -> str:
    """Name a table in a folder that is itself none."""
    found = sorted(str(file) for file in folder.iterdir() if file.is_file())
    tables = [name for suffix in TABLES for name in found if name.lower().endswith(suffix)]
    return f"; name a file, such as '{printable(tables[0])}'" if tables else ""


def _words(options: SourceOptions) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in options.missing)
