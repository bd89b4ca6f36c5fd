"""Sources other than CSV: Parquet, `.npz`, IDX, and data sets by name."""

import gzip
import struct
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet
from sklearn.datasets import load_iris

from tests.training.helpers import Writer
from training.errors import DataError
from training.sources import SourceOptions, read_source
from training.table import Table


def read(path: Path | str, **options: Any) -> Table:
    return read_source(str(path), SourceOptions(**options))


def idx(values: NDArray[Any]) -> bytes:
    return struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def test_parquet_columns_become_numbers_or_text_and_the_rest_is_noted(tmp_path: Path) -> None:
    table = pa.table(
        {
            "n": pa.array([1, None, 3]),
            "x": pa.array([1.5, 2.5, None]),
            "money": pa.array([Decimal("1.10"), None, Decimal("3.30")]),
            "flag": pa.array([True, False, None]),
            "word": pa.array(["a", None, "b"]).dictionary_encode(),
            "day": pa.array([date(2024, 2, 29), None, date(1969, 12, 31)]),
            "at": pa.array([0, 86_400_500, None], pa.timestamp("ms")),
            "zoned": pa.array([0, 3_600, None], pa.timestamp("s", tz="Europe/Berlin")),
            "list": pa.array([[1], [2], [3]]),
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet")
    cells = {column.name: column.values.tolist() for column in found.columns}
    assert cells["day"] == ["2024-02-29", None, "1969-12-31"]
    assert cells["at"] == ["1970-01-01", "1970-01-02", None]
    assert cells["zoned"] == ["1970-01-01", "1970-01-01T01:00:00", None]
    assert cells["word"] == ["a", None, "b"]
    assert cells["flag"] == ["true", "false", None]
    np.testing.assert_array_equal(cells["n"], [1.0, np.nan, 3.0])
    np.testing.assert_allclose(cells["money"], [1.1, np.nan, 3.3], rtol=1e-15)
    assert found.notes == ("column 'list' is left out: the type list<element: int64> is not supported",)


def test_a_folder_of_parquet_files_is_one_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name, value in (("b", 2), ("a", 1), ("sub/c", 3)):
        (tmp_path / "parts" / name).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table({"v": [value]}), tmp_path / "parts" / f"{name}.parquet")
    assert read(tmp_path / "parts").columns[0].values.tolist() == [1.0, 2.0, 3.0]


def test_damaged_or_differing_parquet_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match=r"^bad.parquet: expected a Parquet file, and it cannot be read"):
        read(tmp_path / "bad.parquet")
    parquet.write_table(pa.table({"v": [1]}), tmp_path / "a.parquet")
    (tmp_path / "bad.parquet").unlink()
    parquet.write_table(pa.table({"w": [1]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"^b.parquet: expected the columns of a.parquet, found others$"):
        read(tmp_path)


def test_npz_arrays_become_columns_and_test_rows_are_kept_apart(tmp_path: Path) -> None:
    X = np.arange(6.0).reshape(3, 2)
    np.savez(tmp_path / "t.npz", X=X, y=[0, 1, 0], X_test=X[:1], y_test=[1], feature_names=["p", "q"])
    table = read(tmp_path / "t.npz")
    assert table.names == ("p", "q", "y")
    assert table.target == "y"
    assert table.is_test is not None
    assert np.flatnonzero(table.is_test).tolist() == [3]
    assert table.columns[0].values.tolist() == [0.0, 2.0, 4.0, 0.0]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"A": np.zeros(3)}, r"expected the arrays X and y, found A"),
        ({"X": np.zeros(3), "y": np.zeros(3)}, r"X: expected \(rows, features\) numbers, found float64 \(3,\)"),
        ({"X": np.zeros((3, 2)), "y": np.zeros(2)}, r"y: expected \(3,\) numbers or text, found float64 \(2,\)"),
        ({"X": np.array([[object()]]), "y": np.zeros(1)}, r"it cannot be read: Object arrays"),
        ({"X": np.array([[np.inf]]), "y": np.zeros(1)}, r"X: expected finite numbers or NaN for missing"),
    ],
)
def test_npz_files_without_usable_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "t.npz")


def test_a_cut_npz_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.zeros((3, 2)), y=np.zeros(3))
    data = (tmp_path / "t.npz").read_bytes()
    (tmp_path / "t.npz").write_bytes(data[:-10])
    with pytest.raises(DataError, match="it cannot be read"):
        read(tmp_path / "t.npz")


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, rows in (("train", 5), ("t10k", 2)):
        images = rng.integers(0, 256, (rows, 2, 3))
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(rows)))
    return tmp_path


def test_a_folder_of_idx_files_is_read_gzipped_or_not(digits: Path) -> None:
    table = read(digits)
    assert table.names == (*[f"pixel_{row}_{column}" for row in range(2) for column in range(3)], "label")
    assert table.rows == 7
    assert table.is_test is not None
    assert np.flatnonzero(table.is_test).tolist() == [5, 6]
    assert table.columns[-1].values.tolist() == [0, 1, 2, 3, 4, 0, 1]


def test_one_pair_of_idx_files_is_read_with_the_labels_beside_it_or_named(digits: Path) -> None:
    images = digits / "t10k-images-idx3-ubyte.gz"
    with pytest.raises(DataError, match=r"found no t10k-labels-idx1-ubyte.gz; name them: --labels"):
        read(images)
    assert read(images, labels=digits / "t10k-labels-idx1-ubyte").rows == 2


def test_damaged_idx_files_are_refused(digits: Path) -> None:
    labels = digits / "train-labels-idx1-ubyte"
    good = labels.read_bytes()
    for data, message in (
        (good[:-1], "expected 5 values for \\[5\\], found 4"),
        (good[:6], "expected 1 sizes, found the end of the file"),
        (b"\0\0\x0d\x01" + good[4:], "expected an IDX file of bytes, found it begins with '00000d01'"),
        (idx(np.arange(4)), "expected a label for each of 5 images, found \\(4,\\)"),
        (gzip.compress(good)[:-9], "the gzip stream is cut short"),
    ):
        labels.write_bytes(data)
        with pytest.raises(DataError, match=message):
            read(digits)


def test_iris_comes_from_scikit_learn_with_its_class_names() -> None:
    table = read("iris")
    bunch = load_iris()
    assert table.names == (*bunch.feature_names, "species")
    assert table.columns[-1].values.tolist() == bunch.target_names[bunch.target].tolist()
    np.testing.assert_array_equal(np.stack([column.values for column in table.columns[:-1]], axis=1), bunch.data)


def test_a_set_that_cannot_be_had_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^mnist: expected MNIST's four IDX files .* in .*mnist, found none"):
        read("mnist", data_home=tmp_path)


def test_california_housing_is_read_from_the_data_home(data_folder: Path) -> None:
    table = read("california_housing", data_home=data_folder / "california_housing" / "scikit_learn_data")
    assert table.rows == 20_640
    assert table.target == "MedHouseVal"


def test_equal_data_has_an_equal_digest(write: Writer) -> None:
    assert read(write("a.csv", "a\n1\n")).digest == read(write("b.csv", "a\n1\n")).digest
    assert read(write("a.csv", "a\n1\n")).digest != read(write("b.csv", "a\n2\n")).digest
    assert read("iris").digest == read("iris").digest
