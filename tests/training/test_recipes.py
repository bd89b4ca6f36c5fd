"""The recipes of the literature reach the figures that the README shows."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from network import ACTIVATIONS, EpochRecord, FitResult
from network.activations import ReLU
from network.tape import Do
from training.artifacts import evaluate_parts
from training.cookbook import load_recipe, recipe_names
from training.evaluation import class_codes
from training.fitting import fit_recipe
from training.job import Order, read_table
from training.prepared import Prepared, prepare

Array = NDArray[np.floating]
PAGE = Path(__file__).parents[2] / "README.md"


@dataclass(frozen=True)
class Fit:
    """One recipe, fitted with its own data and seed."""

    prepared: Prepared
    result: FitResult
    metrics: dict[str, float]

    @property
    def epochs(self) -> int:
        return len(self.result.history)


def fitted(name: str, data_home: Path | None = None, *overrides: str) -> Fit:
    recipe = load_recipe(name, overrides)
    prepared = prepare(read_table(Order(name, Path("unused"), data_home=data_home), recipe), recipe)
    found = fit_recipe(prepared, recipe, _silent)
    return Fit(prepared, found.result, evaluate_parts(prepared, found))


def _silent(_record: EpochRecord) -> None:
    return


def assert_documented(name: str, fit: Fit) -> None:
    """Compare with the page's row: epochs within a tenth, metrics within a hundredth (processors round differently)."""
    (row,) = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |")]
    figures = re.findall(r"(epochs|train\.\w+|test\.\w+) ([\d.,]+\d)", row.split("|")[4])
    assert figures
    for figure, text in figures:
        value = float(text.replace(",", ""))
        if figure == "epochs":
            assert fit.epochs == pytest.approx(value, rel=0.1)
        else:
            assert fit.metrics[figure] == pytest.approx(value, abs=0.01)


def test_every_recipe_has_a_row() -> None:
    rows = re.findall(
        r"^\| `([\w-]+)` \|",
        PAGE.read_text(encoding="utf-8").partition("## Recipes")[2].partition("\n## ")[0],
        flags=re.MULTILINE,
    )
    assert sorted([*rows, "table"]) == list(recipe_names())


def test_iris_leaves_the_plateau_and_stops_at_the_loss_of_the_literature() -> None:
    fit = fitted("iris")
    assert fit.metrics["train.accuracy"] == pytest.approx(118 / 120)
    assert fit.metrics["test.accuracy"] == 1.0
    assert 3000 <= fit.epochs <= 4700
    losses = [record.loss for record in fit.result.history]
    assert losses[-1] < 0.129 <= losses[-2]
    assert np.abs(np.array(losses[100:1000]) - np.log(3)).max() < 0.02
    assert_documented("iris", fit)


def test_he_initialisation_has_no_plateau() -> None:
    fit = fitted("iris-he")
    assert fit.epochs < 1000
    assert fit.result.history[100].loss < 0.9
    assert fit.metrics["test.accuracy"] >= 0.96
    assert_documented("iris-he", fit)


@pytest.mark.parametrize("name", ["xor-sigmoid", "xor-online"])
def test_exclusive_or_is_learned(name: str) -> None:
    fit = fitted(name)
    rows = fit.prepared.train
    assert class_codes(fit.result.mlp.infer(rows.X)).tolist() == [0, 1, 1, 0, 0]
    assert_documented(name, fit)


def test_the_curve_stops_by_itself() -> None:
    fit = fitted("curve")
    assert fit.epochs < load_recipe("curve").fit.epochs
    assert fit.result.history[-1].loss < 0.001
    assert_documented("curve", fit)


def test_tanh_explains_the_progression_of_diabetes() -> None:
    fit = fitted("tanh")
    assert fit.metrics["test.r2"] >= 0.45
    assert_documented("tanh", fit)


