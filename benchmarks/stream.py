"""Whole jobs over tables of 10 thousand to 10 million rows: seconds a row, and memory against a bound.

``python -m benchmarks.stream [--rows 10000 100000 ...] [--form parquet|csv]`` writes a table of 20 columns for each
number of rows, fits it by `python -m training fit` in a process of its own with ``--memory 1GB``, and prints what that
process took. CPU is user and system time, which a busy machine changes less than the clock.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

FEATURES = 19
CHUNK = 100_000
FEWEST = 1_000
EPOCHS = 2
SETTINGS = ("encoding.bins=0", f"fit.epochs={EPOCHS}", "network.hidden=[{ units = 64 }, { units = 64 }]")
BOUND = "1GB"


@dataclass(frozen=True)
class Measured:
    """What one job took, seconds of CPU and bytes of memory, how good it was, and whether it was read in blocks."""

    cpu_s: float
    memory: int
    r2: float
    in_blocks: bool


def tables(rows: int) -> Iterator[pa.Table]:
    """Draw the table piece by piece: 19 numbers and a target that depends on them, all float32."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=FEATURES)
    for start in range(0, rows, CHUNK):
        X = rng.normal(size=(min(CHUNK, rows - start), FEATURES)).astype(np.float32)
        y = X @ weights + 0.5 * X[:, 0] * X[:, 1] + rng.normal(size=len(X)) * 0.3
        yield pa.table({**{f"x{i}": X[:, i] for i in range(FEATURES)}, "y": y.astype(np.float32)})


def write(path: Path, rows: int) -> None:
    """Write the table as Parquet or CSV, by the name."""
    pieces = tables(rows)
    first = next(pieces)
    kind: Any = parquet.ParquetWriter if path.suffix == ".parquet" else csv.CSVWriter
    with kind(path, first.schema) as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)


def job(path: Path, models: Path) -> Measured:
    """Fit the table in a process of its own."""
    words = [sys.executable, "-m", "training", "fit", str(path), "--target", "y", "--name", "big", "--memory", BOUND]
    words += [word for setting in SETTINGS for word in ("--set", setting)] + ["--models", str(models)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the job failed: {' '.join(words)}")
    version = max(models.glob("big/*/report.json"), key=lambda report: int(report.parent.name))
    report = json.loads(version.read_text())
    return Measured(
        cpu_s=usage.ru_utime + usage.ru_stime,
        memory=usage.ru_maxrss * 1024,
        r2=report["metrics"]["test.r2"],
        in_blocks=any("in blocks" in note for note in report["notes"]),
    )


def main() -> None:
    """Print one line for each size; the time a row is what it adds to the job of a very small table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--form", choices=["parquet", "csv"], default="parquet")
    options = parser.parse_args()
    print(f"{'rows':>12} {'read':>10} {'CPU s':>8} {'us a row more':>14} {'MB':>6} {'R2':>7}")
    with tempfile.TemporaryDirectory() as folder:
        start_s = measured(Path(folder), FEWEST, options.form).cpu_s
        print(f"{FEWEST:>12,} rows take {start_s:.1f} s, most of which is the start")
        for rows in options.rows:
            found = measured(Path(folder), rows, options.form)
            how = "in blocks" if found.in_blocks else "whole"
            beyond = (found.cpu_s - start_s) / (rows - FEWEST) * 1e6
            line = f"{rows:>12,} {how:>10} {found.cpu_s:>8.1f} {beyond:>14.1f}"
            print(f"{line} {found.memory / 1e6:>6.0f} {found.r2:>7.4f}", flush=True)


def measured(folder: Path, rows: int, form: str) -> Measured:
    """Write a table, fit it, and remove it."""
    path = folder / f"big.{form}"
    write(path, rows)
    found = job(path, folder / "models")
    path.unlink()
    return found


if __name__ == "__main__":
    main()
