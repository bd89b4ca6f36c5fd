"""How good a model comes out: this project's default recipe beside scikit-learn's estimators, on tables as they are.

``python -m benchmarks.quality [--data FOLDER] [SET ...]`` fits each with five seeds on the same 80/20 split (seed 42)
in one thread. This project gets the CSV file and the target's name; scikit-learn's estimators stand behind a
ColumnTransformer written by hand for each table. The figures are those of the 20 % of the rows that no fit saw; seconds
are processor time of a fit with its preparation.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from training.artifacts import evaluate_parts
from training.cookbook import load_recipe
from training.fitting import fit_recipe
from training.prepared import Prepared, prepare
from training.sources import SourceOptions, read_source
from training.table import Table

SEEDS = range(5)


@dataclass(frozen=True)
class Task:
    """A table, what to predict, and the columns that a person would leave out."""

    file: str
    target: str
    is_number: bool = False
    unused: tuple[str, ...] = ()


TASKS = {
    "California housing": Task("california_housing/california_housing.csv", "MedHouseVal", is_number=True),
    "raw California": Task("california_raw_missing/housing.csv", "median_house_value", is_number=True),
    "Telco churn": Task("telco_churn/Telco-Customer-Churn.csv", "Churn", unused=("customerID",)),
    "Titanic": Task("titanic/train.csv", "Survived", unused=("PassengerId", "Name", "Ticket", "Cabin")),
    "penguins": Task("penguins/penguins.csv", "species"),
}
PEERS = ("MLP", "MLP (128, 64), early stopping", "HistGradientBoosting")


@dataclass(frozen=True)
class Result:
    """One fit: accuracy, or the squared error in units of the training target's variance; and its seconds."""

    figure: float
    seconds: float


def ours(table: Table, task: Task, seed: int) -> Result:
    """Fit the default recipe, which is told the file and the target."""
    start = time.process_time()
    prepared, recipe = _prepared(table, task, seed)
    fitted = fit_recipe(prepared, recipe, lambda _record: None)
    seconds = time.process_time() - start
    metrics = evaluate_parts(prepared, fitted)
    return Result(metrics["test.mse_standardised" if task.is_number else "test.accuracy"], seconds)


def _prepared(table: Table, task: Task, seed: int) -> tuple[Prepared, Any]:
    recipe = load_recipe("table", [f"data.target={task.target}", "split.seed=42", f"seed={seed}"])
    return prepare(table, recipe), recipe


def theirs(peer: str, frame: pd.DataFrame, task: Task, rows: tuple[Any, Any], seed: int) -> Result:
    """Fit one of scikit-learn's estimators on the same rows, all of those that this project splits further."""
    X, y = frame.drop(columns=[task.target, *task.unused]), frame[task.target]
    train, test = rows
    if task.is_number:
        y = (y - y.iloc[train].mean()) / y.iloc[train].std(ddof=0)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of epochs that were not enough
        model = make_pipeline(_columns(peer, X), _estimator(peer, task, seed)).fit(X.iloc[train], y.iloc[train])
    seconds = time.process_time() - start
    guesses, truth = model.predict(X.iloc[test]), y.iloc[test].to_numpy()
    return Result(float(np.mean((guesses - truth) ** 2 if task.is_number else guesses == truth)), seconds)


def _columns(peer: str, X: pd.DataFrame) -> ColumnTransformer:
    numbers = [name for name in X if X[name].dtype.kind in "fi"]
    texts = [name for name in X if name not in numbers]
    if peer == PEERS[2]:  # it knows missing cells and categories itself
        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
        return ColumnTransformer([("numbers", "passthrough", numbers), ("texts", codes, texts)])
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    flags = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    return ColumnTransformer([("numbers", scaled, numbers), ("texts", flags, texts)])


def _estimator(peer: str, task: Task, seed: int) -> Any:
    if peer == PEERS[2]:
        kind = HistGradientBoostingRegressor if task.is_number else HistGradientBoostingClassifier
        return kind(random_state=seed)
    more: dict[str, Any] = {"hidden_layer_sizes": (128, 64), "early_stopping": True} if peer == PEERS[1] else {}
    return (MLPRegressor if task.is_number else MLPClassifier)(random_state=seed, **more)


def frame_of(path: Path, task: Task) -> pd.DataFrame:
    """Read a table as a person would for scikit-learn: blanks are missing, numbers are numbers."""
    frame = pd.read_csv(path, na_values=[" ", ""])
    texts = [name for name in frame if frame[name].dtype.kind not in "fib" and name != task.target]
    frame[texts] = frame[texts].astype(object).where(frame[texts].notna(), np.nan)
    return frame[frame[task.target].notna()].reset_index(drop=True)


def rows_of(name: str, task: Task, folder: Path) -> Iterator[str]:
    """Fit everything on one table and yield the lines of the page."""
    path = folder / task.file
    table, frame = read_source(str(path), SourceOptions()), frame_of(path, task)
    prepared, _ = _prepared(table, task, 0)
    if prepared.test is None or prepared.validation is None:
        raise SystemExit(f"{name}: the recipe holds nothing out")
    rows = (np.concatenate([prepared.train.rows, prepared.validation.rows]), prepared.test.rows)
    fits: dict[str, Callable[[int], Result]] = {"ganglion": lambda seed: ours(table, task, seed)}
    fits |= {peer: lambda seed, peer=peer: theirs(peer, frame, task, rows, seed) for peer in PEERS}  # type: ignore[misc]
    for label, fitted in fits.items():
        found = [fitted(seed) for seed in SEEDS]
        figures = [one.figure for one in found]
        each = ", ".join(f"{figure:.4f}" for figure in figures)
        seconds = statistics.mean(one.seconds for one in found)
        yield f"| {name} | {label} | {statistics.mean(figures):.4f} | {each} | {seconds:.1f} |"


def main() -> None:
    """Print the table, a line at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"which of {', '.join(TASKS)}; all by default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of the tables")
    options = parser.parse_args()
    print("| table | fitted by | mean | seeds 0 to 4 | s |\n|---|---|---:|---|---:|")
    with threadpool_limits(1):
        for name in options.sets or TASKS:
            for line in rows_of(name, TASKS[name], options.data):
                print(line, flush=True)


if __name__ == "__main__":
    main()
