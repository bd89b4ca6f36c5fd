"""The command `fit`, from a table to a published version."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import training.cli
from predictor import ClassOutputs, FolderRepository, load_bytes, prove
from tests.training.helpers import Command, Writer

QUICK = ("--set", "fit.epochs=20")


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_a_csv_file_becomes_a_published_model(command: Command, flowers: Path, models: Path) -> None:
    ran = command("fit", flowers, "--target", "kind", "--name", "flowers")
    assert ran.code == 0
    assert "flowers: kind (2 classes) from 3 columns; 96 rows to learn from, 24 held out" in ran.out
    assert (
        f"Published flowers version 1: {models / 'flowers' / '1'}\nServe it: python -m service serve --models"
        in ran.out
    )
    folder = models / "flowers" / "1"
    assert sorted(path.name for path in folder.iterdir()) == [
        "confusion.svg",
        "loss.svg",
        "model.npz",
        "report.html",
        "report.json",
    ]
    repository = FolderRepository(models)
    assert repository.aliases("flowers")["champion"] == 1
    predictor = load_bytes(repository.read("flowers", 1), "flowers")
    prove(predictor)
    assert predictor.schema.names == ("length", "width", "colour")
    assert isinstance(predictor.outputs, ClassOutputs)
    assert predictor.outputs.labels == ("lily", "rose")
    assert predictor.metrics["test.accuracy"] >= 0.9
    assert predictor.lineage["rows"] == 120
    assert any(None in row for row in predictor.golden.rows)
    assert predictor.reference is not None
    assert predictor.reference.rows == sum(predictor.reference.labels) == 81
    assert [count > 0 for count in predictor.reference.missing] == [
        feature.missing is not None for feature in predictor.schema.features
    ]


def test_the_terminal_says_which_epoch_the_weights_are_from(command: Command, flowers: Path, models: Path) -> None:
    ran = command("fit", flowers, "--target", "kind", "--set", "fit.epochs=40", "--set", "fit.schedule=constant")
    best = report(models / "flowers" / "1")["best_epoch"]
    assert best < 40
    assert "all 40 epochs are done (40 epochs in " in ran.out
    assert f" s); the weights are those of epoch {best}, the best\n" in ran.out


def test_a_target_too_large_to_be_squared_is_refused(command: Command, write: Writer) -> None:
    table = write("large.csv", "x,y\n" + "".join(f"{i / 7},{i}e300\n" for i in range(50)))
    ran = command("fit", table, "--target", "y")
    assert ran.code == 2
    assert "target 'y': expected numbers up to 1e+150 in size, whose squares can be added, found 4.9e+301" in ran.err


def test_the_report_says_what_the_terminal_says(command: Command, flowers: Path, models: Path) -> None:
    command("fit", flowers, "--target", "kind", *QUICK)
    found = report(models / "flowers" / "1")
    assert found["rows"] == {"train": 81, "validation": 15, "test": 24}
    assert sum(map(sum, found["confusion"]["counts"])) == 24
    assert found["confusion"]["labels"] == ["lily", "rose"]
    assert found["recipe"]["data"]["target"] == "kind"
    assert found["recipe"]["fit"]["epochs"] == 20
    assert found["epochs"] == 20
    assert set(found["metrics"]) == {
        "test.coverage_90",
        "validation.temperature",
        *(f"{part}.{name}_before" for part in ("validation", "test") for name in ("log_loss", "ece")),
        *(
            f"{part}.{name}"
            for part in ("train", "validation", "test")
            for name in ("accuracy", "log_loss", "ece", "macro_f1")
        ),
    }


def test_a_second_fit_is_a_second_version_and_need_not_be_promoted(
    command: Command, flowers: Path, models: Path
) -> None:
    command("fit", flowers, "--target", "kind", *QUICK)
    ran = command("fit", flowers, "--target", "kind", *QUICK, "--no-promote")
    assert "Published flowers version 2, not promoted" in ran.out
    assert "python -m predictor promote flowers 2" in ran.out
    assert FolderRepository(models).aliases("flowers")["champion"] == 1


def test_a_number_is_predicted_in_its_own_units(command: Command, write: Writer, models: Path) -> None:
    rows = "".join(f"{i / 10},{1000 + 5 * i}\n" for i in range(200))
    ran = command("fit", write("line.csv", "x,y\n" + rows), "--target", "y", "--split", "hash")
    assert ran.code == 0
    found = report(models / "line" / "1")
    assert found["metrics"]["test.r2"] > 0.99
    assert not (models / "line" / "1" / "confusion.svg").exists()
    reference = load_bytes(FolderRepository(models).read("line", 1), "line").reference
    assert reference is not None
    assert reference.values[0] is not None
    assert reference.values[0].edges[-1] > 1900


def test_the_hash_split_keeps_the_sides_of_rows_when_the_file_grows(
    command: Command, flowers: Path, write: Writer, models: Path
) -> None:
    command("fit", flowers, "--target", "kind", "--split", "hash", *QUICK)
    grown = write("grown.csv", flowers.read_text() + "9,9,red,rose\n")
    command("fit", grown, "--target", "kind", "--split", "hash", *QUICK)
    before, after = (report(models / name / "1")["rows"] for name in ("flowers", "grown"))
    assert after["test"] - before["test"] in {0, 1}


def test_data_errors_exit_2_with_one_sentence_and_publish_nothing(
    command: Command, write: Writer, flowers: Path, models: Path
) -> None:
    fit = ("fit", flowers, "--target", "kind")
    for words, message in (
        (("fit", flowers, "--target", "knd"), "flowers.csv: target: there is no column 'knd'; did you mean 'kind'?"),
        (("fit", write("empty.csv", "")), "empty.csv: expected a header and rows, found an empty file"),
        (("fit", "irsi"), "'irsi' is no file, folder, recipe or data set; did you mean 'iris'?"),
        ((*fit, "--name", "../up"), "--name: expected 1 to 64 letters, digits, '_' or '-', a letter or digit first"),
        ((*fit, "--recipe", "tahn"), "'tahn' is neither a recipe nor a readable file; did you mean 'tanh'?"),
        ((*fit, "--set", "fit.epoch=1"), "recipe table: fit.epoch: unknown key; did you mean 'epochs'?"),
        ((*fit, "--set", "fit.stopping.monitor=acuracy"), "fit.stopping.monitor: unknown metric 'acuracy'; did you"),
        ((*fit, "--split", "given"), "split.method 'given': the source itself keeps no rows for testing; use random"),
        ((*fit, "--task", "number"), "flowers.csv: target 'kind': expected numbers for the task 'number', found text"),
        (("fit", "iris", "--set", "network.output.units=1"), "network.output.units: one unit tells two classes apart"),
        (("fit", "diabetes", "--recipe", "iris"), "fit.loss: categorical_cross_entropy does not fit the target"),
        (("fit", "diabetes", "--set", "fit.loss=poisson"), "fit.loss: poisson does not fit the target"),
        ((*fit, "--set", 'gate=[{metric="acuracy", at_least=1}]', *QUICK), "gate: there is no metric 'acuracy'; did"),
    ):  # fmt: skip
        ran = command(*words)
        assert ran.code == 2
        assert ran.err.startswith(f"error: {message}")
        assert ran.err.count("\n") == 1
    assert not models.exists() or not list(models.iterdir())


def test_a_gate_that_refuses_exits_3_and_publishes_nothing(command: Command, flowers: Path, models: Path) -> None:
    gate = '--set=gate=[{metric="test.accuracy", at_least=1.5}]'
    ran = command("fit", flowers, "--target", "kind", gate, *QUICK)
    assert ran.code == 3
    assert "error: the gate refuses the model, nothing is published: test.accuracy is" in ran.err
    assert "expected at least 1.5" in ran.err
    assert not models.exists() or not list(models.iterdir())


def test_a_diverging_fit_is_said_in_plain_words(command: Command, flowers: Path) -> None:
    ran = command("fit", flowers, "--target", "kind", "--set", "fit.optimizer={name='sgd', learning_rate=1e9}")
    assert ran.code == 2
    assert "learning rate" in ran.err


def test_an_interrupted_fit_publishes_nothing_and_says_so(
    command: Command, flowers: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.resuming.fit_recipe", interrupted)
    ran = command("fit", flowers, "--target", "kind")
    assert ran.code == 130
    assert ran.err.endswith("Interrupted: nothing was published.\n")
    assert not models.exists()


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_in_the_middle_of_a_fit_ends_it_at_once(models: Path) -> None:
    words = [sys.executable, "-m", "training", "fit", "xor-online", "--set", "fit.epochs=100000000", "--models", models]
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the line that introduces the fit
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Interrupted: nothing was published." in err
    assert FolderRepository(models).names() == []


def test_two_processes_give_the_same_bytes(flowers: Path, tmp_path: Path) -> None:
    files, facts = [], []
    for folder in ("a", "b"):
        words = ["fit", flowers, "--target", "kind", *QUICK, "--models", tmp_path / folder]
        subprocess.run([sys.executable, "-m", "training", *map(str, words)], check=True, capture_output=True)
        version = tmp_path / folder / "flowers" / "1"
        files.append({path.name: path.read_bytes() for path in version.iterdir() if path.name != "report.json"})
        facts.append({key: value for key, value in report(version).items() if key != "seconds"})
    assert files[0] == files[1]
    assert facts[0] == facts[1]


def test_another_seed_gives_another_model(command: Command, flowers: Path, models: Path) -> None:
    command("fit", flowers, "--target", "kind", *QUICK, "--seed", "1")
    command("fit", flowers, "--target", "kind", *QUICK, "--seed", "2")
    first, second = ((models / "flowers" / version / "model.npz").read_bytes() for version in "12")
    assert first != second


def test_the_repository_is_named_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("GANGLION_MODELS", str(tmp_path / "elsewhere"))
    assert training.cli.main(["fit", "curve"]) == 0
    assert (tmp_path / "elsewhere" / "curve" / "1" / "model.npz").is_file()


@pytest.mark.parametrize(
    ("file", "target", "least"),
    [
        ("telco_churn/Telco-Customer-Churn.csv", "Churn", {"test.accuracy": 0.78}),
        ("titanic/train.csv", "Survived", {"test.accuracy": 0.72}),
        ("penguins/penguins.csv", "species", {"test.accuracy": 0.95}),
        ("california_raw_missing/housing.csv", "median_house_value", {"test.r2": 0.75}),
    ],
)
def test_real_tables_train_without_a_word_of_advice(
    command: Command, data_folder: Path, file: str, target: str, least: dict[str, float]
) -> None:
    gate = ", ".join(f'{{metric="{metric}", at_least={value}}}' for metric, value in least.items())
    ran = command("fit", data_folder / file, "--target", target, "--name", "real", f"--set=gate=[{gate}]")
    assert ran.code == 0, ran.err


def test_the_titanic_loses_its_names_and_numbers(command: Command, data_folder: Path, models: Path) -> None:
    ran = command("fit", data_folder / "titanic" / "train.csv", "--target", "Survived", "--name", "titanic", *QUICK)
    assert "left out  'PassengerId': it numbers the rows; otherwise --set 'data.keep=[\"PassengerId\"]'" in ran.out
    assert "left out  'Name', 'Ticket': it looks like a name or free text; otherwise" in ran.out
    assert "category  'Cabin': nearly every text is different: only whether there is one; otherwise" in ran.out
    predictor = load_bytes(FolderRepository(models).read("titanic", 1), "titanic")
    assert predictor.schema.names == ("Pclass", "Sex", "Age", "SibSp", "Parch", "Fare", "Cabin", "Embarked")
    report = json.loads((models / "titanic" / "1" / "report.json").read_text())
    assert [one["column"] for one in report["decisions"] if one["what"] == "left out"] == [
        "PassengerId",
        "Name",
        "Ticket",
    ]


def test_every_decision_can_be_overruled_by_the_option_that_is_printed(
    command: Command, write: Writer, models: Path
) -> None:
    head = "no,on,zip,store_id,name,kind,leak,good,y"
    rows = [
        f"{i},{1 + i % 12}/{1 + i % 11}/2023,0{i % 3},{11 + 7 * (i % 5)},a{i},{f'rare {i}' if i < 3 else 'oft'},{i % 2}"
        f",{i * i % 7},{'yes' if i % 2 else 'no'}"
        for i in range(200)
    ]
    path = write("visits.csv", "\n".join([head, *rows]))
    arguments = ("fit", path, "--target", "y", "--set=fit.epochs=1")
    ran = command(*arguments)
    assert ran.code == 0, ran.err
    options = re.findall(r"; otherwise (--set .*)$", ran.out, re.MULTILINE)
    assert [shlex.split(option)[1] for option in options] == [
        'data.keep=["no"]',
        "data.kinds.on=date-day-first",
        "data.kinds.zip=number",
        "data.kinds.store_id=number",
        'data.keep=["name"]',
        "data.rare=1",
        "data.kinds.COLUMN=category",
        'data.drop=["leak"]',
    ]
    again = command(*arguments, *shlex.split(" ".join(options).replace("COLUMN", "good")))
    assert again.code == 0, again.err
    predictor = load_bytes(FolderRepository(models).read("visits", 2), "visits")
    kinds = {feature.name: type(feature).__name__.removesuffix("Feature") for feature in predictor.schema.features}
    assert kinds == {
        "no": "Numeric", "on": "Date", "zip": "Numeric", "store_id": "Numeric", "name": "Categorical",
        "kind": "Categorical", "good": "Categorical",
    }  # fmt: skip
