"""Tables that would not fit into the memory that is allowed: the whole job."""

import gzip
import json
import multiprocessing
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from predictor import CategoricalFeature, DateFeature, FolderRepository, NumericFeature, load_bytes, prove
from tests.training.helpers import Command
from training.cli import main

ROWS = 12_000
NETWORK = "network.hidden=[{ units = 16, activation = 'silu' }]"
# So many columns for each number would take more than the memory allowed.
SMALL = ("--set", NETWORK, "--set", "fit.epochs=4", "--set", "encoding.bins=1000", "--memory", "512MB")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Return 12,000 rows of 15 columns: numbers, gaps, a day, categories with a rare one, a counter, a target."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 10)).round(3)
    colour = np.array(["red", "green", "blue"])[rng.integers(3, size=ROWS)].astype(object)
    colour[7_000] = "ultraviolet"
    y = (X[:, 0] * 2 + X[:, 1] - X[:, 2] + (colour == "red") + rng.normal(size=ROWS) * 0.1).round(4)
    columns: dict[str, Any] = {f"x{i}": X[:, i] for i in range(10)}
    columns["gaps"] = pa.array(np.where(rng.random(ROWS) < 0.1, np.nan, X[:, 3]), from_pandas=True)
    days = np.datetime64("2020-01-01") + rng.integers(1000, size=ROWS)
    columns["day"] = pa.array(days.astype("datetime64[D]"), pa.date32(), mask=np.arange(ROWS) == 5_000)
    columns |= {"colour": pa.array(colour, pa.string()), "row": np.arange(1, ROWS + 1), "y": y}
    return pa.table(columns)