@pytest.mark.slow
def test_california_housing_reaches_the_published_errors(data_folder: Path) -> None:
    fit = fitted("california-housing", data_folder / "california_housing" / "scikit_learn_data")
    assert fit.metrics["train.mse_standardised"] == pytest.approx(0.2992, abs=0.01)
    assert fit.metrics["test.mse_standardised"] == pytest.approx(0.3071, abs=0.01)
    assert_documented("california-housing", fit)


@pytest.mark.slow
def test_the_best_of_california_housing_stays_under_its_figure(data_folder: Path) -> None:
    fit = fitted("california-best", data_folder / "california_housing" / "scikit_learn_data")
    assert fit.metrics["test.mse_standardised"] <= 0.16
    assert_documented("california-best", fit)


def test_the_default_recipe_comes_under_its_figure_on_california_housing_within_seconds(data_folder: Path) -> None:
    order = Order(
        "california_housing", Path("unused"), data_home=data_folder / "california_housing" / "scikit_learn_data"
    )
    recipe = load_recipe("table", ["split.seed=42"])
    prepared = prepare(read_table(order, recipe), recipe)
    start = time.process_time()
    found = fit_recipe(prepared, recipe, _silent)
    assert time.process_time() - start < 10
    metrics = evaluate_parts(prepared, found)
    assert metrics["test.mse_standardised"] <= 0.175
    assert metrics["test.coverage_90"] == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(
    ("file", "target", "figure"),
    [("titanic/train.csv", "Survived", 0.75), ("penguins/penguins.csv", "species", 0.97)],
)
def test_the_default_recipe_takes_a_table_that_nobody_prepared(
    data_folder: Path, file: str, target: str, figure: float
) -> None:
    order = Order(str(data_folder / file), Path("unused"))
    recipe = load_recipe("table", [f"data.target={target}", "split.seed=42"])
    prepared = prepare(read_table(order, recipe), recipe)
    metrics = evaluate_parts(prepared, fit_recipe(prepared, recipe, _silent))
    assert metrics["test.accuracy"] >= figure
    assert metrics["test.log_loss"] <= 1.02 * metrics["test.log_loss_before"]


def test_the_published_learning_rate_kills_every_unit_of_california_housing(data_folder: Path) -> None:
    home = data_folder / "california_housing" / "scikit_learn_data"
    fit = fitted("california-housing", home, "fit.optimizer.learning_rate=0.8", "fit.epochs=100")
    assert fit.metrics["train.mse_standardised"] == pytest.approx(1, abs=0.05)
    assert fit.metrics["test.r2"] < 0.05
    assert any("inactive" in warning for warning in fit.result.warnings)


@pytest.mark.slow
def test_a_thousand_digits_with_dropout_reach_the_tutorials_figure(data_folder: Path) -> None:
    fit = fitted("mnist-dropout", data_folder)
    assert len(fit.prepared.train.rows) == 1000
    assert fit.prepared.test is not None
    assert len(fit.prepared.test.rows) == 10_000
    assert fit.metrics["test.accuracy"] >= 0.87
    assert_documented("mnist-dropout", fit)


@pytest.mark.slow
def test_mnist_errs_on_less_than_two_in_a_hundred_within_a_minute(data_folder: Path) -> None:
    start = time.process_time()  # of this process alone, whatever else the machine does
    fit = fitted("mnist", data_folder)
    assert time.process_time() - start < 60
    assert 1 - fit.metrics["test.accuracy"] <= 0.016
    assert_documented("mnist", fit)


@pytest.mark.slow
def test_a_derivative_taken_at_the_activation_misses_the_tutorials_figure(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TutorialReLU(ReLU):
        """The activation is never negative, so that `A >= 0` is true everywhere."""

        def backward(self, dA: Array, Z: Array, A: Array, do: Do) -> None:
            do(lambda A, out: np.multiply(out, A >= 0, out=out), A, out=dA)

    monkeypatch.setitem(ACTIVATIONS, "relu", TutorialReLU())
    assert fitted("mnist-dropout", data_folder).metrics["test.accuracy"] < 0.85
