"""What the fit of a large table is made of."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from network import MLP, Architecture, Layer, Rows
from predictor import CategoricalFeature, ClassOutputs, DateFeature, NumberOutputs, NumericFeature, Schema
from training.encoding import encode
from training.errors import DataError, TrainingError
from training.evaluation import evaluator
from training.sources.csv_chunks import CsvChunks
from training.sources.csv_files import read_csv
from training.sources.parquet_chunks import ParquetChunks
from training.streaming.chance import uniform
from training.streaming.coding import Coder
from training.streaming.measuring import evaluate_pieces
from training.streaming.pools import Pools
from training.streaming.scratch import RowFile, scratch_folder
from training.streaming.survey import survey
from training.table import Column, Mistake


def test_chance_by_position_is_even_and_the_same_however_rows_are_cut() -> None:
    whole = uniform(np.arange(100_000), seed=1, purpose="test")
    parts = [uniform(np.arange(start, start + 10_000), seed=1, purpose="test") for start in range(0, 100_000, 10_000)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert whole.min() >= 0
    assert whole.max() < 1
    assert np.histogram(whole, 10, (0, 1))[0] == pytest.approx(np.full(10, 10_000), rel=0.05)
    for other in (
        uniform(np.arange(100_000), seed=2, purpose="test"),
        uniform(np.arange(100_000), seed=1, purpose="x"),
    ):
        assert abs(np.corrcoef(whole, other)[0, 1]) < 0.02


def test_a_survey_draws_evenly_and_holds_a_witness_of_what_is_rare(tmp_path: Path) -> None:
    rows = 60_000
    kinds = np.full(rows, "usual", object)
    kinds[41_000] = "rare"
    gaps = np.arange(rows) % 7 + 0.5
    cells = [str(value) for value in gaps]
    cells[52_000] = "NA"
    table = pa.table({"n": np.arange(rows) + 1, "kind": kinds.tolist(), "gaps": cells, "y": np.arange(rows) // 59_999})
    csv.write_csv(table, tmp_path / "t.csv", csv.WriteOptions(quoting_style="none"))
    told: list[int] = []
    chunked = CsvChunks(tmp_path / "t.csv")
    found = survey(chunked, target="y", seed=0, most_bytes=48_000, on_rows=lambda rows, what: told.append(rows))
    assert found.rows == rows == told[-1]
    assert 500 <= len(found.positions) < 520
    assert {41_000, 52_000, 59_999} <= set(found.positions.tolist())
    assert found.positions.mean() == pytest.approx(rows / 2, rel=0.1)
    assert found.ranges["gaps"] == (0.5, 6.5)
    assert found.counted == {"n"}
    assert set(found.table.columns[1].values.tolist()) == {"usual", "rare"}
    assert np.isnan(found.table.columns[2].values).sum() == 1
    assert found.table.columns[0].values.tolist() == (found.positions + 1).tolist()


def test_one_text_among_many_numbers_is_in_the_sample_whatever_is_drawn(tmp_path: Path) -> None:
    cells = [f"{i}.25" for i in range(30_000)]
    cells[20_000] = "oops"
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{cell},1\n" for cell in cells))
    chunked = CsvChunks(tmp_path / "t.csv")
    found = survey(chunked, target="y", seed=0, most_bytes=4_800, on_rows=lambda *_: None)
    assert 20_000 in found.positions
    assert found.table.columns[0].doubt == Mistake("a number", "oops", "line 20002", 1, 30_000)


def test_long_texts_make_the_sample_smaller(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": ["many words " * 1000] * 2000, "y": range(2000)}), tmp_path / "t.parquet")
    chunked = ParquetChunks("t", [tmp_path / "t.parquet"])
    found = survey(chunked, target=None, seed=0, most_bytes=1_200_000, on_rows=lambda *_: None)
    assert found.rows == 2000
    assert 10 <= len(found.positions) <= 100


def test_chunks_are_read_as_the_whole_spells_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("price;code;share\n1.234;007;5 %\n2.500,5;010;7 %\n3,25;011;n.a.\n")
    whole, chunked = read_csv(path, path.read_bytes()), CsvChunks(path)
    (cells,) = chunked.chunks()
    table = chunked.table(cells, chunked.digest())
    assert table.digest == whole.digest
    for column, expected in zip(table.columns, whole.columns, strict=True):
        assert str(column.values.tolist()) == str(expected.values.tolist())
        for row in range(3):  # alone, 1.234 would be one and a bit, and 007 seven
            part = cells[column.name].slice(row, 1)
            found = chunked.column(column.name, part, is_numeric=column.is_numeric, first=row)
            assert str(found.values.tolist()) == str(expected.values[row : row + 1].tolist())
    with pytest.raises(DataError, match=r"t\.csv: column 'price': expected a number, found '1\.2\.3' in line 4"):
        chunked.column("price", pa.chunked_array([["1,5", "1.2.3"]]), is_numeric=True, first=1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "latin-1"])
def test_chunks_of_other_encodings_are_read_as_text(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("der,größe\nx,groß\ny,klein\n".encode(encoding))
    chunked = CsvChunks(path, encoding="latin-1" if encoding == "latin-1" else None)
    (cells,) = chunked.chunks()
    assert chunked.names == ("der", "größe")
    assert cells["größe"].to_pylist() == ["groß", "klein"]


def schema() -> Schema:
    return Schema(
        (
            CategoricalFeature("c", ("a", "b"), missing="b", unknown="bucket", counts=(1, 1)),
            NumericFeature("n", offset=1.0, scale=3.0, missing=2.0, low=0, high=9, knots=(0.0, 1.0, 4.0), clip=2.0),
            DateFeature("d", parts=("year", "month"), low="2020-01-01", high="2024-01-01", missing="zeros"),
            CategoricalFeature("e", ("", "x"), unknown="refuse", counts=(1, 1)),
            NumericFeature("m", low=0, high=9),
        )
    )


def columns(e: str = "x", m: float = 1.5) -> list[Column]:
    return [
        Column("c", np.array(["a", "zzz", None, "b"], object)),
        Column("n", np.array([1.0, np.nan, -5.0, 3.3])),
        Column("d", np.array(["2020-05-01", None, "2023-12-31", "2024-01-01"], object)),
        Column("e", np.array(["x", "", "x", e], object)),
        Column("m", np.array([0, 1, 2, m])),
    ]


def test_packed_rows_encode_to_the_bits_of_the_schema() -> None:
    coder = Coder(schema())
    packed = coder.pack(columns())
    assert packed.shape == (4, coder.width)
    assert coder.encode(packed).tobytes() == encode(schema(), columns(), np.arange(4)).tobytes()


@pytest.mark.parametrize(("e", "m"), [("unknown", 1.0), ("x", float("nan")), ("x", 1e300)])
def test_what_the_schema_refuses_is_refused_when_it_is_packed(e: str, m: float) -> None:
    with pytest.raises(DataError, match="the data do not fit the schema of the training rows"):
        Coder(schema()).pack(columns(e, m))


def filled(folder: Path, rows: int) -> RowFile:
    file = RowFile(folder / "rows", 600)
    for start in range(0, rows, 70):
        count = min(70, rows - start)
        file.append(np.repeat(np.arange(start, start + count, dtype=np.float64)[:, None], 600, axis=1))
    file.finish()
    return file


@pytest.mark.parametrize("rows", [1, 64, 65, 1000])
@pytest.mark.parametrize("pool", [1, 200, 10_000])
def test_an_epoch_in_pools_has_every_row_once_and_its_own_order(tmp_path: Path, rows: int, pool: int) -> None:
    file = filled(tmp_path, rows)
    pools = Pools(
        file, lambda packed: (packed[:, :2].astype(np.float32), packed[:, -1:].astype(np.float32)),
        rows=pool, batch=10, shuffle=True, seed=0,
    )  # fmt: skip

    def epoch(number: int) -> list[float]:
        seen: list[float] = []
        for part in pools.of_epoch(number):
            room = part.room(len(part))
            part.gather(np.arange(len(part)), into=room)
            assert np.array_equal(room.X[:, :1], room.Y)
            seen += room.Y[:, 0].tolist()
        return seen

    assert len(pools) == rows
    assert sorted(epoch(0)) == list(range(rows))
    assert epoch(3) == epoch(3)
    assert sorted(epoch(1)) == sorted(epoch(2))
    assert rows < 1000 or epoch(1) != epoch(2)
    assert sum(1 for _ in pools.of_epoch(0)) == pools.count
    file.close()


def test_the_rows_of_a_single_batch_are_there_without_gathering(tmp_path: Path) -> None:
    file = filled(tmp_path, 64)
    pools = Pools(
        file, lambda packed: (packed[:, :1].astype(np.float32), packed[:, -1:].astype(np.float32)),
        rows=64, batch=64, shuffle=False, seed=0,
    )  # fmt: skip
    (part,) = pools.of_epoch(0)
    assert isinstance(part, Rows)
    assert part.X[:, 0].tolist() == list(range(64))
    file.close()


def test_the_metrics_of_pieces_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 3)).astype(np.float32)
    for outputs, units, activation, values in (
        (ClassOutputs(("a", "b", "c"), "t"), 3, "softmax", rng.integers(3, size=1000)),
        (ClassOutputs(("a", "b"), "t"), 1, "sigmoid", rng.integers(2, size=1000)),
        (NumberOutputs(("t",), (2.0,), (3.0,)), 1, "identity", rng.normal(size=1000) + 5),
    ):
        mlp = MLP.initialized(Architecture(3, (Layer(units, activation),)), Normal(), rng=np.random.default_rng(1))
        evaluate = evaluator(outputs)
        pieces = [(X[start:end], values[start:end]) for start, end in ((0, 300), (300, 301), (301, 1000))]
        found = evaluate_pieces(mlp, pieces[:1] + pieces[2:], evaluate, outputs)
        rest = np.delete(np.arange(1000), 300)
        whole = evaluate(mlp, X[rest], values[rest])
        assert found.keys() == whole.keys()
        for name, value in whole.items():
            assert found[name] == pytest.approx(value, abs=0.05 if name == "ece" else 1e-9), name


class Normal:
    def draw(self, shape: tuple[int, int], *, rng: np.random.Generator) -> np.ndarray:
        return rng.normal(size=shape)


def test_a_scratch_folder_is_gone_afterwards_and_with_it_what_the_dead_left(tmp_path: Path) -> None:
    models = tmp_path / "models"
    abandoned = models / ".scratch" / "dead"
    abandoned.mkdir(parents=True)
    (models / "iris").mkdir()
    with scratch_folder(models, needs=10) as one:
        assert not abandoned.exists()
        (one / "rows").write_bytes(b"x")
        with scratch_folder(models, needs=10) as other:
            assert one.exists()
            assert one != other
    assert [path.name for path in models.iterdir()] == ["iris"]


def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with (
        pytest.raises(
            TrainingError, match=r"packed rows need 1000000000\.00 GB of disk, [0-9.]+ GB are free; make room"
        ),
        scratch_folder(tmp_path / "models", needs=10**18),
    ):
        pass
    assert not (tmp_path / "models").exists()


def test_a_file_that_changes_between_the_passes_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    chunked = CsvChunks(path)
    list(chunked.chunks())
    chunked.check()
    path.write_text("a,b\n1,2\n3,4\n5,6\n")
    with pytest.raises(DataError, match=r"t\.csv: the file changed while it was being read; start again"):
        chunked.check()