@pytest.fixture(scope="module")
def files(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the table as CSV, gzipped CSV, and a folder of Parquet files."""
    folder = tmp_path_factory.mktemp("large")
    csv.write_csv(table, folder / "big.csv", csv.WriteOptions(quoting_style="none"))
    (folder / "packed").mkdir()
    (folder / "packed" / "big.csv").write_bytes(gzip.compress((folder / "big.csv").read_bytes(), 1))
    (folder / "parquet" / "big").mkdir(parents=True)
    parquet.write_table(table.slice(0, 5_000), folder / "parquet" / "big" / "a.parquet")
    parquet.write_table(table.slice(5_000), folder / "parquet" / "big" / "b.parquet", row_group_size=3_000)
    return folder


def report(models: Path, version: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((models / "big" / str(version) / "report.json").read_text())
    return found


def weights(models: Path, version: int = 1) -> bytes:
    return FolderRepository(models).read("big", version)


@pytest.mark.parametrize("source", ["packed/big.csv", "parquet/big"])
def test_a_table_larger_than_the_memory_allowed_is_fitted_in_blocks(
    command: Command, files: Path, models: Path, source: str
) -> None:
    ran = command("fit", files / source, "--target", "y", "--name", "big", *SMALL)
    assert ran.code == 0, ran.err
    assert "note: 12,000 rows are read in blocks, within 512 MB of memory (data.memory)" in ran.out
    assert "left out  'row': it numbers the rows; otherwise --set 'data.keep=[\"row\"]'" in ran.out
    found = report(models)
    assert sum(found["rows"].values()) == ROWS
    assert found["rows"]["test"] == pytest.approx(0.2 * ROWS, rel=0.05)
    assert found["metrics"]["test.r2"] > 0.95
    low, high = found["intervals"]["r2"]
    assert low < found["metrics"]["test.r2"] < high
    assert found["seen"]["judged"] <= found["rows"]["test"]
    assert sorted(path.name for path in models.iterdir()) == ["big"]


def test_what_the_sample_decides_is_decided_as_by_the_whole(
    command: Command, files: Path, table: pa.Table, models: Path
) -> None:
    command("fit", files / "parquet" / "big", "--target", "y", *SMALL)
    predictor = load_bytes(weights(models), "big")
    prove(predictor)
    assert predictor.lineage["rows"] == ROWS
    by_name = {feature.name: feature for feature in predictor.schema.features}
    colour, gaps, x0, day = by_name["colour"], by_name["gaps"], by_name["x0"], by_name["day"]
    assert isinstance(colour, CategoricalFeature)
    assert isinstance(gaps, NumericFeature)
    assert isinstance(x0, NumericFeature)
    assert isinstance(day, DateFeature)
    assert gaps.missing is not None
    assert day.missing is not None
    values = table["x0"].to_numpy()
    assert (x0.low, x0.high) == (values.min(), values.max())
    assert {"red", "green", "blue"} <= set(colour.categories)


def test_the_way_a_table_is_read_changes_neither_sides_nor_quality(command: Command, files: Path, models: Path) -> None:
    for memory in ("512MB", "20GB"):
        words = ("fit", files / "big.csv", "--target", "y", "--split", "hash", *SMALL, "--memory", memory)
        assert command(*words).code == 0
    blocks, whole = report(models, 1), report(models, 2)
    assert any("in blocks" in note for note in blocks["notes"])
    assert not any("in blocks" in note for note in whole["notes"])
    assert blocks["rows"]["test"] == whole["rows"]["test"]
    assert blocks["lineage"]["data_sha256"] == whole["lineage"]["data_sha256"]
    for name in ("test.r2", "train.r2"):
        assert blocks["metrics"][name] == pytest.approx(whole["metrics"][name], abs=0.02)


def test_a_fit_in_blocks_that_is_killed_goes_on_to_the_same_bytes(files: Path, tmp_path: Path) -> None:
    words = ["fit", str(files / "parquet" / "big"), "--target", "y", *SMALL, "--set", "fit.epochs=5"]
    words += ["--checkpoint-epochs", "1", "--models"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main([*words, str(whole)]) == 0
    for _ in range(5):  # it ends before it is killed where this process is kept from the processor meanwhile
        process = multiprocessing.get_context("forkserver").Process(target=main, args=([*words, str(broken)],))
        process.start()
        while process.is_alive() and not list(broken.glob(".checkpoints/*.npz")):
            time.sleep(0.01)
        process.kill()
        process.join()
        if list(broken.glob(".scratch/*/train")):
            break
        shutil.rmtree(broken)
    assert list(broken.glob(".checkpoints/*.npz"))
    assert main([*words, str(broken), "--resume"]) == 0
    assert weights(broken) == weights(whole)
    assert sorted(path.name for path in broken.iterdir()) == ["big"]


def spoilt(files: Path, folder: Path, line: int, old: str, new: str) -> Path:
    """Return a copy of the CSV file with one line changed, counted from 1."""
    lines = (files / "big.csv").read_text().split("\n")
    lines[line - 1] = re.sub(old, new, lines[line - 1], count=1)
    path = folder / "big.csv"
    path.write_text("\n".join(lines))
    return path


def test_a_bad_row_deep_inside_is_named_by_line_and_column(command: Command, files: Path, tmp_path: Path) -> None:
    for old, new, message in (
        (r"^[^,]*", "oops", ": column 'x0': expected a number, found 'oops' in line 7377 (1 such cell of 12,000)"),
        (r"^[^,]*,", "", ", line 7377: expected 15 cells as in the header, found 14"),
        (r",([^,]*)$", r',"\1', ", line 7377: a quote is opened and never closed; close it, or write it twice"),
        (r"^", '"', ", line 7377: a quote is opened and never closed; close it, or write it twice"),
        (r"[^,]*$", "?!", ": target: column 'y': expected a number, found '?!' in line 7377 (1 such cell of 12,000)"),
    ):
        ran = command("fit", spoilt(files, tmp_path, 7_377, old, new), "--target", "y", *SMALL)
        assert ran.code == 2
        assert ran.err.startswith(f"error: big.csv{message}")
        assert not (tmp_path / "models").exists()


def test_bytes_that_are_no_text_are_named_by_line(command: Command, files: Path, tmp_path: Path, models: Path) -> None:
    data = (files / "big.csv").read_bytes().replace(b"ultraviolet", b"ultra\xffviolet")
    (tmp_path / "big.csv").write_bytes(data)
    ran = command("fit", tmp_path / "big.csv", "--target", "y", *SMALL)
    assert ran.code == 2
    assert ran.err == (
        "error: big.csv, line 7002: expected UTF-8 text, found the byte 0xff; name another encoding:"
        " --set data.encoding=windows-1252\n"
    )
    assert command("fit", tmp_path / "big.csv", "--target", "y", *SMALL, "--set", "data.encoding=latin-1").code == 0


def test_a_gzip_file_that_is_cut_short_is_refused(command: Command, files: Path, tmp_path: Path, models: Path) -> None:
    (tmp_path / "big.csv").write_bytes((files / "packed" / "big.csv").read_bytes()[:-1000])
    ran = command("fit", tmp_path / "big.csv", "--target", "y", *SMALL)
    assert ran.code == 2
    assert ran.err.startswith("error: big.csv: expected a gzip file, and it cannot be read: ")
    assert not models.exists()


def test_parquet_files_that_differ_are_refused(command: Command, files: Path, tmp_path: Path, table: pa.Table) -> None:
    folder = tmp_path / "big"
    shutil.copytree(files / "parquet" / "big", folder)
    parquet.write_table(table.rename_columns([*table.column_names[:-1], "z"]), folder / "c.parquet")
    ran = command("fit", folder, "--target", "y", *SMALL)
    assert ran.code == 2
    assert ran.err == "error: c.parquet: expected the columns of a.parquet, found others\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "fit.batch_size=full"), "fit.batch_size: a table that is read in blocks needs batches, say 256"),
        (("--set", "split.train_rows=10"), "split.train_rows: a table that is read in blocks has no first rows"),
        (("--memory", "10MB"), "data.memory: expected at least 512MB, found 10MB"),
        (("--memory", "much"), "data.memory: expected a size such as 800MB or 1.5GiB, found 'much'"),
        (("--split", "given"), "split.method 'given': the source itself keeps no rows for testing"),
    ],
)
def test_what_cannot_be_done_in_blocks_is_refused_in_words(
    command: Command, files: Path, models: Path, words: tuple[str, ...], message: str
) -> None:
    ran = command("fit", files / "parquet" / "big", "--target", "y", *SMALL, *words)
    assert ran.code == 2
    assert message in ran.err
    assert not models.exists()


def test_a_disk_that_fills_up_while_rows_are_packed_is_said(files: Path, tmp_path: Path) -> None:
    words = ["fit", str(files / "parquet" / "big"), "--target", "y", *SMALL, "--models", str(tmp_path / "models")]
    command = ["bash", "-c", 'ulimit -f 1000; exec "$@"', "-", sys.executable, "-m", "training", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    said = [line for line in ran.stderr.splitlines() if not line.startswith("packing rows: ")]  # for seconds, or not
    assert said == ["error: packed rows cannot be written beside the models: File too large"]
    assert not (tmp_path / "models").exists()


def test_the_whole_process_stays_within_the_memory_allowed(files: Path, tmp_path: Path) -> None:
    words = ["fit", str(files / "big.csv"), "--target", "y", *SMALL, "--models", str(tmp_path / "models")]
    code = "import sys; from training.cli import main; main(sys.argv[1:]); print(open('/proc/self/status').read())"
    ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    found = re.search(r"VmHWM:\s+(\d+) kB", ran.stdout)
    assert found is not None
    assert int(found[1]) * 1024 < 512_000_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_that_is_asked_to_end_while_it_packs_rows_leaves_nothing(
    files: Path, tmp_path: Path, number: signal.Signals
) -> None:
    models = tmp_path / "models"
    words = ["fit", str(files / "big.csv"), "--target", "y", *SMALL, "--models", str(models)]
    command = [sys.executable, "-m", "training", *words]
    code, err = 0, ""
    for _ in range(5):  # it ends before it is asked to where this process is kept from the processor meanwhile
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None and not list(models.glob(".scratch/*/train")):
                time.sleep(0.005)
            process.send_signal(number)
            _, err = process.communicate(timeout=300)
            code = process.returncode
        if code:
            break
        shutil.rmtree(models)
    assert code == 130
    assert "Interrupted: nothing was published." in err
    assert not list(models.glob(".scratch"))
